"""The statistics of `ranking`, on plain numpy arrays: rank correlation, regret, hits. Knows no run, no probe, no file.

Throughout, `scores` are turned so that a higher one means "adapt here", and `gains` are achieved improvements.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

HALVINGS = 50


def rho(scores: np.ndarray, gains: np.ndarray) -> float:
    """Spearman's rank correlation of (modules,) and (modules,); 0 where all scores are alike: they know no order."""
    return float(_correlation(stats.rankdata(scores)[None], stats.rankdata(gains)[None])[0])


@dataclass(frozen=True, eq=False)
class Jackknife:
    """A rank correlation and what becomes of it as each module is left out.

    It is the correlation of scores with improvements *as measured*, on so many rows and seeds: what else there is to
    measure would move single modules, and that is in how they scatter. Not in it is what other rows might do to many
    modules alike, such as to all of a kind. Row noise makes any such correlation smaller than that with the true
    improvements: see `ceiling`.

    Attributes:
        value: (probes,).
        without: (modules, probes).
        freedom: of Student's distribution.
    """

    value: np.ndarray
    without: np.ndarray
    freedom: int

    def interval(self, confidence: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
        """Bounds (probes,) by Fisher's z and the jackknife's standard error of it (Efron & Stein 1981).

        The error is at least Fisher's own, 1 / √(freedom − 1): a small sample that happens to be in order, as it stays
        whichever module is left out, shows no error at all.
        """
        modules = len(self.without)
        limit = 1 - 6 / (modules**3 - modules)  # half a swap of neighbours from the perfect order
        z = np.arctanh(np.clip(self.value, -limit, limit))
        error = _jackknife_error(np.arctanh(np.clip(self.without, -limit, limit)))
        least = np.where((self.value == 0) & (error == 0), 0.0, max(self.freedom - 1, 1) ** -0.5)  # all scores alike
        half = stats.t.ppf((1 + confidence) / 2, self.freedom) * np.maximum(error, least)
        return np.minimum(np.tanh(z - half), self.value), np.maximum(np.tanh(z + half), self.value)

    def above(self, probe: int, other: int, confidence: float = 0.95) -> tuple[float, float, float]:
        """How far one probe's correlation is above another's: estimate, low and high."""
        estimate = float(self.value[probe] - self.value[other])
        error = float(_jackknife_error(self.without[:, [probe]] - self.without[:, [other]])[0])
        half = float(stats.t.ppf((1 + confidence) / 2, self.freedom)) * error
        return estimate, estimate - half, estimate + half


def jackknife(scores: np.ndarray, gains: np.ndarray, kinds: np.ndarray, *, within: bool = False) -> Jackknife:
    """Rank correlation of probes, and what it is without each module.

    Args:
        scores: (probes, modules).
        gains: (modules,).
        kinds: (modules,) integers.
        within: after each kind's mean rank is taken out: does a probe order the layers of one kind? NaN where no kind
            has modules that differ in score. Else where all scores are alike it is 0: they know no order.
    """
    modules = len(gains)
    left = np.array([np.delete(np.arange(modules), i) for i in range(modules)])  # (modules, modules - 1)

    def correlations(rows: np.ndarray) -> np.ndarray:
        """(rows, probes) of modules chosen by (rows, n)."""
        ranked = stats.rankdata(gains[rows], axis=1)
        own = [stats.rankdata(one[rows], axis=1) for one in scores]
        if within:
            ranked = _without_means(ranked, kinds[rows])
            own = [_without_means(ranks, kinds[rows]) for ranks in own]
        return np.stack([_correlation(ranks, ranked, np.nan if within else 0.0) for ranks in own], axis=1)

    groups = len(np.unique(kinds)) if within else 1
    value, without = correlations(np.arange(modules)[None])[0], correlations(left)
    return Jackknife(value, np.where(np.isnan(without), value, without), max(modules - groups - 1, 1))


def _jackknife_error(without: np.ndarray) -> np.ndarray:
    """Standard errors (n,) of estimates from (modules, n) without each module."""
    return np.sqrt((len(without) - 1) * without.var(axis=0))


def ceiling(gains: np.ndarray, seed: int) -> float:
    """What rho a score would reach that knows the true improvements, when these are measured on so few rows.

    The square root of the reliability of the measured order: the mean rank correlation `r` of two halves of the rows,
    stepped up to all rows as 2r / (1 + r) (Spearman 1910, Brown 1910). Starts and training rows are taken as given.

    Args:
        gains: (modules, rows).

    Returns:
        0 to 1; NaN for fewer than 4 rows.
    """
    if gains.shape[1] < 4:
        return float("nan")
    found = [rho(gains[:, one].mean(axis=1), gains[:, two].mean(axis=1)) for one, two in _halves(gains.shape[1], seed)]
    r = max(0.0, float(np.mean(found)))
    return float(np.sqrt(2 * r / (1 + r)))


def regret_weights(scores: np.ndarray, losses: np.ndarray, seed: int) -> np.ndarray:
    """Regret as a weighted sum of losses: each probe's first module, minus the best one, which others chose.

    For each of many halvings of the rows, the module with the lowest mean loss on one half, on the *other* seeds where
    there are several, stands as the best on this half and this seed. So the best module is never judged on rows that
    chose it, nor on the seed that made it look good. Modules that a probe scores alike share its first place, each
    counting the same.

    Args:
        scores: (probes, modules).
        losses: (modules, seeds, rows).

    Returns:
        (probes, modules, seeds, rows); the sum over modules of its product with `losses` is each row's regret.
    """
    _, seeds, rows = losses.shape
    reference = np.zeros(losses.shape)
    halvings = _halves(rows, seed) if rows > 1 else [(np.array([0]), np.array([0]))]
    for s in range(seeds):
        others = losses[:, [t for t in range(seeds) if t != s] or [s]].mean(axis=1)  # (modules, rows)
        for one, two in halvings:
            for chosen_on, judged_on in ((one, two), (two, one)):
                reference[others[:, chosen_on].mean(axis=1).argmin(), s, judged_on] += 1
    reference /= reference.sum(axis=0)
    first = scores == scores.max(axis=1, keepdims=True)  # (probes, modules)
    return (first / first.sum(axis=1, keepdims=True))[:, :, None, None] - reference


def hit_rate(scores: np.ndarray, gains: np.ndarray, count: int) -> float:
    """Share of the `count` best modules among the `count` highest scores; by chance `count` / modules.

    Modules that tie at the border share the places that are left.
    """
    return float((_membership(scores, count) * _membership(gains, count)).sum() / count)


def _membership(values: np.ndarray, count: int) -> np.ndarray:
    border = np.sort(values)[-count]
    above, tied = values > border, values == border
    return above + tied * (count - above.sum()) / tied.sum()


def _halves(rows: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(rows) for _ in range(HALVINGS)]
    return [(order[: rows // 2], order[rows // 2 :]) for order in orders]


def _correlation(first: np.ndarray, second: np.ndarray, alike: float = 0.0) -> np.ndarray:
    """Pearson's correlation of each row (rows, modules); `alike` where one of them is constant."""
    first = first - first.mean(axis=1, keepdims=True)
    second = second - second.mean(axis=1, keepdims=True)
    size = np.sqrt((first**2).sum(axis=1) * (second**2).sum(axis=1))
    known = size > 1e-9  # ranks differ by a half at least, what is below is rounding
    return np.divide((first * second).sum(axis=1), size, out=np.full(len(first), alike), where=known)


def _without_means(ranks: np.ndarray, kinds: np.ndarray) -> np.ndarray:
    """Takes the mean of each row's kind out: ranks and kinds (rows, modules) -> (rows, modules)."""
    out = np.array(ranks, dtype=float)
    for kind in np.unique(kinds):
        mine = kinds == kind
        count = mine.sum(axis=1, keepdims=True)
        mean = np.divide((ranks * mine).sum(axis=1, keepdims=True), count, out=np.zeros(count.shape), where=count > 0)
        out -= mean * mine
    return out
