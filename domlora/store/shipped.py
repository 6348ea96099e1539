"""What comes with domlora: energy maps that answer a request, and comparisons that a store may take in.

In: a store and the key of a request. Out: its map. Imports no torch: an answer from here takes no model.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from domlora.data.tasks import load_task
from domlora.energy import files as energy_files
from domlora.energy.energy_map import EnergyMap
from domlora.paths import sample_data_path
from domlora.store.store import Store

if TYPE_CHECKING:
    from domlora.comparison.run import Run

SHIPPED = "shipped"  # among a run's facts: it came with domlora


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


def is_shipped(run: Run) -> bool:
    """Whether a comparison came with domlora."""
    return bool(run.facts.get(SHIPPED))


def take_in_runs(store: Store) -> None:
    """Puts the comparisons that come with domlora, and their maps, into a store that does not have them."""
    from domlora.store.packing import FILE, unpack

    for file in sorted((sample_data_path() / "runs").glob(f"*/{FILE}")):
        unpack(store, file.parent)


@cache
def maps_of_runs(folder: Path) -> frozenset[str]:
    """Ids of the maps that come with the comparisons in a folder."""
    return frozenset(path.stem for path in folder.glob("*/*.parquet"))


@cache
def _shipped(folder: Path) -> dict[str, Path]:
    """The maps that come with domlora, by key; their tables are not read."""
    found = {}
    for path in folder.glob("*.parquet"):
        metadata = pq.read_schema(path).metadata or {}
        found[json.loads(metadata[energy_files.METADATA_KEY])["key"]] = path
    return found
