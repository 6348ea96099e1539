"""EnergyMap files: Parquet, CSV and JSON, each with the whole table and the provenance, so each reads back in.

Parquet keeps the provenance in the schema's metadata, CSV in a first line `# domlora {...}`, JSON in a key.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from domlora.energy.energy_map import LIST_COLUMNS, SCALAR_COLUMNS, EnergyMap, Provenance
from domlora.errors import ProbeError, UsageError

METADATA_KEY = b"domlora"
CSV_PREFIX = "# domlora "
# What files hold and `domlora probe --json` does not print: the words for both are there.
NOT_PRINTED = {"model_origin", "task_origin"}
SUFFIXES = (".parquet", ".csv", ".json")


def to_parquet(energy: EnergyMap) -> bytes:
    """The map as the bytes of a Parquet file."""
    table = pa.Table.from_pandas(energy.modules, preserve_index=False)
    table = table.replace_schema_metadata({METADATA_KEY: energy.provenance.model_dump_json().encode()})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def from_parquet(data: bytes) -> EnergyMap:
    """Reads what `to_parquet` wrote.

    Raises:
        ProbeError: not a Parquet file, or one that holds no energy map.
    """
    try:
        table = pq.read_table(io.BytesIO(data))
    except pa.ArrowInvalid as error:
        raise ProbeError(f"not a readable Parquet file: {_first_line(error)}") from error
    metadata = (table.schema.metadata or {}).get(METADATA_KEY)
    if metadata is None:
        raise ProbeError("a Parquet file without domlora's metadata: it was not written by `domlora probe --out`")
    return EnergyMap(table.to_pandas(), _provenance(metadata))


def to_csv(energy: EnergyMap) -> str:
    """The map as CSV, strongest module first, with share and rank; list columns hold JSON."""
    table = energy.table.join(energy.modules[[c for c in LIST_COLUMNS if c in energy.modules]])
    for column in LIST_COLUMNS:
        if column in table:
            table[column] = [json.dumps(_plain(cell)) for cell in table[column]]
    return CSV_PREFIX + energy.provenance.model_dump_json() + "\n" + table.to_csv(index=False)


def from_csv(text: str) -> EnergyMap:
    """Reads what `to_csv` wrote.

    Raises:
        ProbeError: no provenance in the first line.
    """
    head, _, body = text.partition("\n")
    if not head.startswith(CSV_PREFIX):
        raise ProbeError(f"a CSV file without the line {CSV_PREFIX!r}: it was not written by `domlora probe --out`")
    table = pd.read_csv(io.StringIO(body), keep_default_na=False, na_values={"layer": [""]})
    for column in LIST_COLUMNS:
        if column in table:
            table[column] = [json.loads(cell) for cell in table[column]]
    return EnergyMap(_in_forward_order(table), _provenance(head.removeprefix(CSV_PREFIX)))


def to_json(energy: EnergyMap, *, lists: bool = True) -> dict[str, Any]:
    """The map as one JSON-serialisable object: the keys of `domlora probe --json`, modules strongest first.

    Args:
        lists: as a file, with the list columns (per-sample energies, positions, tokens) and `NOT_PRINTED`; without
            them it cannot be read back in full.
    """
    table = energy.table
    if lists:
        table = table.join(energy.modules[[c for c in LIST_COLUMNS if c in energy.modules]])
    provenance = energy.provenance
    return {
        "id": energy.id,
        "model": provenance.model,
        "task": provenance.task,
        "samples": provenance.samples,
        "estimator": provenance.config.estimator,
        "reduction": provenance.config.reduction,
        **{key: value for key, value in energy.summary().items() if key != "modules"},
        "modules": [{key: _plain(value) for key, value in row.items()} for row in table.to_dict("records")],
        "provenance": provenance.model_dump(mode="json", exclude=None if lists else NOT_PRINTED),
    }


def from_json(data: dict[str, Any]) -> EnergyMap:
    """Reads what `to_json` wrote.

    Raises:
        ProbeError: not an object of that form.
    """
    if not isinstance(data, dict) or "modules" not in data or "provenance" not in data:
        raise ProbeError("a JSON file without `modules` and `provenance`: it was not written by `domlora probe --out`")
    return EnergyMap(_in_forward_order(pd.DataFrame(data["modules"])), _provenance(json.dumps(data["provenance"])))


def write(energy: EnergyMap, path: Path) -> None:
    """Writes the map in the format that the suffix of `path` names.

    Raises:
        UsageError: a suffix other than .parquet, .csv or .json.
        ProbeError: a path that cannot be written.
    """
    check_suffix(path)
    if path.suffix == ".parquet":
        content = to_parquet(energy)
    elif path.suffix == ".csv":
        content = to_csv(energy).encode()
    else:
        content = json.dumps(to_json(energy), indent=1).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise ProbeError(f"cannot write {path} ({error.strerror}): free some space, or name another place") from error


def read(path: Path) -> EnergyMap:
    """Reads a map file; the inverse of `write`."""
    check_suffix(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProbeError(f"cannot read {path}: {error.strerror}") from error
    try:
        if path.suffix == ".parquet":
            return from_parquet(data)
        if path.suffix == ".csv":
            return from_csv(data.decode())
        return from_json(json.loads(data))
    except (ProbeError, ValueError) as error:
        raise ProbeError(f"{path}: {_first_line(error)}") from error


def check_suffix(path: Path) -> None:
    """Refuses a file name whose suffix names no known format, before anything is computed."""
    if path.suffix not in SUFFIXES:
        raise UsageError(
            f"{path}: an energy map is written as {', '.join(SUFFIXES)}, not {path.suffix or 'no suffix'!r}"
        )


def _provenance(text: str | bytes) -> Provenance:
    try:
        return Provenance.model_validate_json(text)
    except ValidationError as error:
        raise ProbeError(f"its provenance was written by another version: {_first_line(error)}") from error


def _in_forward_order(table: pd.DataFrame) -> pd.DataFrame:
    columns = [c for c in (*SCALAR_COLUMNS, *LIST_COLUMNS) if c in table]
    return table.sort_values("order")[columns].reset_index(drop=True) if "order" in table else table[columns]


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and np.isnan(value) else value


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
