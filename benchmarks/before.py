"""The intervals that domlora had before, as the baseline of `coverage.py`: seeds and rows resampled.

Drawn once for all simulations of a cell, and for all contestants together, which is the same and faster.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from domlora.statistics.intervals import NORMAL_95

RESAMPLES = 1000


class Resampling:
    """Two-level bootstrap of means over `seeds` and `rows`, scaled by t over z with Satterthwaite's degrees."""

    def __init__(self, seeds: int, rows: int) -> None:
        random = np.random.default_rng(0)
        self.rows = _unbiased(random.multinomial(rows, np.full(rows, 1 / rows), size=RESAMPLES) / rows)
        drawn = (random.random((RESAMPLES, seeds)) * seeds).astype(int)
        self.seeds = _unbiased((drawn[:, :, None] == np.arange(seeds)).mean(axis=1))

    def draws(self, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Estimates (sums,) and draws (resamples, sums) of weighted sums of items: values (items, seeds, rows)."""
        items, seeds, rows = values.shape
        means = self.rows @ values.reshape(items * seeds, rows).T  # (resamples, items * seeds)
        means = (means.reshape(RESAMPLES, items, seeds) * self.seeds[:, None]).sum(axis=2)
        tables = np.tensordot(weights, values, axes=1)  # (sums, seeds, rows)
        estimate = tables.mean(axis=(1, 2))
        of_rows = tables.mean(axis=1).var(axis=1, ddof=1) / rows
        of_seeds = tables.mean(axis=2).var(axis=1, ddof=1) / seeds if seeds > 1 else np.zeros(len(weights))
        lost = of_rows**2 / (rows - 1) + of_seeds**2 / max(seeds - 1, 1)
        factor = stats.t.ppf(0.975, (of_rows + of_seeds) ** 2 / lost) / NORMAL_95
        return estimate, estimate + factor * (means @ weights.T - estimate)

    def each(self, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of each sum by itself: percentiles."""
        _, draws = self.draws(values, weights)
        low, high = np.percentile(draws, [2.5, 97.5], axis=0)
        return low, high

    def at_once(self, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Bounds of all sums at once: the largest |t| over the sums."""
        estimate, draws = self.draws(values, weights)
        error = draws.std(axis=0)
        half = np.quantile((np.abs(draws - estimate) / error).max(axis=1), 0.95) * error
        return estimate - half, estimate + half


def _unbiased(weights: np.ndarray) -> np.ndarray:
    n = weights.shape[1]
    return weights if n == 1 else 1 / n + (weights - 1 / n) * np.sqrt(n / (n - 1))
