"""CSV, Parquet and Arrow as rows: each starts with the names of its columns. Bytes or text in; numbered rows out.

pyarrow is imported only where such a file is read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

from domlora.data.cells import column_names, plain_value
from domlora.errors import TaskError

CSV_SUFFIXES = (".csv", ".tsv")
DELIMITERS = ",;\t|"

NumberedRow = tuple[int, dict[str, Any]]  # position from 1, contents


def delimiter_of(text: str, suffix: str = "") -> str | None:
    """What stands between the names of the first line, outside quotes; None if there is nothing of the kind."""
    header = re.sub('"[^"]*"', "", re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0])
    if suffix == ".tsv" and "\t" in header:
        return "\t"
    best = max(DELIMITERS, key=header.count)
    return best if best in header else None


def csv_rows(text: str, place: str, delimiter: str | None) -> Iterator[NumberedRow]:
    """Reads a table whose first line names its columns.

    Args:
        delimiter: None where there is one column only.

    Raises:
        TaskError: a row with more or fewer fields than names, two columns of one name, damaged quotes.
    """
    # Conversations are longer than the module's limit of 131 072 characters a field.
    csv.field_size_limit(2**31 - 1)
    body = text.lstrip("\r\n")
    above = text[: len(text) - len(body)].replace("\r\n", "\n")
    skipped = len(above)  # lines above the header, which errors must count
    # Strict, or an open quote swallows the rest of the file in silence.
    reader = csv.reader(io.StringIO(body, newline=""), delimiter=delimiter or ",", strict=True)
    number = 0
    try:
        header = next(reader)
        line = skipped + reader.line_num + 1
        index = len(header) > 1 and not header[0].strip()  # pandas writes its index without a name
        named = len(header)
        while named > 1 and not header[named - 1].strip():
            named -= 1  # spreadsheets write empty columns at the end
        names = column_names(header[index:named], place)
        for fields in reader:
            first, line = line, skipped + reader.line_num + 1
            if len(fields) < len(header) and not "".join(fields).strip():
                continue
            number += 1
            _check_width(fields, len(header), named, f"{place}, row {number}", first)
            yield number, dict(zip(names, fields[index:named], strict=True))
    except csv.Error as error:
        at = skipped + reader.line_num
        raise TaskError(f"{place}, line {at}: not CSV ({error}): mend its quotes") from error


def parquet_rows(data: bytes, place: str) -> Iterator[NumberedRow]:
    """Reads a Parquet file.

    Raises:
        TaskError: it is damaged, or two columns have one name.
    """
    import pyarrow.parquet

    def batches() -> Iterator[Any]:
        return pyarrow.parquet.ParquetFile(io.BytesIO(data)).iter_batches()

    return _rows_of(batches, place, "Parquet")


def arrow_rows(data: bytes, place: str) -> Iterator[NumberedRow]:
    """Reads an Arrow file, of the stream or the file kind (Feather is the latter).

    Raises:
        TaskError: it is damaged, or two columns have one name.
    """
    import pyarrow.ipc

    def batches() -> Iterator[Any]:
        if not data.startswith(b"ARROW1"):
            return iter(pyarrow.ipc.open_stream(data))
        file = pyarrow.ipc.open_file(data)
        return (file.get_batch(i) for i in range(file.num_record_batches))

    return _rows_of(batches, place, "Arrow")


def _check_width(fields: list[str], width: int, named: int, place: str, line: int) -> None:
    """Raises for a row whose fields would come under wrong names or none; `line` is the first of the row."""
    if len(fields) > width or any(field.strip() for field in fields[named:]):
        raise TaskError(f"{place}: more fields than the header names, on line {line}: quote texts with commas")
    if len(fields) < width:
        raise TaskError(
            f"{place}: fewer fields ({len(fields)}) than the header names ({width}), on line {line}: "
            "quote texts that hold line breaks"
        )


def _rows_of(batches: Callable[[], Iterator[Any]], place: str, kind: str) -> Iterator[NumberedRow]:
    import pyarrow

    number = 0
    try:
        for batch in batches():
            names = column_names(batch.schema.names, place)
            batch.validate(full=True)  # Arrow trusts its offsets: wrong ones read memory that is not its own
            for row in batch.to_pylist():
                number += 1
                yield number, dict(zip(names, map(plain_value, row.values()), strict=True))
    # A time out of the years that Python knows is a ValueError or an OverflowError.
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        reason = str(error).split("\n", 1)[0].rstrip(". ")
        raise TaskError(f"{place} is a damaged {kind} file ({reason}): copy or write it again") from error
