"""Means over seeds and rows, and how sure they are: every seed of every item is measured on the same rows.

In: arrays (items, seeds, rows), all NaN where an item lacks a seed. Out: differences of all pairs at once, one
contrast, or each item's own mean, with intervals. Nothing is resampled, so the same values give the same numbers.

The rows say for each difference how much it depends on the choice of rows: there are many of them, and each pair gets
its own variance. The seeds are two or three, from which no pair can tell how much it depends on seeds. So the items
tell it together: after each item's mean and each seed's (which all items share, as an order of the data does) are
taken out, what is left of all items' values at all seeds gives one variance, with (items − 1)(seeds − 1) degrees of
freedom. An item that varies much more than the others counts with its own variance (`OWN`). How the degrees of freedom
are counted is in `_freedom`. `benchmarks/coverage.py` measures how often the intervals hold, and `docs/coverage.md`
shows it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from domlora.statistics.intervals import Estimate
from domlora.statistics.studentized import all_pairs_quantile

# Both were chosen by simulation (`benchmarks/coverage.py`): the least caution that covers in every cell.
OWN = 0.6  # of an item's own seed variance counts, where that is more than the variance of all items
BOUND = 0.3  # the variance over seeds is larger than its upper bound in that part of comparisons


@dataclass(frozen=True, eq=False)
class Differences:
    """Differences of all pairs of items that have a seed in common; intervals hold for all pairs at once.

    Attributes:
        first, second: (pairs,) positions of the items; the estimate is the first's mean minus the second's.
        estimate, low, high: (pairs,); bounds are NaN where there is one row.
        below: (pairs,) how sure it is that the first is the lower, for that pair by itself: Student's distribution
            of the difference, below zero. Where an interval leaves zero out, it is under 2.5 % or over 97.5 %.
        seeds: (pairs,) how many seeds the two have in common, which the estimate is the mean over.
    """

    first: np.ndarray
    second: np.ndarray
    estimate: np.ndarray
    low: np.ndarray
    high: np.ndarray
    below: np.ndarray
    seeds: np.ndarray


def differences(values: np.ndarray) -> Differences:
    """Compares all pairs of items on their common seeds.

    The quantile is the studentized range's for as many items (Tukey), with standard errors and degrees of freedom of
    each pair's own (Games & Howell, Journal of Educational Statistics 1(2), 1976).

    Args:
        values: (items, seeds, rows).
    """
    at_hand = ~np.isnan(values).all(axis=2)  # (items, seeds)
    both = [pair for pair in combinations(range(len(values)), 2) if (at_hand[pair[0]] & at_hand[pair[1]]).any()]
    first, second = (np.array([pair[side] for pair in both], dtype=int) for side in (0, 1))
    weights = np.zeros((len(both), len(values)))
    weights[np.arange(len(both)), first], weights[np.arange(len(both)), second] = 1, -1
    found = _spread(values, weights)
    _add_seeds(found, values, weights)
    half = all_pairs_quantile(max(len(values), 2), found.freedom) * found.error
    return Differences(
        first, second, found.estimate, found.estimate - half, found.estimate + half, _below_zero(found), found.seeds
    )


def contrast(values: np.ndarray, weights: np.ndarray) -> Estimate:
    """One weighted sum of items, on the seeds that all items with a weight have, with its 95 % interval.

    Args:
        values: (items, seeds, rows). Items without a weight say how much seeds vary, and nothing else.
        weights: (items,), or (items, seeds, rows) where they differ from row to row; over items they sum to zero.

    Returns:
        NaN where there is no such seed; NaN bounds where there is one row.
    """
    from scipy import stats

    each = np.broadcast_to(weights if weights.ndim == 3 else weights[:, None, None], values.shape)
    at_hand = (~np.isnan(values).all(axis=2) | (each == 0).all(axis=2)).all(axis=0)  # (seeds,)
    if not at_hand.any():
        return Estimate(np.nan, np.nan, np.nan)
    known = np.where(each[:, at_hand] == 0, 0.0, values[:, at_hand])
    found = _over_seeds_and_rows((each[:, at_hand] * known).sum(axis=0)[None])
    _add_seeds(found, values, each[:, at_hand].mean(axis=(1, 2))[None])
    half = stats.t.ppf(0.975, found.freedom) * found.error
    return Estimate(float(found.estimate[0]), float((found.estimate - half)[0]), float((found.estimate + half)[0]))


def means(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Bounds (items,), (items,) of the 95 % interval of each item's mean, each by itself.

    Here what a seed does to all items alike counts too: it is one draw a seed, so that two seeds say little of it. And
    rows are skewed, as losses are: on each side the wider bound of Student's and of Hall's (`_skewed`) is taken.

    Args:
        values: (items, seeds, rows), at least one seed of each item.
    """
    from scipy import stats

    found = _spread(values, np.eye(len(values)))
    seeds = _seed_variance(values)
    total = seeds.shared + seeds.apart + np.maximum(OWN * seeds.own - seeds.variance, 0)  # (items,)
    parts = [(seeds.shared / found.seeds, seeds.shared_freedom),
             ((total - seeds.shared) / found.seeds, seeds.freedom)]  # fmt: skip
    _finish(found, total, parts)
    quantile = stats.t.ppf(0.975, found.freedom)
    skewness = _skewness(values) * (np.sqrt(found.of_rows) / np.where(found.error > 0, found.error, 1)) ** 3
    below = np.maximum(quantile, _skewed(quantile, skewness))
    above = np.maximum(quantile, -_skewed(-quantile, skewness))
    return found.estimate - below * found.error, found.estimate + above * found.error


