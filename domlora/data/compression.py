"""Files that one program packed: .gz, .bz2, .xz, .zst. Packed bytes in, unpacked bytes out, never more than a bound.

pyarrow, which knows Zstandard, is imported only where such a file is read.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from domlora.errors import TaskError

CHUNK = 2**20


def _zstandard(packed: io.BytesIO) -> Any:
    import pyarrow

    return pyarrow.CompressedInputStream(packed, "zstd")


# suffix -> (first bytes, name, what reads it)
PACKERS: dict[str, tuple[bytes, str, Callable[[io.BytesIO], Any]]] = {
    ".gz": (b"\x1f\x8b", "gzip", lambda packed: gzip.GzipFile(fileobj=packed)),
    ".bz2": (b"BZh", "bzip2", bz2.BZ2File),
    ".xz": (b"\xfd7zXZ\0", "xz", lzma.LZMAFile),
    ".zst": (b"\x28\xb5\x2f\xfd", "Zstandard", _zstandard),
}
PACKED_SUFFIXES = tuple(PACKERS)


def packer_of(data: bytes, name: str = "") -> str | None:
    """The suffix that stands for how data are packed, by their first bytes, else by the name of their file; or None."""
    by_bytes = next((suffix for suffix, (magic, *_) in PACKERS.items() if data.startswith(magic)), None)
    by_name = next((suffix for suffix in PACKERS if data and name.lower().endswith(suffix)), None)
    return by_bytes or by_name


def unpacked(data: bytes, name: str, place: str, most: int) -> bytes:
    """Unpacks a file once, or returns it as it is.

    Args:
        name: of the file.
        place: the file, for errors.
        most: bytes that may come out.

    Raises:
        TaskError: it is damaged, too large, or packed twice.
    """
    packer = packer_of(data, name)
    if packer is None:
        return data
    _, kind, opened = PACKERS[packer]
    chunks, size = [], 0
    try:
        with opened(io.BytesIO(data)) as stream:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > most:
                    raise TaskError(
                        f"{place} unpacks to more than {most:,} bytes, all that are left for it: bring a part"
                    )
                chunks.append(chunk)
    except (OSError, EOFError, zlib.error, lzma.LZMAError, ValueError) as error:
        raise TaskError(f"{place} is a damaged {kind} file ({error}): copy or compress it again") from error
    data = b"".join(chunks)
    if packer_of(data):
        raise TaskError(f"{place} is packed twice: unpack it once")
    return data


def without_packing(name: str) -> str:
    """A file's name without the suffix of what packed it."""
    suffix = next((suffix for suffix in PACKERS if name.lower().endswith(suffix)), "")
    return name[: len(name) - len(suffix)]
