"""From a path to numbered rows: JSON, JSON Lines, CSV, Parquet, also gzipped. No row format is known here.

What a file is, its first bytes say; the suffix decides only where they do not (CSV).
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domlora.errors import TaskError

Row = tuple[int, dict[str, Any]]  # line of JSON Lines, else position, from 1; contents

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
CSV_SUFFIXES = (".csv", ".tsv")
SUFFIXES = (*JSON_SUFFIXES, *CSV_SUFFIXES, ".parquet", ".gz")
KINDS = "JSON, JSON Lines, CSV or Parquet, also gzipped"
# Keys under which one object may hold all rows; a split's name puts its rows in that split.
LIST_KEYS = ("data", "rows", "examples")
SPLIT_KEYS = ("train", "validation", "valid", "val", "dev", "eval", "test")


def read_rows(path: Path) -> Iterator[Row]:
    """Reads a data file.

    Args:
        path: a .json, .jsonl, .ndjson, .csv, .tsv or .parquet file, a .gz of these, or such contents under
            any other name.

    Returns:
        The rows, each with its number.

    Raises:
        TaskError: one line with the file, the place and how to mend it.
    """
    data = _bytes(path)
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if data.startswith(b"\x1f\x8b") or (suffixes[-1:] == [".gz"] and data):
        data = _unzipped(data, path)
    suffix = next((suffix for suffix in reversed(suffixes) if suffix != ".gz"), "")
    if data.startswith(b"PAR1") or (suffix == ".parquet" and data):
        return _parquet_rows(data, path)
    text = _text(data, path)
    opens_json = text.lstrip()[0] in "[{"
    if suffix in CSV_SUFFIXES or (not opens_json and suffix not in JSON_SUFFIXES and "," in _header(text)):
        return _csv_rows(text, path)
    return _object_rows(text, path) if text.lstrip()[0] == "{" else _list_rows(_json(text, path), path)


def _bytes(path: Path) -> bytes:
    if path.is_dir():
        raise TaskError(f"{path} is a folder: name one data file in it ({KINDS})")
    try:
        return path.read_bytes()
    except OSError as error:
        raise TaskError(f"{path} cannot be read ({error.strerror or error}): check the file") from error


def _unzipped(data: bytes, path: Path) -> bytes:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error) as error:
        raise TaskError(f"{path} is a damaged gzip file ({error}): copy or compress it again") from error


def _text(data: bytes, path: Path) -> str:
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise TaskError(f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8") from error
    if "\0" in text:
        raise TaskError(f"{path} is binary, not text: save it as {KINDS}")
    if not text.strip():
        raise TaskError(f"{path} is empty: it needs one row at least")
    return text


def _header(text: str) -> str:
    return text.lstrip("\r\n").split("\n", 1)[0]


def _json(text: str, path: Path) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        other = text.lstrip()[0] not in "[{" and path.suffix.lower() not in JSON_SUFFIXES
        raise _not_json(error, path, f"bring {KINDS}" if other else "mend that line") from error


def _not_json(error: Exception, path: Path, way_out: str, line: int | None = None) -> TaskError:
    if not isinstance(error, json.JSONDecodeError):  # numbers or nesting beyond all bounds
        return TaskError(f"{path}{f', line {line}' if line else ''}: not JSON that can be read ({error}): {way_out}")
    if error.msg == "Extra data":
        way_out = "put each object on one line of its own"
    return TaskError(f"{path}, line {line or error.lineno}: not JSON ({error.msg}, column {error.colno}): {way_out}")


def _list_rows(values: Any, path: Path, key: str | None = None) -> Iterator[Row]:
    if not isinstance(values, list):
        raise TaskError(f"{path} is JSON, but no list of objects: it holds one {type(values).__name__}")
    for number, value in enumerate(values, 1):
        yield number, _object(value, path, f"row {number}" + (f" of `{key}`" if key else ""))


def _object_rows(text: str, path: Path) -> Iterator[Row]:
    """JSON Lines; or one object, either with its rows under a known key or itself a row."""
    # Not splitlines(): a JSON string may hold U+2028 and its like.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) > 1 and _opens_json_lines(lines[0][1], lines[1][1]):
        for number, line in lines:
            try:
                value = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise _not_json(error, path, "mend or remove that line", number) from error
            yield number, _object(value, path, f"line {number}")
        return
    top = _json(text, path)
    keys = [key for key in (*LIST_KEYS, *SPLIT_KEYS) if isinstance(top.get(key), list)]
    if not keys:
        yield lines[0][0], top
    for key in keys:
        for number, row in _list_rows(top[key], path, key):
            yield number, {"split": key, **row} if key in SPLIT_KEYS else row


def _opens_json_lines(first: str, second: str) -> bool:
    """An object that is spread over lines has no whole object on its first, and none begins on its second."""
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return second.startswith("{")
    return True


def _object(value: Any, path: Path, place: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise TaskError(f"{path}, {place}: a row must be an object with keys, not a {kind}: mend or remove it")
    return value


def _csv_rows(text: str, path: Path) -> Iterator[Row]:
    # Conversations are longer than the module's limit of 131 072 characters a field.
    csv.field_size_limit(2**31 - 1)
    delimiter = max(",;\t", key=_header(text).count)
    # Strict, or an open quote swallows the rest of the file in silence.
    lines = io.StringIO(text.lstrip("\r\n"), newline="")
    reader = csv.DictReader(lines, delimiter=delimiter, strict=True)
    try:
        for number, row in enumerate(reader, 1):
            if None in row:
                raise TaskError(f"{path}, row {number}: more fields than the header names: quote texts with commas")
            yield number, row
    except csv.Error as error:
        raise TaskError(f"{path}, line {reader.line_num}: not CSV ({error}): mend its quotes") from error


def _parquet_rows(data: bytes, path: Path) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    number = 0
    try:
        for batch in pyarrow.parquet.ParquetFile(io.BytesIO(data)).iter_batches():
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).split("\n", 1)[0].rstrip(". ")
        raise TaskError(f"{path} is a damaged Parquet file ({reason}): copy or write it again") from error
