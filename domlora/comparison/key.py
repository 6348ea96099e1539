"""When two requests are the same, so that the store answers the second. No torch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from domlora.comparison.config import SweepConfig
from domlora.energy.energy_map import SCHEMA_VERSION
from domlora.energy.key import hashed, probe_settings
from domlora.placements.methods import METHODS
from domlora.probes.config import ProbeConfig

if TYPE_CHECKING:
    from domlora.placements.placement import Placement

SWEEP_VERSION = 2  # grows when the same request no longer trains to the same numbers
# Settings of a sweep that came after runs were stored under their keys.
LATER = ("energy_every", "energy_samples")


def sweep_key(
    model_revision: str, task_hash: str, config: SweepConfig, placements: Sequence[Placement], probe: ProbeConfig,
    kept: Sequence[str] = (),
) -> str:  # fmt: skip
    """Equal for equal comparisons; never equal to a `request_key`.

    Args:
        placements: what the names in `config` stand for here: their modules and ranks decide the numbers too.
        probe: how the energies were measured that the placements were chosen by.
        kept: content hashes of the tasks that are named to be kept.
    """
    # What a module is, its name and the model say; the keys of older requests stay as they are.
    left: Any = {"task_type": True, "modules": {"__all__": {"experts", "parameter"}}}
    rooted = any(METHODS[method].root_scale for method in config.methods)
    chosen = []
    for placement in placements:
        alike = not rooted or placement.root_alpha in (None, placement.alpha)
        chosen.append(placement.model_dump(mode="json", exclude=left | ({"root_alpha": True} if alike else {})))
    settings = [_sweep_settings(config), chosen, probe_settings(probe)]
    return hashed(["sweep", SWEEP_VERSION, model_revision, task_hash, *settings, *([list(kept)] if kept else [])])


def trained_key(run_key: str, variant: str, step: int, config: ProbeConfig) -> str:
    """Of a map that was measured while a comparison trained; never equal to a `request_key`."""
    return hashed(["trained", SCHEMA_VERSION, run_key, variant, step, probe_settings(config)])


def _sweep_settings(config: SweepConfig) -> dict[str, Any]:
    """Without what came later and is not set: the keys of older requests stay as they are."""
    default = SweepConfig()
    unset = {name for name in LATER if getattr(config, name) == getattr(default, name)}
    unset |= set() if config.energy_every else {"energy_samples"}
    return config.model_dump(mode="json", exclude=unset)
