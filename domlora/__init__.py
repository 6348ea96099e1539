"""domlora: where should a LoRA adapter go? Measures it (PAGE), shows it, tests it.

Names below are loaded when first used, so that importing the package stays cheap for a process that only reads maps.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from domlora.version import __version__

if TYPE_CHECKING:
    from domlora.comparison.config import SweepConfig
    from domlora.comparison.result import Comparison
    from domlora.data.tasks import Task, load_task
    from domlora.energy.energy_map import EnergyMap
    from domlora.energy.measure import probe, probe_many
    from domlora.errors import DomLoRAError
    from domlora.models.loading import LoadedModel, load_model
    from domlora.placements.place import place
    from domlora.placements.placement import Placement
    from domlora.probes.config import ProbeConfig
    from domlora.search.answer import Answer
    from domlora.search.config import FindConfig
    from domlora.search.find import find
    from domlora.store.store import Store
    from domlora.training.compare import compare

_HOMES = {
    "Answer": "domlora.search.answer",
    "Comparison": "domlora.comparison.result",
    "DomLoRAError": "domlora.errors",
    "EnergyMap": "domlora.energy.energy_map",
    "FindConfig": "domlora.search.config",
    "LoadedModel": "domlora.models.loading",
    "Placement": "domlora.placements.placement",
    "ProbeConfig": "domlora.probes.config",
    "Store": "domlora.store.store",
    "SweepConfig": "domlora.comparison.config",
    "Task": "domlora.data.tasks",
    "compare": "domlora.training.compare",
    "find": "domlora.search.find",
    "load_model": "domlora.models.loading",
    "load_task": "domlora.data.tasks",
    "place": "domlora.placements.place",
    "probe": "domlora.energy.measure",
    "probe_many": "domlora.energy.measure",
}
__all__ = [
    "Answer", "Comparison", "DomLoRAError", "EnergyMap", "FindConfig", "LoadedModel", "Placement", "ProbeConfig",
    "Store", "SweepConfig", "Task", "__version__", "compare", "find", "load_model", "load_task", "place", "probe",
    "probe_many",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'domlora' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
