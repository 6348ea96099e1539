"""Statistics on plain numpy arrays: what a set of energies says and how sure that is. Knows no model and no file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Bootstrap:
    """Resampling uncertainty of the shares of one map.

    Attributes:
        low, high: (modules,) bounds of the central 95 % interval of each module's share.
        winner_frequency: (modules,) fraction of resamples in which a module has the largest share.
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


def resample_weights(samples: int, resamples: int, seed: int) -> np.ndarray:
    """Bootstrap draws as weights (resamples, samples): how often each sample was drawn, divided by their number."""
    generator = np.random.default_rng(seed)
    return generator.multinomial(samples, np.full(samples, 1 / samples), size=resamples) / samples


def bootstrap_of_means(sample_energies: np.ndarray, resamples: int = 1000, seed: int = 0) -> Bootstrap:
    """Bootstrap over samples where a module's energy is the mean of its samples' energies.

    Args:
        sample_energies: (samples, modules).
    """
    weights = resample_weights(len(sample_energies), resamples, seed)  # (resamples, samples)
    return _summary(weights @ sample_energies)


def bootstrap_of_mean_gradient(kernels: np.ndarray, resamples: int = 1000, seed: int = 0) -> Bootstrap:
    """Bootstrap over samples where a module's energy is that of the mean gradient.

    Args:
        kernels: (modules, samples, samples) inner products `<G_i, G_j>` of the samples' gradients, so that the
            energy under weights `w` is `w' K w`.
    """
    weights = resample_weights(kernels.shape[1], resamples, seed)
    return _summary(np.einsum("bi,mij,bj->bm", weights, kernels, weights, optimize=True))


def _summary(energies: np.ndarray) -> Bootstrap:
    share = shares(np.maximum(energies, 0.0))  # (resamples, modules)
    low, high = np.percentile(share, [2.5, 97.5], axis=0)
    winners = np.bincount(share.argmax(axis=1), minlength=share.shape[1]) / len(share)
    effective = np.percentile(effective_number(share), [2.5, 97.5])
    return Bootstrap(low, high, winners, float(effective[0]), float(effective[1]))