def _skewness(values: np.ndarray) -> np.ndarray:
    """(items,) skewness of means over rows, of values (items, seeds, rows); 0 where rows are equal."""
    at_hand = ~np.isnan(values)
    over_seeds = np.where(at_hand, values, 0).sum(axis=1) / np.maximum(at_hand.sum(axis=1), 1)  # (items, rows)
    rows = max(values.shape[2], 1)
    left = over_seeds - over_seeds.sum(axis=1, keepdims=True) / rows
    second, third = ((left**power).sum(axis=1) / rows for power in (2, 3))
    return np.divide(third, second**1.5, out=np.zeros(len(values)), where=second > 0) / np.sqrt(rows)


def _skewed(quantile: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """The quantile of Student's t of a mean of such skewness (Hall, JRSS B 54(1), 1992, inverse of his g)."""
    some = np.where(np.abs(skewness) > 1e-9, skewness, 1)
    found = 3 / some * (np.cbrt(1 + some * (quantile - some / 6)) - 1)
    return np.where(np.abs(skewness) > 1e-9, found, quantile)


@dataclass(eq=False)
class _Found:
    """Weighted sums of items: (sums,) arrays."""

    estimate: np.ndarray
    of_rows: np.ndarray  # variance of the estimate by the choice of rows
    residual: np.ndarray  # its part that is neither of rows nor of seeds, which the variance over seeds holds too
    seeds: np.ndarray
    rows: int
    error: np.ndarray
    freedom: np.ndarray


def _over_seeds_and_rows(tables: np.ndarray) -> _Found:
    """What (sums, seeds, rows) say of their means, but for how much these vary over seeds."""
    count, seeds, rows = tables.shape
    over_seeds = tables.mean(axis=1)
    mean = over_seeds.mean(axis=1)
    of_rows, residual = np.full(count, np.nan), np.zeros(count)
    if rows > 1:
        of_rows = over_seeds.var(axis=1, ddof=1) / rows
    if rows > 1 and seeds > 1:
        left = tables - over_seeds[:, None] - tables.mean(axis=2, keepdims=True) + mean[:, None, None]
        residual = (left**2).sum(axis=(1, 2)) / ((seeds - 1) * (rows - 1)) / (seeds * rows)
    return _Found(mean, of_rows, residual, np.full(count, seeds), rows, np.full(count, np.nan), np.ones(count))


def _spread(values: np.ndarray, weights: np.ndarray) -> _Found:
    """Weighted sums of items, each on the seeds that its items have in common.

    Args:
        values: (items, seeds, rows).
        weights: (sums, items).
    """
    rows, count = values.shape[2], len(weights)
    at_hand = ~np.isnan(values).all(axis=2)  # (items, seeds)
    common = (at_hand | (weights[:, :, None] == 0)).all(axis=1)  # (sums, seeds)
    known = np.where(at_hand[:, :, None], values, 0.0)
    nothing, some = np.full((3, count), np.nan), np.ones(count)
    found = _Found(nothing[0], nothing[1], np.zeros(count), common.sum(axis=1), rows, nothing[2], some)
    for pattern in np.unique(common[common.any(axis=1)], axis=0) if rows else ():
        mine = (common == pattern).all(axis=1)
        one = _over_seeds_and_rows(np.tensordot(weights[mine], known[:, pattern], axes=1))
        found.estimate[mine], found.of_rows[mine], found.residual[mine] = one.estimate, one.of_rows, one.residual
    return found


def _add_seeds(found: _Found, values: np.ndarray, weights: np.ndarray) -> None:
    """How much sums whose weights (sums, items) sum to zero vary over seeds: what these do to all items cancels."""
    seeds = _seed_variance(values)
    variance = weights**2 @ np.maximum(seeds.variance, OWN * seeds.own)  # (sums,)
    _finish(found, variance, [(variance / np.maximum(found.seeds, 1), seeds.freedom)])


def _finish(found: _Found, of_seeds: np.ndarray, parts: Sequence[tuple[np.ndarray, float]]) -> None:
    """Standard errors and degrees of freedom, from the variance of one seed's value and its parts in the mean's."""
    beyond = np.maximum(of_seeds / np.maximum(found.seeds, 1) - found.residual, 0)
    found.error = np.sqrt(found.of_rows + beyond)
    found.freedom = _freedom(found.of_rows, max(found.rows - 1, 1), parts)


def _freedom(of_rows: np.ndarray, row_freedom: int, parts: Sequence[tuple[np.ndarray, float]]) -> np.ndarray:
    """Degrees of freedom of a sum of variances (Satterthwaite, Biometrics Bulletin 2(6), 1946).

    With a few degrees of freedom a variance over seeds is often found far too small, and Satterthwaite's formula then
    takes the many degrees of freedom of the rows: the interval is too narrow just where its variance is. So the
    variances over seeds enter the formula with their upper confidence bound, `1 - BOUND` of the time above the truth.

    Args:
        of_rows: (sums,).
        parts: variances (sums,) over seeds and their degrees of freedom.
    """
    from scipy import stats

    total, lost = np.array(of_rows, dtype=float), of_rows**2 / row_freedom
    for variance, freedom in parts:
        if freedom > 0:
            bound = variance * freedom / stats.chi2.ppf(BOUND, freedom)
            total, lost = total + bound, lost + bound**2 / freedom
    return np.divide(total**2, lost, out=np.full(len(total), float(row_freedom)), where=lost > 0)


def _below_zero(found: _Found) -> np.ndarray:
    """Student's distribution of each estimate, below zero; without any spread, whether the estimate is."""
    from scipy import stats

    sure = np.where(found.estimate == 0, 0.5, np.where(found.estimate < 0, 1.0, 0.0))
    score = np.divide(found.estimate, found.error, out=np.zeros_like(found.estimate), where=found.error > 0)
    below = np.where(found.error > 0, stats.t.cdf(-score, found.freedom), sure)
    return np.where(np.isnan(found.error), np.nan, below)


@dataclass(frozen=True, eq=False)
class _Seeds:
    """How much the values of items vary over seeds: variances of one seed's value; zeros where no item has two.

    Attributes:
        variance, freedom: of what a seed does to one item but not to all, from all items.
        own: (items,) the same of each item by itself, as far as that can be told; else 0.
        shared, apart: of an item's value the parts that follow seeds' means over items, and the rest.
        shared_freedom: of the former; the latter has `freedom`.
    """

    variance: float
    freedom: float
    own: np.ndarray
    shared: float
    apart: float
    shared_freedom: float


def _seed_variance(values: np.ndarray) -> _Seeds:
    """Takes apart how items vary over seeds.

    Where only one item has several seeds, what a seed does to it alone cannot be told from what it does to all: then
    all of it counts, which is at least as much.

    Args:
        values: (items, seeds, rows), NaN where a seed is not there.
    """
    table = values.sum(axis=2) / max(values.shape[2], 1)  # (items, seeds)
    several = (~np.isnan(table)).sum(axis=1) > 1
    own = np.zeros(len(table))
    if not several.any():
        return _Seeds(0.0, 0.0, own, 0.0, 0.0, 0.0)
    some = table[several]
    item, seed = np.nonzero(~np.isnan(some))
    within = some[item, seed] - np.nanmean(some, axis=1)[item]
    design = np.concatenate([item[:, None] == np.arange(len(some)), seed[:, None] == np.arange(table.shape[1])], axis=1)
    effects, _, rank, _ = np.linalg.lstsq(design.astype(float), within, rcond=None)
    left = within - design @ effects
    total, all_freedom = float(within @ within), len(item) - len(some)
    freedom = len(item) - int(rank)
    rest = float(left @ left) if freedom else 0.0
    shared, apart = (total - rest) / all_freedom, rest / all_freedom
    if freedom == 0:
        return _Seeds(total / all_freedom, all_freedom, own, total / all_freedom, 0.0, all_freedom)
    k, variance = len(some), rest / freedom
    if k > 2:  # Grubbs, JASA 43(242), 1948: a residual's variance is (1 - 2/k) of its item's and 1/k of the mean one
        each = np.bincount(item, left**2) / (np.bincount(item) - 1)
        own[several] = np.maximum(each - variance / k, 0) * k / (k - 2)
    return _Seeds(variance, freedom, own, shared, apart, all_freedom - freedom)
