"""Files to rows: JSON, JSON lines, either gzipped, Parquet, CSV. Knows nothing of what a row means."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from domlora.errors import TaskError

Row = tuple[int, dict[str, Any]]  # position from 1, contents
LIST_KEYS = ("data", "rows", "train", "examples")
GZIP_MAGIC, PARQUET_MAGIC = b"\x1f\x8b", b"PAR1"


def read_rows(path: Path) -> list[Row]:
    """All rows of a file, whose kind is known from its first bytes and its name.

    Raises:
        TaskError: unreadable, empty, damaged, or not rows; names the file and the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TaskError(f"cannot read {path}: {error.strerror}") from error
    if data[:2] == GZIP_MAGIC:
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as error:
            raise TaskError(f"{path} is a damaged gzip file ({error}): compress it again") from error
    if data[:4] == PARQUET_MAGIC:
        rows = _parquet(path, data)
    else:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise TaskError(
                f"{path} is not UTF-8 text (byte {error.start}): save it as UTF-8, or as Parquet"
            ) from error
        if not text.strip():
            raise TaskError(f"{path} is empty: it needs at least one row")
        rows = list(_csv(path, text) if ".csv" in path.suffixes else _json(path, text))
    if not rows:
        raise TaskError(f"{path} has no rows: it needs at least one")
    return rows


def _json(path: Path, text: str) -> Iterator[Row]:
    if text.lstrip()[0] == "[" or path.suffix == ".json":
        try:
            data = json.loads(text)
        except json.JSONDecodeError as error:
            if text.lstrip()[0] == "[" or error.msg != "Extra data":  # one object a line, whatever the file's name
                raise TaskError(f"{path}, line {error.lineno}: not JSON ({error.msg}): mend that line") from error
            yield from _json_lines(path, text)
            return
        if isinstance(data, dict):
            data = next((data[key] for key in LIST_KEYS if isinstance(data.get(key), list)), [data])
        for number, row in enumerate(data, 1):
            yield number, _object(path, f"row {number}", row)
        return
    yield from _json_lines(path, text)


def _json_lines(path: Path, text: str) -> Iterator[Row]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise TaskError(f"{path}, line {number}: not JSON ({error.msg}): mend or remove that line") from error
            yield number, _object(path, f"line {number}", row)


def _object(path: Path, place: str, row: Any) -> dict[str, Any]:
    if not isinstance(row, dict):
        raise TaskError(f"{path}, {place}: a row must be an object with named fields, not {type(row).__name__}")
    return row


def _parquet(path: Path, data: bytes) -> list[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(enumerate(pq.read_table(io.BytesIO(data)).to_pylist(), 1))
    except (pa.ArrowException, OSError) as error:
        raise TaskError(f"{path} is a damaged Parquet file ({str(error).splitlines()[0]}): write it again") from error


def _csv(path: Path, text: str) -> list[Row]:
    import pandas as pd

    try:
        table = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    except ValueError as error:  # includes pandas' ParserError
        raise TaskError(
            f"{path} is not readable as CSV ({str(error).splitlines()[0]}): check quotes and commas"
        ) from error
    return list(enumerate(table.to_dict("records"), 1))
