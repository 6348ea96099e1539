"""Energy maps made by hand, without any model."""

from __future__ import annotations

import numpy as np
import pandas as pd

from domlora.energy.energy_map import EnergyMap, Provenance
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
