"""Intervals and what follows from them: Wilson's interval, percentiles of draws, who may be best, the Pareto front.

Arrays of bootstrap draws in, bounds out. The draws come from `statistics.bootstrap`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NORMAL_95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a proportion, by scipy."""
    from scipy import stats

    bounds = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(bounds.low), float(bounds.high)


def pareto_front(costs: np.ndarray) -> np.ndarray:
    """Which items no other beats: none is as low in every cost and lower in one. Items with a NaN are not on it.

    Args:
        costs: (items, costs), lower is better.

    Returns:
        (items,) booleans.
    """
    known = ~np.isnan(costs).any(axis=1)
    no_worse = (costs[:, None] <= costs[None]).all(axis=2)  # (items, items): the first against the second
    lower = (costs[:, None] < costs[None]).any(axis=2)
    return known & ~(no_worse & lower & known[:, None]).any(axis=0)


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; NaN bounds where nothing is known of the spread."""

    value: float
    low: float
    high: float


def percentile_interval(value: float, draws: np.ndarray) -> Estimate:
    """Central 95 % of the draws, widened to hold the value: for counts and fractions, whose draws are lopsided."""
    if np.isnan(value) or np.isnan(draws).any():
        return Estimate(value, np.nan, np.nan)
    low, high = np.percentile(draws, [2.5, 97.5], method="inverted_cdf")  # values that occur
    return Estimate(value, float(min(low, value)), float(max(high, value)))


def probability(outcome: np.ndarray, sources: Sequence[np.ndarray]) -> Estimate:
    """How often something comes out so over resamples, and how far another set of samples might move that.

    The standard error is the infinitesimal jackknife's (Efron, JASA 109(507), 2014, eq. 3.7, with the correction for
    finitely many resamples of Wager, Hastie & Efron, JMLR 15, 2014, eq. 7): `Σ_j cov(c_j, outcome)²`, c_j how often
    sample j was drawn. It needs no second level of resampling. It is widened as `few_samples` says, and the interval is
    Wilson's for as many trials as that is worth, but for no more than there are samples: where all resamples come out
    alike, that is what so few samples can say. In simulations it still holds a probability between 0.1 and 0.9 in less
    than 95 % (`docs/coverage.md`): a probability of what few samples decide is hardly known from as few.

    Args:
        outcome: (resamples,) booleans, or values from 0 to 1.
        sources: counts (resamples, samples) of each independent set of samples that the outcome depends on.
    """
    value, resamples = float(np.mean(outcome)), len(outcome)
    if np.isnan(value):
        return Estimate(value, np.nan, np.nan)
    deviation = np.asarray(outcome, dtype=float) - value
    spread = float(np.mean(deviation**2))
    variance = spread / resamples  # of the draws; what follows is of the samples
    samples = min(counts.shape[1] for counts in sources)
    for counts in sources:
        centred = counts - counts.mean(axis=0)
        covariance = deviation @ centred / resamples  # (samples,)
        noise = float((centred**2).mean(axis=0).sum()) * spread / resamples
        variance += max(float(covariance @ covariance) - noise, 0.0) * few_samples(counts.shape[1]) ** 2
    trials = min(value * (1 - value) / variance, samples) if variance > 0 else float(samples)
    return Estimate(value, *_wilson(value, trials))


def few_samples(samples: int) -> float:
    """By how much a bootstrap standard error over few samples is too small for a 95 % interval of 1.96 of them.

    The bootstrap's variance is (n - 1) / n of the unbiased one, and as it is estimated, Student's quantile with n - 1
    degrees of freedom takes the place of the normal one. It is integrated here, in the angle whose tangent is t / √df,
    as pages that show stored maps import no scipy.
    """
    freedom = samples - 1
    angle = np.linspace(0, np.pi / 2, 20_001)
    density = np.cos(angle) ** (freedom - 1)
    below = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2)])
    quantile = np.sqrt(freedom) * np.tan(np.interp(0.95 * below[-1], below, angle))
    return float(np.sqrt(samples / freedom) * quantile / NORMAL_95)


def could_be_best(values: np.ndarray, draws: np.ndarray, confidence: float = 0.95) -> np.ndarray:
    """Which items may be the truly best one, given how the values scatter; the observed best always may.

    Multiple comparisons with the best (Hsu, Annals of Statistics 9(5), 1981) on bootstrap deviations: if item m is
    the best, then the observed gap `max_j values_j - values_m` is at most `max_j (e_j - e_m)` of the errors e. Items
    whose gap exceeds that maximum's quantile are out, so that the truly best item is left out with a probability of
    at most 1 - confidence, however many others are nearly as good.

    Args:
        values: (items,), higher is better.
        draws: (resamples, items) bootstrap draws of the same.

    Returns:
        (items,) booleans.
    """
    errors = draws - draws.mean(axis=0)
    gaps = errors.max(axis=1, keepdims=True) - errors  # (resamples, items)
    able = values.max() - values <= gaps.max(axis=0)  # the others are out at any confidence
    able[able] = (values.max() - values)[able] <= np.quantile(gaps[:, able], confidence, axis=0)
    return able


def _wilson(value: float, trials: float) -> tuple[float, float]:
    """Wilson's score interval for a number of trials that need not be whole."""
    z2 = NORMAL_95**2
    centre = (value + z2 / (2 * trials)) / (1 + z2 / trials)
    half = NORMAL_95 / (1 + z2 / trials) * np.sqrt(value * (1 - value) / trials + z2 / (4 * trials**2))
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))
