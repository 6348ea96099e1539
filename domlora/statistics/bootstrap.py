"""Statistics on plain numpy arrays: what a set of energies says and how sure that is. Knows no model and no file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np


@dataclass(frozen=True)
class Bootstrap:
    """Resampling uncertainty of the shares of one map.

    Attributes:
        low, high: (modules,) bounds of the central 95 % interval of each module's share.
        winner_frequency: (modules,) fraction of resamples in which a module has the best share, mostly the largest.
        effective_low, effective_high: the same interval of the effective number of modules.
    """

    low: np.ndarray
    high: np.ndarray
    winner_frequency: np.ndarray
    effective_low: float
    effective_high: float


def shares(energies: np.ndarray) -> np.ndarray:
    """Divides by the sum over the last axis; all-zero energies give all-zero shares."""
    total = energies.sum(axis=-1, keepdims=True)
    return np.divide(energies, total, out=np.zeros_like(energies, dtype=float), where=total > 0)


def effective_number(share: np.ndarray) -> np.ndarray:
    """Exponential of the Shannon entropy over the last axis: 1 if one module has everything, n if all are equal."""
    logs = np.log(share, out=np.zeros_like(share), where=share > 0)
    return np.exp(-(share * logs).sum(axis=-1))


@lru_cache(maxsize=8)
def resample_weights(samples: int, resamples: int, seed: int) -> np.ndarray:
    """Bootstrap draws as weights (resamples, samples): how often each sample was drawn, divided by their number.

    The same for the same arguments, drawn once and read-only: many maps of one size are resampled alike.
    """
    weights = resample_counts(samples, samples, resamples, seed) / samples
    weights.flags.writeable = False
    return weights


def bootstrap_of_means(
    sample_energies: np.ndarray, resamples: int = 1000, seed: int = 0, *, lowest: bool = False
) -> Bootstrap:
    """Bootstrap over samples where a module's energy is the mean of its samples' energies.

    Args:
        sample_energies: (samples, modules).
        lowest: the winner is the module with the smallest mean.
    """
    weights = resample_weights(len(sample_energies), resamples, seed)  # (resamples, samples)
    return _summary(weights @ sample_energies, lowest)


def bootstrap_of_mean_gradient(kernels: np.ndarray, resamples: int = 1000, seed: int = 0) -> Bootstrap:
    """Bootstrap over samples where a module's energy is that of the mean gradient.

    Args:
        kernels: (modules, samples, samples) inner products `<G_i, G_j>` of the samples' gradients, so that the
            energy under weights `w` is `w' K w`.
    """
    weights = resample_weights(kernels.shape[1], resamples, seed)
    return _summary(energies_of_mean_gradient(kernels, weights))


def energies_of_mean_gradient(kernels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(resamples, modules) energies `w' K w` of kernels (modules, n, n) under weights (resamples, n)."""
    return np.einsum("bi,mij,bj->bm", weights, kernels, weights, optimize=True)


def _summary(energies: np.ndarray, lowest: bool = False) -> Bootstrap:
    share = shares(np.maximum(energies, 0.0))  # (resamples, modules)
    low, high = np.percentile(share, [2.5, 97.5], axis=0)
    best = share.argmin(axis=1) if lowest else share.argmax(axis=1)
    winners = np.bincount(best, minlength=share.shape[1]) / len(share)
    effective = np.percentile(effective_number(share), [2.5, 97.5])
    return Bootstrap(low, high, winners, float(effective[0]), float(effective[1]))


# --- how alike rankings are, and how sure that is ---------------------------------------------------------------------


@lru_cache(maxsize=32)
def resample_counts(samples: int, drawn: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of `samples` is drawn when `drawn` are drawn with replacement: (resamples, samples), read-only."""
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(drawn, np.full(samples, 1 / samples), size=resamples)
    counts.flags.writeable = False
    return counts
