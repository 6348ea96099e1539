"""What holds data files: a folder, a zip, or the one file that was named. A path in; files in memory out, one by one.

Nothing is written: members of an archive never become files. No row is known here.
"""

from __future__ import annotations

import io
import lzma
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from domlora.data.compression import PACKED_SUFFIXES, unpacked, without_packing
from domlora.data.json_rows import JSON_SUFFIXES
from domlora.data.splits import split_of_file
from domlora.data.tables import CSV_SUFFIXES
from domlora.data.text_files import KINDS, refuse_foreign
from domlora.errors import TaskError

DATA_SUFFIXES = (*JSON_SUFFIXES, *CSV_SUFFIXES, ".parquet", ".arrow")
SUFFIXES = (*DATA_SUFFIXES, *PACKED_SUFFIXES, ".zip")
# What lies beside the rows of a data set and describes them.
DESCRIPTIONS = ("dataset_info.json", "dataset_infos.json", "state.json", "dataset_dict.json")
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # the latter begins an empty one
# A few kilobytes may unpack to more than any memory holds.
MOST_UNPACKED = 4 * 2**30  # bytes
MOST_MEMBERS = 10_000
ENCRYPTED = 0x1
DAMAGES = (
    zipfile.BadZipFile, NotImplementedError, zlib.error, lzma.LZMAError, struct.error, OSError, EOFError, ValueError,
)  # fmt: skip
UNDECODED = re.compile("[\ud800-\udfff]")  # stand for bytes in the names of files that Python could not decode
OFFICE = ("[Content_Types].xml", "mimetype")  # members that every document of an office program has


@dataclass(frozen=True)
class DataFile:
    """One file of rows, unpacked.

    Attributes:
        place: path, for errors; of a member, the path of the archive and its own.
        suffix: the last of its name but for those of packing, in small letters; "" if it has none.
        data: what is in it.
        split: what its name says about its rows; train where it says nothing, or where it was named alone.
    """

    place: str
    suffix: str
    data: bytes
    split: str = "train"


def data_files(path: Path) -> Iterator[DataFile]:
    """Reads what a path leads to.

    Returns:
        The file; of a folder or a zip the files in it, sorted by name.

    Raises:
        TaskError: nothing there can be read, or it holds no data file.
    """
    if path.is_dir():
        yield from _folder(path)
        return
    data = _unpacked(_bytes(path), path.name, str(path), MOST_UNPACKED)
    suffix = _suffix(path.name)
    if data.startswith(ZIP_MAGIC):
        yield from _archive(data, path)
    elif suffix == ".zip" and data:
        raise TaskError(f"{path} is a damaged zip archive: copy or write it again")
    else:
        yield DataFile(str(path), suffix, data)


def task_name(path: Path) -> str:
    """What a task is called: a folder by its name, a file by its name without suffixes of data."""
    if path.is_dir():
        return path.name or path.resolve().name or "task"
    name = without_packing(path.name)
    for suffixes in ((".zip",), DATA_SUFFIXES):  # "v1.2" has a dot that is no suffix
        name = Path(name).stem if name.lower().endswith(suffixes) else name
    return name


def task_place(path: Path) -> str:
    """Where a task lies, as a text that any machine can keep.

    Raises:
        TaskError: Python could not decode the path, so that no store takes it.
    """
    place = os.path.abspath(path)
    if UNDECODED.search(place):
        raise TaskError(
            f"{_shown(PurePosixPath(place))} has bytes in its name that are no text in this locale: rename it, or set "
            "PYTHONUTF8=1 if they are UTF-8"
        )
    return place


def _suffix(name: str) -> str:
    return PurePosixPath(without_packing(name)).suffix.lower()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TaskError(f"{path} cannot be read ({error.strerror or error}): check the file") from error


