"""A comparison as a file that another store takes in: the rows of all its tables, and the energy maps beside it.

In: a store and a run's id, or a folder that `pack` filled. Out: that folder, or the run in the store as it was. What is
in a folder is taken as it stands, so it has to be one of our own making.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from domlora.energy import files as energy_files
from domlora.energy.energy_map import EnergyMap
from domlora.store.database import retrying_conflicts
from domlora.store.schema import UTCDateTime, answers, evaluations, metrics, runs, variants
from domlora.store.store import Store

FILE = "run.json.gz"
MAPS = "*.parquet"
Rows = dict[str, Any]  # table -> its rows, each column -> value
TABLES = (runs, variants, metrics, evaluations, answers)  # the first one's rows must be there before the others'


def pack(
    store: Store,
    run_id: str,
    folder: Path,
    maps: Iterable[EnergyMap] = (),
    change: Callable[[Rows], Rows] = lambda rows: rows,
) -> None:
    """Writes a run, and energy maps that belong to it, into a folder.

    Args:
        change: what is done to the rows of all tables (table -> rows) before they are written.

    Raises:
        StoreError: there is no such run.
    """
    run = store.runs.get(run_id)
    folder.mkdir(parents=True, exist_ok=True)
    content = {}
    with store.database.reading() as connection:
        for table in TABLES:
            of_run = table.c.id if table is runs else table.c.run
            rows = connection.execute(sa.select(table).where(of_run == run.id).order_by(*table.primary_key)).mappings()
            content[table.name] = [{name: _plain(value) for name, value in row.items()} for row in rows]
    text = json.dumps(change(content), separators=(",", ":"))
    (folder / FILE).write_bytes(gzip.compress(text.encode(), mtime=0))
    for energy in maps:
        energy_files.write(energy, folder / f"{energy.id}.parquet")


def unpack(store: Store, folder: Path) -> str | None:
    """Takes in what `pack` wrote, in one piece; a run that the store has already stays as it is.

    Returns:
        The run's id; None if it was there.
    """
    content = json.loads(gzip.decompress((folder / FILE).read_bytes()))
    (run,) = content[runs.name]
    known = sa.select(runs.c.id).where(runs.c.key == run["key"])
    with store.database.reading() as connection:
        if connection.scalar(known) is not None:
            return None
    for path in folder.glob(MAPS):
        energy = energy_files.read(path)
        if store.maps.find(energy.provenance.key) is None:
            store.maps.add(energy)

    def write() -> None:
        with store.database.writing() as connection:
            if connection.scalar(known) is not None:  # another process was faster
                return
            for table in TABLES:
                rows = [_typed(table, row) for row in content[table.name]]
                if rows:
                    connection.execute(table.insert(), rows)

    retrying_conflicts(write)
    return run["id"]


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _typed(table: sa.Table, row: dict[str, Any]) -> dict[str, Any]:
    """As the table takes it. A column that came after the file was written has its default."""
    times = {column.name for column in table.c if isinstance(column.type, UTCDateTime)}
    return {
        name: datetime.fromisoformat(value) if value is not None and name in times else value
        for name, value in row.items()
        if name in table.c
    }
