"""When two requests are the same, so that the store answers the second. No torch here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from domlora.energy import SCHEMA_VERSION
from domlora.probes.config import ProbeConfig
from domlora.sweep_config import SweepConfig

if TYPE_CHECKING:
    from domlora.placements import Placement

SWEEP_VERSION = 1  # grows when the same request no longer trains to the same numbers


def request_key(model_revision: str, task_hash: str, config: ProbeConfig) -> str:
    """Equal for equal requests: what is hashed decides every number of a map."""
    return _hash([SCHEMA_VERSION, model_revision, task_hash, _probe_settings(config)])


def sweep_key(
    model_revision: str, task_hash: str, config: SweepConfig, placements: Sequence[Placement], probe: ProbeConfig
) -> str:
    """Equal for equal comparisons; never equal to a `request_key`.

    Args:
        placements: what the names in `config` stand for here: their modules and ranks decide the numbers too.
        probe: how the energies were measured that the placements were chosen by.
    """
    chosen = [placement.model_dump(mode="json") for placement in placements]
    settings = [config.model_dump(mode="json"), chosen, _probe_settings(probe)]
    return _hash(["sweep", SWEEP_VERSION, model_revision, task_hash, *settings])


def _probe_settings(config: ProbeConfig) -> dict[str, Any]:
    """Without what is not set: a setting that came later leaves the keys of older requests as they are."""
    return config.model_dump(mode="json", exclude_none=True)


def _hash(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
