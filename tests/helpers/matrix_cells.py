"""Maps of several models and tasks, with winners where a test wants them, for the tests of the matrix page."""

from __future__ import annotations

import hashlib

import numpy as np

from domlora.energy.energy_map import EnergyMap
from domlora.probes.config import ProbeConfig
from tests.helpers.maps import make_map

SPLIT = ("q", "k", "v", "o", "gate", "up", "down")
FUSED = ("qkv", "o", "up", "down")


def cell(
    model: str, task: str, winner: tuple[int, str] = (1, "down"), *, layers: int = 4, kinds: tuple[str, ...] = SPLIT,
    samples: int = 8, config: ProbeConfig | None = None, keep_samples: bool = True, **provenance,
) -> EnergyMap:  # fmt: skip
    """A map of one stack whose `winner` (layer, kind) has three times the energy of any other module."""
    seed = int.from_bytes(hashlib.sha256(f"{model} {task}".encode()).digest()[:4], "big")
    generator = np.random.default_rng(seed)
    places = [(layer, kind) for layer in range(layers) for kind in kinds]
    means = generator.uniform(0.5, 1.0, size=len(places))
    means[places.index(winner)] = 3.0
    by_sample = means[:, None] * generator.uniform(0.9, 1.1, size=(len(places), samples))
    settings = config or ProbeConfig(samples=samples)
    key = hashlib.sha256(f"{model} {task} {settings.model_dump_json()} {winner}".encode()).hexdigest()
    facts = {
        "key": key, "model": model, "model_source": f"folder /models/{model}", "architecture": f"{model} architecture",
        "layers": layers, "task": task, "task_source": f"built-in {task}", "task_hash": f"hash of {task}",
        "config": settings, "samples": samples,
    }  # fmt: skip
    energy = make_map(by_sample.mean(axis=1), by_sample if keep_samples else None, **{**facts, **provenance})
    energy.modules["module"] = [f"model.layers.{layer}.{kind}_proj" for layer, kind in places]
    energy.modules["layer"] = [layer for layer, _ in places]
    energy.modules["kind"] = [kind for _, kind in places]
    return energy
