"""When two probe requests are the same, so that the store answers the second. No torch here."""

from __future__ import annotations

import hashlib
import json

from domlora.energy import SCHEMA_VERSION
from domlora.probes.config import ProbeConfig


def request_key(model_revision: str, task_hash: str, config: ProbeConfig) -> str:
    """Equal for equal requests: what is hashed decides every number of a map."""
    parts = [SCHEMA_VERSION, model_revision, task_hash, config.model_dump(mode="json")]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
