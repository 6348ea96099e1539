"""Energy maps in the store: kept by the key of their request, listed without their tables.

In: energy maps. Out: the same again, in any process that opens the store (`Store.maps`). pandas is imported only where
a map is read or written, so that a list opens fast.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from domlora.energy.summary import Dominant, MapSummary, list_scalars
from domlora.errors import ProbeError, StoreError
from domlora.probes.config import Trained
from domlora.store.database import Database, finite, only, retrying_conflicts
from domlora.store.schema import energy_maps

if TYPE_CHECKING:
    from domlora.energy.energy_map import EnergyMap


class Maps:
    """The energy maps of a store.

    Every method raises StoreError, with one line and a way out, where the database fails; what a failed write was to
    change is as it was.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, energy: EnergyMap) -> str:
        """Keeps a map, in place of one with the same key, and returns its id."""
        from domlora.energy import files as energy_files

        provenance = energy.provenance
        row = {
            "id": energy.id,
            "model": provenance.model,
            "model_revision": provenance.model_revision,
            "task": provenance.task,
            "task_hash": provenance.task_hash,
            "created": _time(provenance.created),
            "summary": finite({**list_scalars(energy), **energy.summary()}),
            "parquet": energy_files.to_parquet(energy),
        }

        def write() -> None:
            with self._database.writing() as connection:
                update = energy_maps.update().where(energy_maps.c.key == provenance.key).values(row)
                if connection.execute(update).rowcount == 0:
                    connection.execute(energy_maps.insert().values(row | {"key": provenance.key}))

        retrying_conflicts(write)
        return energy.id

    def get(self, id_or_prefix: str) -> EnergyMap:
        """The map whose id or key begins so.

        Raises:
            StoreError: no map does, or several do.
        """
        return self._load(self._key(id_or_prefix))

    def find(self, key: str) -> EnergyMap | None:
        """The map of exactly this key, if it was measured before."""
        with self._database.reading() as connection:
            known = connection.scalar(sa.select(energy_maps.c.key).where(energy_maps.c.key == key))
        return None if known is None else self._load(key)

    def remove(self, id_or_prefix: str) -> str:
        """Forgets a map and returns its id; StoreError as `get`."""
        key = self._key(id_or_prefix)
        with self._database.writing() as connection:
            connection.execute(energy_maps.delete().where(energy_maps.c.key == key))
        return key[:12]

    def _key(self, prefix: str) -> str:
        table = energy_maps.c
        query = sa.select(table.key).where(table.key.startswith(prefix.lower(), autoescape=True)).order_by(table.key)
        with self._database.reading() as connection:
            keys = connection.scalars(query).all()
        if prefix in keys:
            return prefix
        found = only(prefix, [key[:12] for key in keys], "energy map", "`domlora maps`", StoreError)
        return next(key for key in keys if key[:12] == found)

    def _load(self, key: str) -> EnergyMap:
        from domlora.energy import files as energy_files

        with self._database.reading() as connection:
            data = connection.scalar(sa.select(energy_maps.c.parquet).where(energy_maps.c.key == key))
        if data is None:
            raise StoreError(f"energy map {key[:12]} was removed from the store just now")
        try:
            return energy_files.from_parquet(data)
        except ProbeError as error:
            raise StoreError(f"energy map {key[:12]} cannot be read ({error}): remove it and measure again") from error

    def stamp(self) -> Hashable:
        """What changes whenever a map comes, goes or is measured anew. Much faster than `list`."""
        query = sa.select(sa.func.count(), sa.func.max(energy_maps.c.created))
        with self._database.reading() as connection:
            return tuple(connection.execute(query).one())

    def list(self, run: str | None = None) -> list[MapSummary]:  # last: in this class it hides the type of this name
        """All maps of models as they come, newest first, without their tables.

        Args:
            run: instead the maps that were measured while this comparison trained.
        """
        columns = [column for column in energy_maps.c if column.name != "parquet"]
        query = sa.select(*columns).order_by(energy_maps.c.created.desc(), energy_maps.c.key)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        listed = [_summary(row) for row in rows]
        return [one for one in listed if (one.trained.run if one.trained else None) == run]


def _summary(row: Any) -> MapSummary:
    summary = dict(row["summary"])
    summary["dominant"] = Dominant(**summary["dominant"])
    summary["lead"] = math.inf if summary["lead"] is None else summary["lead"]
    if summary.get("trained"):
        summary["trained"] = Trained(**summary["trained"])
    known = summary | {name: value for name, value in row.items() if name != "summary"}
    # A summary of an earlier version lacks what came later, and that has a default.
    return MapSummary(**{name: known[name] for name in MapSummary.__dataclass_fields__ if name in known})


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise StoreError(f"an energy map with the creation time {text!r}, which is no ISO 8601 date") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
