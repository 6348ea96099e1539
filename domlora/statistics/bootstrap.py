"""Statistics on plain numpy arrays: what a set of energies says and how sure that is. Knows no model and no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# scipy.stats takes a second to import: only in the functions that need it, so that stored maps are read fast.


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


# --- losses of contestants on the same rows from the same seeds -------------------------------------------------------


@dataclass(frozen=True)
class Band:
    """Estimates whose intervals hold all at once: with the stated confidence, none of them misses its true value.

    Attributes:
        estimate, low, high: (items,) arrays; NaN where an item has too few rows to say.
    """

    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray


def crossed_bootstrap(values: np.ndarray, resamples: int = 2000, seed: int = 0) -> np.ndarray:
    """Two-level bootstrap of means over seeds and rows, where every seed is measured on the same rows.

    Rows and seeds are drawn with replacement, independently of each other (the "pigeonhole" bootstrap of a crossed
    design: Owen, Annals of Applied Statistics 1(2), 2007), and the draws are shared by all items, so differences of
    items stay paired. Two corrections make it hold with the two or three seeds that a comparison has: deviations are
    scaled by sqrt(n / (n - 1)) at each level, because the plain bootstrap's variance is (n - 1) / n of the unbiased
    one, and then by t_df / z (97.5 % quantiles), with Satterthwaite's degrees of freedom `df` of the two variances.
    Coverage of the 95 % interval in simulations: 95 to 99 % where rows vary more than seeds do; where seeds vary far
    more, 91 to 95 % with three seeds or more, but only 86 to 92 % with two.

    Args:
        values: (items, seeds, rows); where an item lacks a seed, all its rows are NaN. Every item has one seed.

    Returns:
        (resamples, items) means. One seed: only rows vary. One row: nothing is known of the spread, so all NaN.
    """
    items, seeds, rows = values.shape
    if rows < 2:
        return np.full((resamples, items), np.nan)
    generator = np.random.default_rng(seed)
    row_weights = _unbiased(generator.multinomial(rows, np.full(rows, 1 / rows), size=resamples) / rows)
    uniform = generator.random((resamples, seeds))
    seed_weights = {}  # by the number of seeds at hand: items with as many seeds share the draws
    draws = np.empty((resamples, items))
    for item, table in enumerate(values):
        present = table[~np.isnan(table).all(axis=1)]  # (n, rows)
        n = len(present)
        if n not in seed_weights:
            drawn = (uniform[:, :n] * n).astype(int)  # (resamples, n)
            seed_weights[n] = _unbiased((drawn[:, :, None] == np.arange(n)).mean(axis=1))
        means = (row_weights @ present.T * seed_weights[n]).sum(axis=1)
        centre = present.mean()
        draws[:, item] = centre + _small_sample_factor(present) * (means - centre)
    return draws


def interval(draws: np.ndarray, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Central percentile interval of bootstrap draws (resamples, items): bounds (items,), (items,)."""
    tail = 50 * (1 - confidence)
    low, high = np.percentile(draws, [tail, 100 - tail], axis=0)
    return low, high


def simultaneous_band(estimate: np.ndarray, draws: np.ndarray, confidence: float = 0.95) -> Band:
    """Intervals that hold for all items at once: `estimate ± q · se`, `q` the quantile of the largest |t|.

    The max-T method (Westfall & Young, Resampling-Based Multiple Testing, 1993, ch. 2): in each resample the largest
    standardised deviation over the items is taken, so correlation between items is used rather than assumed away.

    Args:
        estimate: (items,).
        draws: (resamples, items) bootstrap draws of the same quantities, shared over items.
    """
    error = draws.std(axis=0)
    known = error > 0  # False for NaN, and for items that are equal on every row: their interval is the estimate
    if not known.any():
        return Band(estimate, estimate + error, estimate + error)
    largest = (np.abs(draws[:, known] - estimate[known]) / error[known]).max(axis=1)
    half = np.quantile(largest, confidence) * error
    return Band(estimate, estimate - half, estimate + half)


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


def _unbiased(weights: np.ndarray) -> np.ndarray:
    """Scales the deviation of bootstrap weights (resamples, n) from 1 / n, so that the variance is the unbiased one."""
    n = weights.shape[1]
    return weights if n == 1 else 1 / n + (weights - 1 / n) * np.sqrt(n / (n - 1))


def _small_sample_factor(table: np.ndarray) -> float:
    """t quantile over normal quantile for the mean of `table` (seeds, rows), by Satterthwaite's degrees of freedom."""
    from scipy import stats

    seeds, rows = table.shape
    of_rows = table.mean(axis=0).var(ddof=1) / rows
    of_seeds = table.mean(axis=1).var(ddof=1) / seeds if seeds > 1 else 0.0
    if of_rows + of_seeds == 0:
        return 1.0
    lost = of_rows**2 / (rows - 1) + (of_seeds**2 / (seeds - 1) if seeds > 1 else 0.0)
    freedom = (of_rows + of_seeds) ** 2 / lost
    return float(stats.t.ppf(0.975, freedom) / stats.norm.ppf(0.975))


# --- how alike rankings are, and how sure that is ---------------------------------------------------------------------

NORMAL_95 = 1.959963984540054  # 97.5 % quantile of the standard normal distribution


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval; NaN bounds where nothing is known of the spread."""

    value: float
    low: float
    high: float


@lru_cache(maxsize=32)
def resample_counts(samples: int, drawn: int, resamples: int, seed: int) -> np.ndarray:
    """How often each of `samples` is drawn when `drawn` are drawn with replacement: (resamples, samples), read-only."""
    generator = np.random.default_rng(seed)
    counts = generator.multinomial(drawn, np.full(samples, 1 / samples), size=resamples)
    counts.flags.writeable = False
    return counts


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


def correlation_interval(rho: float, draws: np.ndarray) -> Estimate:
    """A correlation with its interval: Fisher's z ± 1.96 standard deviations of the resamples' z.

    Resampling adds noise of its own, which lowers the correlation of two noisy rankings: percentiles of the draws lie
    too low and may leave the estimate outside. Their spread is that of the estimate, so only that is taken.
    """
    if np.isnan(rho) or np.isnan(draws).any():
        return Estimate(rho, np.nan, np.nan)
    limit = 1 - 1e-9  # where both rank exactly alike, z is infinite
    z, spread = np.arctanh(np.clip(rho, -limit, limit)), np.arctanh(np.clip(draws, -limit, limit)).std()
    return Estimate(rho, *(float(np.tanh(z + side * NORMAL_95 * spread)) for side in (-1, 1)))


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
    sample j was drawn. It needs no second level of resampling. The interval is Wilson's for as many trials as that
    standard error is worth.

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
    for counts in sources:
        centred = counts - counts.mean(axis=0)
        covariance = deviation @ centred / resamples  # (samples,)
        noise = float((centred**2).mean(axis=0).sum()) * spread / resamples
        variance += max(float(covariance @ covariance) - noise, 0.0)
    trials = value * (1 - value) / variance if variance > 0 else float(resamples)
    return Estimate(value, *_wilson(value, trials))


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
