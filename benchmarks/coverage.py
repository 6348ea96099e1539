"""How often 95 % intervals hold, on simulated comparisons with a known truth, beside those that domlora had before.

    python benchmarks/coverage.py --part pairs        differences of all pairs at once: the grid
    python benchmarks/coverage.py --part own          a contestant's own loss, change to the base model, control test
    python benchmarks/coverage.py --part unlike       unlike variances over seeds, few contestants, missing seeds
    python benchmarks/coverage.py --part choosing     false winners where the seeds that choose a rate also judge it
    python benchmarks/coverage.py --part rank         what `probes rank` says of probes over modules
    python benchmarks/coverage.py --part maps         how alike two maps are, over their samples

Prints a Markdown table. A cell is the coverage, then in brackets that of the method before and the mean width relative
to it. `ratio` is the variance of the seeds' part of a mean difference over that of the rows' part. The Monte-Carlo
error of a coverage is printed below: one standard deviation, where the truth is 95 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import combinations

import coverage_orders
import numpy as np
from before import Resampling
from worlds import RESIDUAL, TAILS, losses

from domlora.statistics import crossed

RATIOS = (0.2, 1.0, 2.0, 5.0)
CONTROL = np.array([1, -1 / 3, -1 / 3, -1 / 3])  # a contestant against the mean of three
# what, numbers of contestants, how much each varies over seeds, how many seeds the first has (None: all)
CASES: tuple[tuple[str, tuple[int, ...], tuple[float, ...], int | None], ...] = (
    ("two contestants", (2,), (1.0,), None),
    ("three contestants", (3,), (1.0,), None),
    ("every second varies twice as much", (4, 12), (1.0, 2.0), None),
    ("one varies five times as much", (4, 12), (5.0,) + 11 * (1.0,), None),
    ("one lacks a seed", (4, 12), (1.0,), -1),
    ("one has a single seed", (4, 12), (1.0,), 1),
)
Bounds = tuple[np.ndarray, np.ndarray]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=list(PARTS), default="pairs")
    parser.add_argument("--simulations", type=int, default=500, help="of each cell")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    PARTS[arguments.part](arguments.simulations, np.random.default_rng(arguments.seed))
    error = np.sqrt(0.95 * 0.05 / arguments.simulations)
    print(f"\n{arguments.simulations} simulations a cell: ±{error:.3f}.")


def pairs(simulations: int, random: np.random.Generator) -> None:
    heading("tails", "rows", "contestants", "seeds", *(f"ratio {ratio:g}" for ratio in RATIOS))
    for tails in TAILS:
        for rows in (48, 96):
            for contestants in (4, 12):
                for seeds in (2, 3, 5):
                    cells = [
                        all_pairs(losses(random, simulations, contestants, seeds, rows, ratio, tails))
                        for ratio in RATIOS
                    ]
                    line(tails, rows, contestants, seeds, *cells)


def own(simulations: int, random: np.random.Generator) -> None:
    """Rows differ more in loss than in change: there the base model's loss on each row is taken off."""
    heading("interval of", "tails", "contestants", "seeds", *(f"ratio {ratio:g}" for ratio in RATIOS))
    for what, difficulty in (("its own loss", 3.0), ("change to base", 1.0), ("control test", 1.0)):
        for tails in TAILS:
            for contestants in (4, 12):
                for seeds in (2, 3, 5):
                    weights, now = np.eye(contestants), crossed.means
                    if what == "control test":
                        weights, now = CONTROL[None] @ np.eye(4, contestants), _control
                    before = Resampling(seeds, 48)
                    cells = [
                        compared(
                            losses(random, simulations, contestants, seeds, 48, ratio, tails, difficulty=difficulty),
                            now, lambda values, b=before, w=weights: b.each(values, w), each=True,
                        )
                        for ratio in RATIOS
                    ]  # fmt: skip
                    line(what, tails, contestants, seeds, *cells)


def unlike(simulations: int, random: np.random.Generator) -> None:
    """Where a seed is missing, the method before took each pair by itself: no comparison is printed."""
    heading("case", "contestants", "ratio", "2 seeds", "3 seeds", "5 seeds")
    for case, sizes, spread, seeds_of_first in CASES:
        for contestants in sizes:
            for ratio in (1.0, 5.0):
                cells = []
                for seeds in (2, 3, 5):
                    factors = np.resize(spread, contestants) if len(spread) < 3 else np.array(spread[:contestants])
                    values = losses(random, simulations, contestants, seeds, 48, ratio, "normal", spread=factors)
                    values[:, 0, seeds if seeds_of_first is None else seeds_of_first :] = np.nan
                    cells.append(all_pairs(values, before=seeds_of_first is None))
                line(case, contestants, f"{ratio:g}", *cells)
    for tails in TAILS:
        values = losses(random, simulations, 4, 1, 48, 0, tails)
        line(f"one seed, rows alone vary ({tails})", 4, 0, all_pairs(values), "", "")


