"""domlora: where should a LoRA adapter go? Measures it (PAGE), shows it, tests it.

Names below are loaded when first used, so that importing the package stays cheap for a process that only reads maps.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from domlora.comparing import compare
    from domlora.comparison import Comparison
    from domlora.energy import EnergyMap
    from domlora.errors import DomLoRAError
    from domlora.loading import LoadedModel, load_model
    from domlora.placements import Placement, place
    from domlora.probes.config import ProbeConfig
    from domlora.probing import probe, probe_many
    from domlora.store import Store
    from domlora.sweep_config import SweepConfig
    from domlora.tasks import Task, load_task

_HOMES = {
    "Comparison": "domlora.comparison",
    "DomLoRAError": "domlora.errors",
    "EnergyMap": "domlora.energy",
    "LoadedModel": "domlora.loading",
    "Placement": "domlora.placements",
    "ProbeConfig": "domlora.probes.config",
    "Store": "domlora.store",
    "SweepConfig": "domlora.sweep_config",
    "Task": "domlora.tasks",
    "compare": "domlora.comparing",
    "load_model": "domlora.loading",
    "load_task": "domlora.tasks",
    "place": "domlora.placements",
    "probe": "domlora.probing",
    "probe_many": "domlora.probing",
}
__all__ = [
    "Comparison", "DomLoRAError", "EnergyMap", "LoadedModel", "Placement", "ProbeConfig", "Store", "SweepConfig",
    "Task", "compare", "load_model", "load_task", "place", "probe",
    "probe_many",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'domlora' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
