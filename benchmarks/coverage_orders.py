"""The parts of `coverage.py` about orders: of modules by probes (`probes rank`), and of modules in two maps.

What intervals of a rank correlation ought to cover is the correlation that as many rows, seeds or samples would show on
average: noise makes it smaller than that of the truth, and no interval gives this back.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from before import Resampling
from scipy import stats
from worlds import RESIDUAL, losses

from domlora.matrix.agreement import pair_of
from domlora.matrix.resampling import Draws
from domlora.matrix.sides import Side
from domlora.ranking import metrics
from domlora.statistics import bootstrap, crossed, ranks

PROBES = 5
ROWS = 48
Line = Callable[..., None]


def rank(simulations: int, random: np.random.Generator, line: Line) -> None:
    """True improvements are normal, three times as far apart as rows move them; probes know them with noise."""
    names = ("rho", "rho (before, width)", "rho of 5 probes at once", "rho within kinds", "rho above another's",
             "improvement", "regret")  # fmt: skip
    line("tails", "probes know", "modules", "seeds", "ratio", *names)
    line(*("---" for _ in range(5 + len(names))))
    for tails, known in (("normal", 0.0), ("normal", 0.8), ("t3", 0.8)):
        for modules in (10, 37):
            for seeds, ratios in ((1, (0.0,)), (2, (0.2, 1.0, 5.0)), (3, (1.0, 5.0))):
                for ratio in ratios:
                    truth = _rho_of_many(random, seeds, ratio, tails, known)
                    held, widths = np.zeros(len(names)), np.zeros(2)
                    for _ in range(simulations):
                        one, width = _ranked(random, modules, seeds, ratio, tails, known, truth)
                        held, widths = held + one, widths + width
                    cells = [f"{share:.3f}" for share in held / simulations]
                    cells[1] += f", ×{widths[0] / widths[1]:.2f}"
                    line(tails, known, modules, seeds, f"{ratio:g}", *cells)


def _world(
    random: np.random.Generator, modules: int, seeds: int, ratio: float, tails: str, known: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores (probes, modules), true improvements (modules,), and measured ones (modules, seeds, rows)."""
    gains = random.normal(size=modules)
    scores = known * gains + np.sqrt(1 - known**2) * random.normal(size=(PROBES, modules))
    gains *= 3 * np.sqrt((1 + RESIDUAL**2 / seeds) / ROWS)
    noise = losses(random, 1, modules, seeds, ROWS, ratio, tails)[0]
    return scores, gains, gains[:, None, None] + noise


def _rho_of_many(random: np.random.Generator, seeds: int, ratio: float, tails: str, known: float) -> float:
    scores, _, measured = _world(random, 20_000, seeds, ratio, tails, known)
    return float(np.mean([stats.spearmanr(one, measured.mean(axis=(1, 2))).statistic for one in scores]))


def _ranked(
    random: np.random.Generator, modules: int, seeds: int, ratio: float, tails: str, known: float, truth: float
) -> tuple[np.ndarray, np.ndarray]:
    """Which intervals hold, and the widths of rho's now and before."""
    scores, gains, measured = _world(random, modules, seeds, ratio, tails, known)
    kinds, means = np.arange(modules) % 5, measured.mean(axis=(1, 2))
    plain, within = (metrics.jackknife(scores, means, kinds, within=only) for only in (False, True))
    low, high = plain.interval()
    low_all, high_all = plain.interval(1 - 0.05 / PROBES)
    low_within, high_within = within.interval()
    _, low_above, high_above = plain.above(0, 1)
    before_low, before_high = _rho_before(scores[0], measured)
    low_gain, high_gain = crossed.means(measured)
    weights = metrics.regret_weights(scores[:1], -measured, 0)[0]
    regret = crossed.contrast(-measured, weights)
    lost = -float(weights.mean(axis=(1, 2)) @ gains)  # of the pick, beside the mix of modules that were found the best
    held = np.array([
        low[0] <= truth <= high[0], before_low <= truth <= before_high,
        ((low_all <= truth) & (truth <= high_all)).all(), low_within[0] <= truth <= high_within[0],
        low_above <= 0 <= high_above, np.mean((low_gain <= gains) & (gains <= high_gain)),
        regret.low <= lost <= regret.high,
    ])  # fmt: skip
    return held, np.array([high[0] - low[0], before_high - before_low])


def _rho_before(scores: np.ndarray, measured: np.ndarray) -> tuple[float, float]:
    """Modules drawn with replacement, their improvements from drawn rows and seeds; percentiles."""
    modules = len(scores)
    _, gains = _resampling(measured.shape[1]).draws(measured, np.eye(modules))
    drawn = np.random.default_rng(0).integers(modules, size=gains.shape)
    low, high = np.nanpercentile(ranks.spearman(scores[drawn], np.take_along_axis(gains, drawn, axis=1)), [2.5, 97.5])
    return float(low), float(high)


@lru_cache
def _resampling(seeds: int) -> Resampling:
    return Resampling(seeds, ROWS)


def maps(simulations: int, random: np.random.Generator, line: Line) -> None:
    """Two maps of the same modules on two tasks. Energies are log-normal over modules and over samples."""
    names = ("rho without noise", "rho", "covers rho", "covers rho without noise", "same winner", "covers it",
             "overlap of top 5", "covers it")  # fmt: skip
    line("modules", "spread", "correlation", "samples", *names)
    line(*("---" for _ in range(4 + len(names))))
    for modules in (30, 200):
        for spread in (0.3, 1.0):
            for r in (0.5, 0.95):
                logs = random.normal(size=(2, modules))
                logs[1] = r * logs[0] + np.sqrt(1 - r**2) * logs[1]
                truth = np.exp(spread * logs)
                for samples in (8, 16, 32):
                    fresh = np.array([[_energies(random, t, samples).mean(axis=0) for _ in range(1000)] for t in truth])
                    tops = np.argsort(-fresh, axis=2)[:, :, :5]
                    expected = {
                        "rho": float(ranks.spearman(*fresh).mean()),
                        "winner": float((tops[0, :, 0] == tops[1, :, 0]).mean()),
                        "overlap": float(np.mean([np.isin(a, b).mean() for a, b in zip(*tops, strict=True)])),
                    }
                    without_noise = float(ranks.spearman(*truth))
                    held = np.zeros(4)
                    for trial in range(simulations):
                        found = pair_of(
                            *(_side(_energies(random, t, samples), 2 * trial + i) for i, t in enumerate(truth))
                        )
                        held += [found[f"{name}_low"] <= value <= found[f"{name}_high"] for name, value in
                                 (*expected.items(), ("rho", without_noise))]  # fmt: skip
                    rho, winner, overlap, true_rho = (f"{share:.3f}" for share in held / simulations)
                    line(modules, spread, r, samples, f"{without_noise:.2f}", f"{expected['rho']:.2f}", rho, true_rho,
                         f"{expected['winner']:.2f}", winner, f"{expected['overlap']:.2f}", overlap)  # fmt: skip


def _energies(random: np.random.Generator, truth: np.ndarray, samples: int) -> np.ndarray:
    """(samples, modules), of which some hold more energy throughout."""
    return truth * np.exp(0.7 * random.normal(size=(samples, 1)) + 0.8 * random.normal(size=(samples, len(truth))))


def _side(energies: np.ndarray, seed: int) -> Side:
    samples = len(energies)
    counts = bootstrap.resample_counts(samples, samples, 500, seed)
    drawn = counts / samples @ energies
    return Side(energies.mean(axis=0), Draws(str(seed), counts, drawn), drawn, 1)
