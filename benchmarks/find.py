"""How often a search finds what is best, in worlds whose truth is known, beside two other ways at the same cost.

    python benchmarks/find.py --races 500

find        the race as `domlora find` runs it, its finals, and the placement that it names
no ties     successive halving that drops what ties with the cut, and finals
to the end  every placement at its three first rates for as many steps as the same passes allow, one seed; the lowest
            validation loss wins

A race is *held* where the named placement is behind the truly best one (at its best rate, after as many steps) by no
more than the half width of the finals' interval: by no more than its user was told. For the third way, which has no
intervals, that of `find` in the same world counts. `regret` is how far it is behind, in nats.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
from race_worlds import BASE, Noise, World, WorldTrack

from domlora.search import race
from domlora.search.answer import smallest_as_good
from domlora.search.config import FindConfig
from domlora.search.finalists import Finalist, finalists
from domlora.search.plan import EVALUATIONS, Pacing, Work, lay
from domlora.statistics import crossed

VALIDATION, TEST = 32, 96
STEPS = 200
WORK = Work(step=12.0, judged=VALIDATION, final=EVALUATIONS * VALIDATION + TEST, seeds=FindConfig().seeds)
WORLDS = {  # how far placements lie apart, and how noisy their losses are
    "far apart": (0.5, Noise()),
    "near": (0.15, Noise()),
    "near, noisy starts": (0.15, Noise(starts=0.03)),
    "all but equal": (0.03, Noise()),
}


@dataclass(frozen=True)
class Ending:
    """What one way of searching ended with."""

    name: str
    regret: float
    half_width: float
    passes: float
    steps: int


def searched(world: World, budget: float, *, ties: bool) -> Ending:
    """A race and its finals, for so many passes of a row."""
    track = WorldTrack(world, WORK, VALIDATION)
    entries = world.entries()
    plan = lay(len(entries), WORK, 1.0, budget, STEPS)
    assert plan is not None, "the budget is too small for this world"
    rules = Pacing(plan.rungs[0].step, len(plan.rungs), WORK, STEPS, lambda: budget - track.spent, 1.0)
    done = list(race.run(entries, track, rules, ties=ties))
    judged = finalists(world.candidates, entries, done, world.rows, int(world.random.integers(2**31)))
    steps = rules.final_steps(done, sum(len(one.rates) % 3 * WORK.seeds + (len(one.rates) == 3) * 6 for one in judged))
    tables = []
    for one in judged:
        if one.control and one.placement.name not in world.names:
            world.add(one.placement)
        rate = _chosen_rate(world, one, steps)
        seeds = [world.losses(one.placement.name, rate, steps, "test", TEST) for _ in range(WORK.seeds)]
        tables.append((one, rate, np.stack(seeds)))
    spent = track.spent + WORK.finals(steps)
    losses = np.stack([table for _, _, table in tables])
    found = crossed.differences(losses)
    names = [one.placement.name for one, _, _ in tables]
    real = [i for i, (one, _, _) in enumerate(tables) if not one.control]
    best = min(real, key=lambda i: float(losses[i].mean()))
    behind, widths = {}, []
    for first, second, low, high in zip(found.first, found.second, found.low, found.high, strict=True):
        if best in (first, second) and {first, second} <= set(real):
            other, end = (int(second), -low) if first == best else (int(first), high)
            behind[names[other]] = float(end)
            widths.append(float(high - low) / 2)
    sizes = {names[i]: tables[i][0].placement.trainable_parameters for i in real}
    named = smallest_as_good(names[best], behind, sizes, BASE - float(losses[best].mean()))
    rate = next(rate for one, rate, _ in tables if one.placement.name == named)
    regret = world.truth(named, rate, steps) - min(world.best(name, steps) for name in world.names)
    return Ending(named, regret, float(np.mean(widths)) if widths else 0.0, spent, steps)


def to_the_end(world: World, budget: float, judged_at: int) -> tuple[str, float]:
    """Everything for as many steps as the passes allow: name, and regret after as many steps as finalists have."""
    entries = world.entries()
    steps = max(int((budget / len(entries) - WORK.judged) / WORK.step), 1)
    found = {e: float(world.losses(e.placement, e.rate, steps, "validation", VALIDATION).mean()) for e in entries}
    best = min((e for e in entries if np.isfinite(found[e])), key=lambda e: found[e])
    truth = min(world.best(name, judged_at) for name in world.names)
    return best.placement, world.truth(best.placement, best.rate, judged_at) - truth


def _chosen_rate(world: World, one: Finalist, steps: int) -> float:
    """The rate of the race, or of several the one with the lowest loss on validation rows."""
    measured = {
        rate: world.losses(one.placement.name, rate, steps, "validation", VALIDATION).mean() for rate in one.rates
    }
    return min(one.rates, key=lambda rate: (not np.isfinite(measured[rate]), measured[rate]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--races", type=int, default=500)
    parser.add_argument("--candidates", type=int, default=20)
    parser.add_argument("--passes", type=float, default=16_000.0, help="of a row, that a search may take")
    arguments = parser.parse_args()
    print(f"{'world':20} {'way':11} {'held':>6} {'right':>6} {'regret':>7} {'90 %':>7} {'interval':>9} {'passes':>8}")
    for label, (margin, noise) in WORLDS.items():
        rows: dict[str, list[tuple[bool, bool, float, float, float]]] = {"find": [], "no ties": [], "to the end": []}
        for number in range(arguments.races):
            found = {}
            for way in rows:
                world = World(np.random.default_rng(number), arguments.candidates, margin, noise)
                if way == "to the end":
                    ending = found["find"]
                    name, regret = to_the_end(world, ending.passes, ending.steps)
                    found[way] = Ending(name, regret, ending.half_width, ending.passes, ending.steps)
                else:
                    found[way] = searched(world, arguments.passes, ties=way == "find")
                end = found[way]
                right = end.name == min(world.names, key=lambda one: world.best(one, end.steps))
                rows[way].append((end.regret <= end.half_width, right, end.regret, end.half_width, end.passes))
        for way, ends in rows.items():
            table = np.array(ends, dtype=float)
            held, right, regret, width, passes = table.mean(axis=0)
            print(
                f"{label:20} {way:11} {held:6.3f} {right:6.3f} {regret:7.4f} {np.quantile(table[:, 2], 0.9):7.4f} "
                f"{width:9.4f} {passes:8.0f}"
            )


if __name__ == "__main__":
    main()