def choosing(simulations: int, random: np.random.Generator, *, rates: int = 3, contestants: int = 4) -> None:
    """Rates and contestants are all alike: any difference that is named is false.

    A seed moves the loss on validation rows and on test rows alike: so the rate that looks best on validation rows is
    the one whose seeds were lucky, and they are lucky on test rows too. `flattered` is by how many standard errors.
    """
    heading("rates tried", "seeds", "ratio", "same seeds: before", "same seeds: now", "flattered",
            "fresh seeds: before", "fresh seeds: now", "flattered")  # fmt: skip
    for tried in ("3 by each", "1 by the first, 3 by the others"):
        for seeds in (2, 3, 5):
            for ratio in (1.0, 5.0):
                false, sums = np.zeros(4), np.zeros(2)
                before, weights = Resampling(seeds, 96), _pairs_of(contestants)
                each = 1.5 * ratio * seeds / (seeds + 1)  # over the seeds that judge, on the rows that judge
                values = losses(random, simulations, contestants * rates, seeds + 1, 144, each, "normal")
                for one in values:
                    table = one.reshape(contestants, rates, seeds + 1, 144)
                    if tried != "3 by each":
                        table[0, 1:] = np.inf
                    validation, test = table[..., :48].mean(axis=3), table[..., 48:]
                    for i, by in enumerate((slice(seeds), slice(seeds, None))):
                        chosen = validation[:, :, by].mean(axis=2).argmin(axis=1)
                        judged = test[np.arange(contestants), chosen, :seeds]  # (contestants, seeds, rows)
                        false[2 * i] += missed(before.at_once(judged, weights))
                        false[2 * i + 1] += missed(_differences(judged))
                        sums[i] += judged[-1].mean() - table[-1, :, :seeds, 48:].mean()
                error = np.sqrt((1 + RESIDUAL**2 / seeds) * (1.5 * ratio / 144 + 1 / 96))
                same, now, fresh, fresh_now = (f"{share:.1%}" for share in false / simulations)
                bias, none = (f"{-value:.2f}" for value in sums / simulations / error)
                line(tried, seeds, f"{ratio:g}", same, now, bias, fresh, fresh_now, none)


def all_pairs(values: np.ndarray, before: bool = True) -> str:
    weights, old = _pairs_of(values.shape[1]), Resampling(*values.shape[2:])
    return compared(values, _differences, (lambda v: old.at_once(v, weights)) if before else None)


def compared(
    values: np.ndarray, now: Callable[[np.ndarray], Bounds], before: Callable[[np.ndarray], Bounds] | None, *,
    each: bool = False,
) -> str:  # fmt: skip
    """Coverage of zero by all intervals of a simulation at once, or of each; the same before; and relative width."""
    held: list[list[float]] = [[], []]
    width: list[list[float]] = [[], []]
    for one in values:
        for i, method in enumerate((now, before)):
            if method is None:
                continue
            low, high = method(one)
            inside = (low <= 0) & (high >= 0)
            held[i].append(float(inside.mean() if each else inside.all()))
            width[i].append(float(np.mean(high - low)))
    if before is None:
        return f"{np.mean(held[0]):.3f}"
    return f"{np.mean(held[0]):.3f} ({np.mean(held[1]):.3f}, ×{np.mean(width[0]) / np.mean(width[1]):.2f})"


def missed(bounds: Bounds) -> bool:
    low, high = bounds
    return not ((low <= 0) & (high >= 0)).all()


def _differences(values: np.ndarray) -> Bounds:
    found = crossed.differences(values)
    return found.low, found.high


def _control(values: np.ndarray) -> Bounds:
    found = crossed.contrast(values, CONTROL @ np.eye(4, len(values)))
    return np.array([found.low]), np.array([found.high])


def _pairs_of(items: int) -> np.ndarray:
    both = list(combinations(range(items), 2))
    weights = np.zeros((len(both), items))
    for row, (i, j) in enumerate(both):
        weights[row, i], weights[row, j] = 1, -1
    return weights


def heading(*names: str) -> None:
    line(*names)
    line(*("---" for _ in names))


def line(*cells: object) -> None:
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


PARTS: dict[str, Callable[[int, np.random.Generator], None]] = {
    "pairs": pairs, "own": own, "unlike": unlike, "choosing": choosing,
    "rank": lambda simulations, random: coverage_orders.rank(simulations, random, line),
    "maps": lambda simulations, random: coverage_orders.maps(simulations, random, line),
}  # fmt: skip

if __name__ == "__main__":
    main()
