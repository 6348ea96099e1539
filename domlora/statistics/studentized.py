"""Quantiles of the studentized range, which all differences of k means share: numbers in, numbers out."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

POINTS = 2000  # of the chi distribution that the range is averaged over


def all_pairs_quantile(groups: int, freedom: np.ndarray, confidence: float = 0.95) -> np.ndarray:
    """How many standard errors each of the differences of `groups` means may be off, all of them at once.

    The studentized range's quantile over √2 (Tukey 1953), of which Student's t is the case of two groups. scipy's
    `studentized_range.ppf` is the same number, an integration of a tenth of a second for each; here the quantiles of a
    number of groups are tabulated once and read between, to 0.1 %.

    Args:
        freedom: (n,) degrees of freedom, 1 at least; infinity is the range of a normal sample.
    """
    inverse, logarithm = _table(groups, confidence)
    return np.exp(np.interp(1 / np.asarray(freedom, dtype=float), inverse, logarithm))


@lru_cache(maxsize=64)
def _table(groups: int, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Reciprocals of degrees of freedom, from 0 to 1, and the logarithms of their quantiles."""
    from scipy import special, stats

    widths, middle = np.linspace(0, 14, 701), np.linspace(-8, 8, 401)
    density = np.exp(-(middle**2) / 2) / np.sqrt(2 * np.pi)
    between = special.ndtr(middle) - special.ndtr(middle - widths[:, None])  # (widths, middle)
    of_range = groups * (density * between ** (groups - 1)).sum(axis=1) * (middle[1] - middle[0])
    inverse = np.linspace(0, 1, 61)
    probabilities = (np.arange(POINTS) + 0.5) / POINTS
    with np.errstate(divide="ignore"):
        scale = np.sqrt(stats.chi2.ppf(probabilities, 1 / inverse[1:, None]) * inverse[1:, None])
    scale = np.concatenate([np.ones((1, POINTS)), scale])  # (inverse, points): no spread at infinity
    low, high = np.zeros(len(inverse)), np.full(len(inverse), 1e3)
    for _ in range(40):
        tried = (low + high) / 2
        reached = np.interp(tried[:, None] * scale, widths, of_range).mean(axis=1)
        low, high = np.where(reached < confidence, tried, low), np.where(reached < confidence, high, tried)
    return inverse, np.log(high / np.sqrt(2))
