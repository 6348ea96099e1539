"""From bytes to text, and what bytes are that hold none. No row and no kind of data file is known here.

In: the bytes of one file and its place for errors. Out: text, or one line that says what the file really is.
"""

from __future__ import annotations

import codecs
import logging
import re

from domlora.errors import TaskError

KINDS = "JSON, JSON Lines, CSV, Parquet or Arrow, also compressed or in a zip or folder"
# What is taken for data by mistake, by its first bytes.
FOREIGN = {
    b"%PDF": "a PDF document",
    b"\xd0\xcf\x11\xe0": "an old Excel or Word document",
    b"SQLite format 3\0": "an SQLite database",
    b"\x93NUMPY": "a NumPy array",
    b"\x89HDF": "an HDF5 file",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"Rar!\x1a\x07": "a RAR archive",
    b"Obj\x01": "an Avro file",
}
PICKLE = re.compile(rb"\x80[\x02-\x05].*\.\Z", re.DOTALL)
OPENING = 2000  # bytes that show what a text is
TAR_MAGIC = slice(257, 262)
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
HTML = re.compile(rb"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)?<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
# The longer marks first: that of UTF-16 begins that of UTF-32.
MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# The first characters of a data file are ASCII (a bracket, a key, a column): enough to tell UTF-16 without a mark.
FIRST = 8  # bytes
CONTROL = re.compile("[\0-\x08\x0e-\x1f\x7f]")

log = logging.getLogger(__name__)


def refuse_foreign(data: bytes, place: str) -> None:
    """Says what a file is that holds no rows for us: a document, an archive, a pickle, a page, a pointer.

    Raises:
        TaskError: one line with its kind.
    """
    opening = data.removeprefix(codecs.BOM_UTF8)[:OPENING]
    if opening.startswith(LFS_POINTER):
        raise TaskError(f"{place} is only a pointer of Git LFS, its data were not fetched: run `git lfs pull`")
    if HTML.match(opening):
        raise TaskError(f"{place} is an HTML page, not data: download the file itself, not the page that shows it")
    kind = next((kind for magic, kind in FOREIGN.items() if data.startswith(magic)), None)
    if kind is None and data[TAR_MAGIC] == b"ustar":
        raise TaskError(f"{place} is a tar archive: unpack it and name the folder")
    if kind is None and PICKLE.match(data):
        kind = "a Python pickle, which is not opened, as it may run code"
    if kind:
        raise TaskError(f"{place} is {kind}: save its rows as JSON Lines, CSV or Parquet")


def text_of_file(data: bytes, place: str) -> str:
    """Decodes a file of text: UTF-8, UTF-16 and UTF-32 with or without a mark, else Windows-1252, which is logged.

    Raises:
        TaskError: it is empty, binary or damaged.
    """
    text = _decoded(data, place)
    if not text.strip():
        raise TaskError(f"{place} is empty: it needs one row at least")
    return text


def _decoded(data: bytes, place: str) -> str:
    encoding = next((name for mark, name in MARKS.items() if data.startswith(mark)), None) or _unmarked(data)
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        windows = _windows(data) if encoding == "utf-8" else None
        if windows is None:
            name = encoding.removesuffix("-sig").upper()
            raise TaskError(f"{place} is not {name} text (byte {error.start}): save it as UTF-8") from error
        log.info("%s is not UTF-8: read as Windows-1252", place)
        return windows
    if "\0" in text:
        raise TaskError(f"{place} is binary, not text: save it as {KINDS}")
    return text


def _unmarked(data: bytes) -> str:
    first = data[:FIRST]
    for encoding, zeros, others in (("utf-16-le", first[1::2], first[::2]), ("utf-16-be", first[::2], first[1::2])):
        if len(first) > 1 and not any(zeros) and all(others):
            try:
                text = data.decode(encoding)
            except UnicodeDecodeError:
                continue
            if not CONTROL.search(text):
                return encoding
    return "utf-8"


def _windows(data: bytes) -> str | None:
    """The text as Windows-1252, if it can be that: UTF-8 with a damaged place would come out as other letters."""
    if not data.decode("utf-8", "ignore").isascii():
        return None
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        return None
    return None if CONTROL.search(text) else text