def _is_data(path: PurePosixPath) -> bool:
    """By name alone: hidden files, descriptions and what `datasets` keeps of earlier computations are none."""
    name = path.name
    if _hidden(path) or name in DESCRIPTIONS:
        return False
    return _suffix(name) in DATA_SUFFIXES and not (name.startswith("cache-") and name.endswith(".arrow"))


def _hidden(path: PurePosixPath) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in path.parts if part != "..")


def _shown(name: PurePosixPath) -> str:
    """A name that somebody else gave, on one line."""
    return "".join(char if char.isprintable() else "\ufffd" for char in str(name))


def _unpacked(data: bytes, name: str, place: str, most: int) -> bytes:
    refuse_foreign(data, place)  # before the suffix promises what it is not, as of a pointer that is called .gz
    return unpacked(data, name, place, most)


def _folder(folder: Path) -> Iterator[DataFile]:
    """Data files in a folder and in the folders in it."""
    try:
        inside = [found.relative_to(folder) for pattern in ("*", "*/*") for found in folder.glob(pattern)]
        names = [PurePosixPath(*name.parts) for name in inside if (folder / name).is_file()]
    except OSError as error:
        raise TaskError(f"{folder} cannot be read ({error.strerror or error}): check the folder") from error
    yield from _chosen(
        names, str(folder), "folder, two levels deep,", lambda name: _bytes(folder / name), MOST_UNPACKED
    )


def _archive(data: bytes, path: Path) -> Iterator[DataFile]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except DAMAGES as error:
        raise TaskError(f"{path} is a damaged zip archive ({error}): copy or write it again") from error
    files = [member for member in archive.infolist() if not member.is_dir()]
    # Some programs write the separators of Windows, against the standard.
    members = {PurePosixPath(member.filename.replace("\\", "/")): member for member in files}
    if any(name in archive.namelist() for name in OFFICE):
        raise TaskError(f"{path} is a document of an office program (such as .xlsx): save its rows as CSV")
    if len(files) > MOST_MEMBERS:
        raise TaskError(f"{path} holds more than {MOST_MEMBERS:,} files: bring a part of them")
    if len(members) < len(files):
        raise TaskError(f"{path} holds two files of one name: write the archive again")
    nested = next((name for name in members if name.suffix.lower() == ".zip" and not _hidden(name)), None)
    if nested:
        raise TaskError(f"{path} holds another archive ({_shown(nested)}): unpack it and name the folder")
    left = MOST_UNPACKED - sum(member.file_size for name, member in members.items() if _is_data(name))
    if left < 0:
        raise TaskError(f"{path} unpacks to more than {MOST_UNPACKED:,} bytes: bring a part of it")

    def read(name: PurePosixPath) -> bytes:
        if members[name].flag_bits & ENCRYPTED:
            raise TaskError(f"{path}/{_shown(name)} is encrypted: unpack the archive and name the folder")
        try:
            return archive.read(members[name])
        except DAMAGES as error:
            raise TaskError(f"{path}/{_shown(name)} is damaged ({error}): copy or write the archive again") from error

    yield from _chosen(list(members), str(path), "zip archive", read, left)


def _chosen(
    names: list[PurePosixPath], place: str, kind: str, read: Callable[[PurePosixPath], bytes], left: int
) -> Iterator[DataFile]:
    """The data files among names, in order; those that are packed themselves come to no more than `left` bytes."""
    chosen = sorted((name for name in names if _is_data(name)), key=str)
    if not chosen:
        others = ", ".join(sorted(map(_shown, names))[:5]) or "nothing"
        raise TaskError(f"{place} is a {kind} without data files (it holds {others}): bring {KINDS}")
    for name in chosen:
        where = f"{place}/{_shown(name)}"
        packed = read(name)
        data = _unpacked(packed, name.name, where, left)
        left -= len(data) if data is not packed else 0
        try:
            split = split_of_file(without_packing(name.name).removesuffix(_suffix(name.name)), name.parent.name)
        except TaskError as error:
            raise TaskError(f"{where}: {error}") from error
        yield DataFile(where, _suffix(name.name), data, split)
