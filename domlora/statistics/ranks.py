"""Ranks of rows of numbers, and Spearman's correlation of whole tables of them at once, with its interval."""

from __future__ import annotations

import numpy as np

from domlora.statistics.intervals import NORMAL_95, Estimate, few_samples


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1 along the last axis; equal values share the mean of their ranks, as `scipy.stats.rankdata`.

    Args:
        values: (..., n).
    """
    flat = values.reshape(-1, values.shape[-1])
    order = np.argsort(flat, axis=1)
    in_order = flat[np.arange(len(flat))[:, None], order]
    ranks = np.broadcast_to(np.arange(1.0, flat.shape[1] + 1), flat.shape)
    equal = in_order[:, 1:] == in_order[:, :-1]
    if equal.any():
        edge = np.ones((len(flat), 1), dtype=bool)
        first = np.where(np.hstack([edge, ~equal]), ranks, 0)
        last = np.where(np.hstack([~equal, edge]), ranks, np.inf)
        first = np.maximum.accumulate(first, axis=1)
        last = np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]
        ranks = (first + last) / 2
    result = np.empty(flat.shape)
    result[np.arange(len(flat))[:, None], order] = ranks
    return result.reshape(values.shape)


def standard_ranks(values: np.ndarray) -> np.ndarray:
    """Average ranks along the last axis, centred and of length 1: the dot product of two is Spearman's rho.

    Where all values are equal there is no ranking: NaN.
    """
    ranks = average_ranks(values)
    ranks -= ranks.mean(axis=-1, keepdims=True)
    length = np.sqrt((ranks**2).sum(axis=-1, keepdims=True))
    return np.divide(ranks, length, out=np.full_like(ranks, np.nan), where=length > 0)


def spearman(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation along the last axis, with average ranks of ties; NaN for a constant."""
    return (standard_ranks(first) * standard_ranks(second)).sum(axis=-1)


def correlation_interval(rho: float, draws: np.ndarray, samples: int) -> Estimate:
    """A correlation with its interval: Fisher's z ± 1.96 standard deviations of the resamples' z, for few samples more.

    Resampling adds noise of its own, which lowers the correlation of two noisy rankings: percentiles of the draws lie
    too low and may leave the estimate outside. Their spread is that of the estimate, so only that is taken. What the
    interval covers is the correlation that other `samples` samples would give: noise lowers it below that of the
    rankings without noise, which no interval can give back.

    Args:
        samples: how many were drawn from; of several sets the smallest.
    """
    if np.isnan(rho) or np.isnan(draws).any():
        return Estimate(rho, np.nan, np.nan)
    limit = 1 - 1e-9  # where both rank exactly alike, z is infinite
    z, spread = np.arctanh(np.clip(rho, -limit, limit)), np.arctanh(np.clip(draws, -limit, limit)).std()
    half = NORMAL_95 * few_samples(samples) * spread
    return Estimate(rho, *(float(np.tanh(z + side * half)) for side in (-1, 1)))
