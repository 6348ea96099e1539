"""Data files of every kind with the same few rows, for tests of what reads them."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

ROWS = [{"prompt": f"{i}+{i}?", "completion": str(2 * i)} for i in range(5)]


def lines(rows: Iterable[Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def parquet(rows: list[dict[str, Any]] | pyarrow.Table) -> bytes:
    sink = pyarrow.BufferOutputStream()
    table = rows if isinstance(rows, pyarrow.Table) else pyarrow.Table.from_pylist(rows)
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def arrow(table: pyarrow.Table, kind: str = "stream") -> bytes:
    sink = pyarrow.BufferOutputStream()
    opened = pyarrow.ipc.new_stream if kind == "stream" else pyarrow.ipc.new_file
    with opened(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)
    return sink.getvalue().to_pybytes()


def zstandard(data: bytes) -> bytes:
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return sink.getvalue().to_pybytes()


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()
