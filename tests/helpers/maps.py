"""Energy maps made by hand: without any model, or of the modules of one."""

from __future__ import annotations

import numpy as np
import pandas as pd

from domlora.energy.energy_map import EnergyMap, Provenance
from domlora.models.census import find_modules
from domlora.placements.placement import Placement
from domlora.probes.config import ProbeConfig


def make_map(energies, sample_energies=None, **provenance) -> EnergyMap:
    """A map of `down` modules with the given energies, one a layer."""
    count = len(energies)
    table = pd.DataFrame(
        {
            "module": [f"model.layers.{i}.mlp.down_proj" for i in range(count)],
            "stack": "decoder", "layer": range(count), "kind": "down", "in_features": 64, "out_features": 32,
            "energy": np.asarray(energies, dtype=float),
            "first_token": 0.5, "prompt": 0.25, "response": 0.25,
            "max_output": 1.5, "max_output_position": 0, "max_output_token": "<s>",
        }
    )  # fmt: skip
    if sample_energies is not None:
        table["sample_energies"] = list(np.asarray(sample_energies, dtype=np.float32))
    facts = {
        "key": "k" * 64, "model": "tiny", "model_source": "test", "model_revision": "r", "architecture": "Llama",
        "model_parameters": 1, "layers": count, "task": "math", "task_source": "test", "task_hash": "t",
        "config": ProbeConfig(), "method": "exact", "samples": 4, "tokens": 40, "response_tokens": 20, "truncated": 0,
        "dropped": 0, "loss": 1.0, "device": "cpu", "dtype": "float32", "seconds": 1.0, "peak_memory_bytes": 1,
        "created": "2026-01-01T00:00:00+00:00", "versions": {"torch": "2"},
    }  # fmt: skip
    return EnergyMap(table, Provenance(**{**facts, **provenance}))


KINDS = ("q", "k", "v", "o", "gate", "up", "down")


def deep_map(layers: int, *, gaps=(), **provenance) -> EnergyMap:
    """A map as real models have it, `KINDS` in every layer: most of the energy in few modules, over four decades.

    Args:
        gaps: (layer, kind) that the model lacks.
    """
    names = {kind: f"self_attn.{kind}_proj" if kind in "qkvo" else f"mlp.{kind}_proj" for kind in KINDS}
    rows = [
        {"module": f"model.layers.{i}.{names[kind]}", "stack": "decoder", "layer": i, "kind": kind}
        for i in range(layers) for kind in KINDS if (i, kind) not in gaps
    ]  # fmt: skip
    energies = np.random.default_rng(layers).lognormal(0, 1.8, len(rows))
    made = make_map([1] * len(rows), **{"layers": layers, "key": f"{layers:0>64}"[::-1], **provenance})
    facts = pd.DataFrame(rows).assign(in_features=64, out_features=32, energy=energies)
    return EnergyMap(made.modules.assign(**facts), made.provenance)


def map_of(model, energies: dict[str, float] | None = None) -> EnergyMap:
    """A map of all modules of a real model: energy 1, then 2, 3, ... in forward order, unless given by name."""
    census = find_modules(model).modules
    table = pd.DataFrame(
        {
            "module": [m.name for m in census], "stack": [m.stack for m in census], "layer": [m.layer for m in census],
            "kind": [m.kind for m in census], "in_features": [m.in_features for m in census],
            "out_features": [m.out_features for m in census],
            "energy": [float((energies or {}).get(m.name, i + 1)) for i, m in enumerate(census)],
        }
    )  # fmt: skip
    return EnergyMap(table, make_map([1]).provenance.model_copy(update={"architecture": type(model).__name__}))


def names_of(placement: Placement) -> list[str]:
    return [module.module for module in placement.modules]
