"""When two probe requests are the same, so that the store answers the second. No torch here."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from domlora.energy.energy_map import SCHEMA_VERSION
from domlora.probes.config import ProbeConfig


def request_key(model_revision: str, task_hash: str, config: ProbeConfig) -> str:
    """Equal for equal requests: what is hashed decides every number of a map."""
    return hashed([SCHEMA_VERSION, model_revision, task_hash, probe_settings(config)])


def probe_settings(config: ProbeConfig) -> dict[str, Any]:
    """Without what is not set: a setting that came later leaves the keys of older requests as they are."""
    return config.model_dump(mode="json", exclude_none=True)


def hashed(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
