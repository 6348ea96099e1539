"""What owners say of their runs: names, tags, texts, what is pinned and what is archived.

In: a connection of the store. Out: `Notes` by run. `Runs` hands them out with each run, and changes them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, replace
from typing import Any

import sqlalchemy as sa

from domlora.comparison.run import Notes
from domlora.store.database import text
from domlora.store.schema import run_notes

FIELDS = tuple(Notes.__dataclass_fields__)


def read(connection: sa.Connection, ids: Collection[str] | None) -> dict[str, Notes]:
    """By run, of these runs or of all; a run of which nothing is said is left out."""
    query = sa.select(run_notes) if ids is None else sa.select(run_notes).where(run_notes.c.run.in_(ids))
    rows = connection.execute(query).mappings()
    return {row["run"]: Notes(**{name: row[name] for name in FIELDS} | {"tags": tuple(row["tags"])}) for row in rows}


def change(connection: sa.Connection, id: str, changes: Mapping[str, Any]) -> None:
    """Sets fields of what is said of one run; the others stay as they are."""
    known = read(connection, [id]).get(id)
    values = asdict(replace(known or Notes(), **_clean(changes)))
    values["tags"] = [*values["tags"]]
    if known is None:
        connection.execute(run_notes.insert().values(run=id, **values))
    else:
        connection.execute(run_notes.update().where(run_notes.c.run == id).values(values))


def remove(connection: sa.Connection, id: str) -> None:
    connection.execute(run_notes.delete().where(run_notes.c.run == id))


def _clean(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Without blanks around words; each tag once."""
    cleaned = dict(changes)
    for name in ("name", "text"):
        if name in cleaned:
            cleaned[name] = text(cleaned[name]).strip()
    if "tags" in cleaned:
        tags = (text(tag).strip() for tag in cleaned["tags"])
        cleaned["tags"] = tuple(dict.fromkeys(tag for tag in tags if tag))
    return cleaned
