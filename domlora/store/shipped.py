"""Whether an energy map is there already: in the store, or among those that come with domlora.

In: a store and the key of a request. Out: its map. Imports no torch: an answer from here takes no model.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pyarrow.parquet as pq

from domlora.data.tasks import load_task
from domlora.energy import files as energy_files
from domlora.energy.energy_map import EnergyMap
from domlora.paths import sample_data_path
from domlora.store.store import Store


def known_map(store: Store, key: str) -> EnergyMap | None:
    """The map of exactly this request; one that comes with domlora is then kept in the store too.

    Raises:
        TaskError: the other task of a map of interference cannot be read any more.
    """
    energy = store.maps.find(key)
    if energy is None:
        path = _shipped(sample_data_path() / "maps").get(key)
        if path is None:
            return None
        energy = energy_files.read(path)
        store.maps.add(energy)
    against = energy.provenance.config.against
    if against is None:
        return energy
    # The key names the other task of interference, not its contents.
    return energy if energy.provenance.notes.get("against_hash") == load_task(against).content_hash else None


@cache
def _shipped(folder: Path) -> dict[str, Path]:
    """The maps that come with domlora, by key; their tables are not read."""
    found = {}
    for path in folder.glob("*.parquet"):
        metadata = pq.read_schema(path).metadata or {}
        found[json.loads(metadata[energy_files.METADATA_KEY])["key"]] = path
    return found
