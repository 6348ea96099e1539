"""From a path to numbered rows: files of JSON, CSV, Parquet and Arrow, packed or not, in folders and zips.

The one entrance: what holds the files (`containers`) and how each kind is read (`json_rows`, `tables`) lie beside it.
What a file is, its first bytes say; the suffix decides only where they do not (CSV). No row format is known here.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from domlora.data.cells import column_names, plain_value
from domlora.data.compression import packer_of
from domlora.data.containers import ZIP_MAGIC, DataFile, data_files
from domlora.data.json_rows import JSON_SUFFIXES, json_rows
from domlora.data.splits import splits_read
from domlora.data.tables import CSV_SUFFIXES, arrow_rows, csv_rows, delimiter_of, parquet_rows
from domlora.data.text_files import refuse_foreign, text_of_file
from domlora.errors import TaskError

# What `save_to_disk` of `datasets` writes beside the rows of one data set, and of one for each split.
SAVED_ONE, SAVED_SPLITS = ("state.json", "dataset_info.json"), ("dataset_dict.json",)

log = logging.getLogger(__name__)


class Row(NamedTuple):
    """One row of a source.

    Attributes:
        place: the file and the row in it, for errors.
        number: line of JSON Lines, else position, from 1; counts on over the files of a folder.
        split: what its list or file says; the row itself may say otherwise.
        contents: its keys and values, as JSON knows them.
    """

    place: str
    number: int
    split: str
    contents: dict[str, Any]


def read_rows(path: Path) -> Iterator[Row]:
    """Reads a data file, or all data files of a folder or zip.

    Args:
        path: a .json, .jsonl, .ndjson, .csv, .tsv, .parquet or .arrow file, a .gz, .bz2, .xz or .zst of these, such
            contents under any other name, a folder or a .zip of such files, or a folder that `datasets` saved.

    Raises:
        TaskError: one line with the file, the place and how to mend it.
    """
    if any(all((path / name).is_file() for name in names) for names in (SAVED_ONE, SAVED_SPLITS)):
        yield from _saved(path)
        return
    before = 0
    for file in data_files(path):
        last = 0
        for last, split, contents in _rows_of(file):
            yield Row(f"{file.place}, row {last}", before + last, split or file.split, contents)
        before += last


def _rows_of(file: DataFile) -> Iterator[tuple[int, str | None, dict[str, Any]]]:
    data, place, suffix = file.data, file.place, file.suffix
    if data.startswith(ZIP_MAGIC) or packer_of(data):
        raise TaskError(f"{place} is an archive in another: unpack it first")
    refuse_foreign(data, place)
    if data.startswith(b"PAR1") or (suffix == ".parquet" and data):
        return _unsplit(parquet_rows(data, place))
    # A stream has no name in its first bytes, only the mark that begins each of its messages.
    if data.startswith((b"ARROW1", b"\xff\xff\xff\xff")) or (suffix == ".arrow" and data):
        return _unsplit(arrow_rows(data, place))
    text = text_of_file(data, place)
    delimiter = delimiter_of(text, suffix)
    opens_json = text.lstrip()[0] in "[{"
    if suffix in CSV_SUFFIXES or (not opens_json and suffix not in JSON_SUFFIXES and delimiter):
        return _unsplit(csv_rows(text, place, delimiter))
    return json_rows(text, place, suffix)


def _unsplit(rows: Iterator[tuple[int, dict[str, Any]]]) -> Iterator[tuple[int, None, dict[str, Any]]]:
    return ((number, None, row) for number, row in rows)


def _saved(path: Path) -> Iterator[Row]:
    """A folder that `save_to_disk` wrote: one data set, or one for each split."""
    import datasets

    try:
        found = datasets.load_from_disk(str(path))
    except Exception as error:  # json, pyarrow and `datasets` raise their own kinds
        raise TaskError(_damaged(path, error)) from error
    parts = {"": found} if isinstance(found, datasets.Dataset) else dict(found)
    splits = {"": "train"} if "" in parts else splits_read(list(parts), str(path))
    unread = [name for name in parts if name not in splits]
    if unread:
        log.info("%s: not read, as they are no known splits: %s", path, ", ".join(unread))
    before = 0
    for name, split in splits.items():
        place = f"{path} ({name})" if name else str(path)
        rows = parts[name].with_format(None)
        names = column_names(rows.column_names, place)
        number = 0
        try:
            rows.data.validate(full=True)  # as in `tables`: wrong offsets read memory that is not its own
            for number, row in enumerate(rows, 1):
                contents = dict(zip(names, map(plain_value, row.values()), strict=True))
                yield Row(f"{place}, row {number}", before + number, split, contents)
        except Exception as error:  # what reads a column (pictures, sound) raises its own kinds
            raise TaskError(_damaged(path, error)) from error
        before += number


def _damaged(path: Path, error: Exception) -> str:
    reason = " ".join(str(error).split())[:300].rstrip(". ") or type(error).__name__
    return f"{path} was saved by `datasets` and cannot be read ({reason}): save it again, or export it as Parquet"
