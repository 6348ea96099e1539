"""Bootstrap over samples for whole matrices: draws of a map's scores, paired where two maps saw the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domlora.energy.energy_map import EnergyMap
from domlora.statistics import bootstrap

RESAMPLES = 1000


@dataclass(frozen=True, eq=False)
class Draws:
    """Bootstrap over the samples of one map.

    Attributes:
        rows: names the samples that were drawn from. Two maps with equal `rows` were measured on the same rows and
            get the same draws, so that comparing models on one task is paired; other draws are independent.
        counts: (resamples, samples) how often each sample was drawn.
        scores: (resamples, modules) of `scores`, higher is better, in the row order of the map's `modules`.
    """

    rows: str
    counts: np.ndarray
    scores: np.ndarray


def scores(energy: EnergyMap) -> np.ndarray:
    """(modules,) by which modules are ranked, higher is better: the energy, or minus it if the probe prefers low."""
    return _sign(energy) * energy.modules["energy"].to_numpy(dtype=float)


def draw(energy: EnergyMap, resamples: int = RESAMPLES) -> Draws | None:
    """Draws the samples of a map with replacement, as many as it has; None if it keeps nothing of single samples."""
    p = energy.provenance
    if p.samples < 2:
        return None
    # Rows that one model could not use change what the others are drawn from: then nothing is paired.
    rows = "|".join([p.task_hash, p.config.split, str(p.config.seed), str(p.samples), p.key if p.dropped else ""])
    counts = bootstrap.resample_counts(p.samples, p.samples, resamples, seed=int.from_bytes(_digest(rows), "big"))
    found = resampled(energy, counts)
    return None if found is None else Draws(rows, counts, found)


def resampled(energy: EnergyMap, counts: np.ndarray) -> np.ndarray | None:
    """(resamples, modules) scores of a map measured on drawn samples.

    Args:
        counts: (resamples, samples) how often each sample was drawn.

    Returns:
        None if the map keeps nothing of single samples.
    """
    weights = counts / counts.sum(axis=1, keepdims=True)
    if "sample_kernel" in energy.modules:
        side = counts.shape[1]
        kernels = np.stack(energy.modules["sample_kernel"].to_list()).reshape(-1, side, side)
        return _sign(energy) * bootstrap.energies_of_mean_gradient(kernels, weights)
    if "sample_energies" in energy.modules:
        return _sign(energy) * (weights @ np.stack(energy.modules["sample_energies"].to_list(), axis=1))
    return None


def sources(drawn: Sequence[Draws]) -> list[np.ndarray]:
    """The counts of distinct rows among these draws: what an outcome computed from all of them depends on."""
    return list({draws.rows: draws.counts for draws in drawn}.values())


def _sign(energy: EnergyMap) -> float:
    return -1.0 if energy.probe.prefers == "low" else 1.0


def _digest(text: str) -> bytes:
    import hashlib

    return hashlib.sha256(text.encode()).digest()[:8]
