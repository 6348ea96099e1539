"""Energy maps of made-up models on made-up tasks, for the tests of what is said across maps."""

from __future__ import annotations

import numpy as np
import pandas as pd

from domlora.energy.energy_map import EnergyMap, Provenance
from domlora.probes.config import ProbeConfig

KINDS = ("q", "k", "v", "o", "gate", "up", "down")


def make_map(energies, model="alpha", task="math", *, kinds=KINDS, layers=None, samples=None, kernels=None, order=None,
             **facts) -> EnergyMap:  # fmt: skip
    """A map of layers × kinds.

    Args:
        energies: (layers · kinds,) means, or (samples, layers · kinds) of every sample.
        order: the row order of the modules.
    """
    energies = np.asarray(energies, dtype=float)
    each = energies if energies.ndim == 2 else None
    mean = energies.mean(axis=0) if each is not None else energies
    layers = layers or len(mean) // len(kinds)
    names = [(layer, kind) for layer in range(layers) for kind in kinds]
    table = pd.DataFrame(
        {
            "module": [f"layers.{layer}.{kind}" for layer, kind in names],
            "stack": "decoder",
            "layer": [layer for layer, _ in names],
            "kind": [kind for _, kind in names],
            "in_features": 64,
            "out_features": 32,
            "energy": mean,
        }
    )
    if each is not None and kernels is None:
        table["sample_energies"] = list(each.T)
    if kernels is not None:
        table["sample_kernel"] = [kernel.ravel() for kernel in kernels]
    if order is not None:
        table = table.iloc[order].reset_index(drop=True)
    config = {name: facts.pop(name) for name in list(facts) if name in ProbeConfig.model_fields}
    count = samples or (len(each) if each is not None else 1)
    known = {
        "key": f"{model}/{task}", "model": model, "model_source": "test", "model_revision": "r",
        "architecture": f"{model}ForCausalLM", "model_parameters": 1, "layers": layers, "task": task,
        "task_source": "test", "task_hash": f"hash of {task}", "config": ProbeConfig(**config), "method": "exact",
        "samples": count, "tokens": 40, "response_tokens": 20, "truncated": 0, "dropped": 0, "loss": 1.0,
        "device": "cpu", "dtype": "float32", "seconds": 1.0, "peak_memory_bytes": 1,
        "created": "2026-01-01T00:00:00+00:00", "versions": {"torch": "2"},
    }  # fmt: skip
    return EnergyMap(table, Provenance(**{**known, **facts}))


def around(means, samples=16, spread=0.1, seed=0) -> np.ndarray:
    """(samples, modules) energies that scatter about these means by a factor."""
    noise = np.random.default_rng(seed).normal(size=(samples, len(means)))
    return np.asarray(means, dtype=float) * np.exp(spread * noise)


def peak(at: int, layers: int, kinds: int = len(KINDS), height: float = 5.0) -> np.ndarray:
    """(layers · kinds,) ones, and `height` at one module."""
    means = np.ones(layers * kinds)
    means[at] = height
    return means
