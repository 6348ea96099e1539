"""Maps of several probes of one model and task: from the store, and what is not there in one pass, kept afterwards.

In: a task, settings of probes, and what brings the model. Out: a map for each. No torch unless one has to be measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from domlora.data.tasks import Task
from domlora.energy.energy_map import EnergyMap
from domlora.energy.key import request_key
from domlora.probes.config import ProbeConfig
from domlora.progress import Progress
from domlora.store.shipped import known_map
from domlora.store.store import Store

if TYPE_CHECKING:
    from domlora.models.loading import LoadedModel


def measured_maps(
    store: Store, model_revision: str, task: Task, configs: Sequence[ProbeConfig], load: Callable[[], LoadedModel], *,
    refresh: bool = False, progress: Progress,
) -> dict[ProbeConfig, EnergyMap]:  # fmt: skip
    """The map of each of `configs`.

    Args:
        load: brings the model, which happens only if a map is missing.
        refresh: measure all of them, whatever the store has.

    Raises:
        DomLoRAError: as `energy.measure.probe_many`.
    """
    found = {
        config: None if refresh else known_map(store, request_key(model_revision, task.content_hash, config))
        for config in configs
    }
    maps = {config: energy for config, energy in found.items() if energy is not None}
    missing = [config for config in found if config not in maps]
    if missing:
        from domlora.energy.measure import probe_many

        model = load()
        measured = probe_many(model, task, missing, progress=lambda done, total: progress("probing", done, total))
        for config, energy in zip(missing, measured, strict=True):
            store.maps.add(energy)
            maps[config] = energy
    return maps
