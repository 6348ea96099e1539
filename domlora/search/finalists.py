"""Who is judged in the end, and against what: the finalists of a race, with a random control of the winner's size.

In: the candidates, and the race as it ended. Out: placements with their learning rates, and the settings of the
comparison that judges them with starts, orders of the data and test rows that took no part before. No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from domlora.comparison.config import SweepConfig
from domlora.placements.place import placed
from domlora.placements.placement import PlacedModule, Placement
from domlora.placements.rules import Row
from domlora.search.candidates import Candidate
from domlora.search.config import FindConfig
from domlora.search.plan import EVALUATIONS, FINALISTS
from domlora.search.race import Entry, Rung, best_rates, everyone
from domlora.search.rates import neighbours

CONTROL = "random-control"  # what the control of the winner is called


@dataclass(frozen=True)
class Finalist:
    """A placement that is judged, at one rate that the race chose, or at several of which the best is still to be."""

    placement: Placement
    rates: tuple[float, ...]
    control: bool = False


def finalists(
    candidates: Sequence[Candidate], entries: Sequence[Entry], done: Sequence[Rung], rows: Sequence[Row], seed: int
) -> tuple[Finalist, ...]:
    """The leader of the race, the largest candidate, the smallest one that the last rung kept, and a control.

    A place that is left goes to the next in the order of merit. The control is random and of the leader's size, or of
    the next one's where that leaves too few modules to draw from: one that raced for a single module, else one drawn
    here.

    Args:
        rows: all modules that there are.
    """
    by_name = {candidate.name: candidate for candidate in candidates}
    best = best_rates(entries, done)
    merit = [by_name[name] for name in best]
    real = [candidate for candidate in merit if not candidate.control] or merit
    leader = real[0]
    largest = max(real, key=lambda candidate: candidate.placement.trainable_parameters)
    chosen = list(dict.fromkeys([leader, largest]))
    last = {entry.placement for entry in everyone(entries, done) if entry.name in done[-1].kept}
    alike = [candidate for candidate in real if candidate.name in last and candidate not in chosen]
    if alike:
        chosen.append(min(alike, key=lambda candidate: candidate.placement.trainable_parameters))
    for candidate in real:
        if len(chosen) < FINALISTS - 1 and candidate not in chosen:
            chosen.append(candidate)
    judged = [Finalist(c.placement, (best[c.name][0].rate,)) for c in merit if c in chosen]
    controls = (_control(c.placement, merit, best, rows, seed) for c in merit if c in chosen)
    return (*judged, *[control for control in controls if control is not None][:1])


def settings(config: FindConfig, judged: Sequence[Finalist], steps: int, minutes: float | None) -> SweepConfig:
    """The comparison of the finalists."""
    rates = tuple(f"{one.placement.name}={rate!r}" for one in judged for rate in one.rates)
    return SweepConfig(
        **config.training.model_dump()
        | {
            "placements": tuple(one.placement.name for one in judged), "learning_rates": judged[0].rates,
            "own_rates": rates, "seeds": config.seeds,
            "rate_seeds": 1, "steps": steps, "schedule": "linear", "evaluate_every": -(-steps // EVALUATIONS),
            "answers": 0,
            "checkpoint_every": max(steps // 8, 1), "minutes": minutes,
        }
    )  # fmt: skip


def control_of(placement: Placement, rows: Sequence[Row], seed: int) -> Placement | None:
    """As many random modules as a placement has, each as large as one of it, and none that it holds.

    Where too few are left of a size, the nearest size is taken.

    Returns:
        None where the placement leaves too few modules to draw from.
    """
    held = {module.module for module in placement.modules}
    free = [row for row in rows if row.module not in held and not row.parameter]
    if len(free) < len(placement.modules):
        return None
    generator = np.random.default_rng(seed)
    drawn = [free[i] for i in generator.permutation(len(free))]
    taken: list[PlacedModule] = []
    for module in placement.modules:
        size = module.in_features + module.out_features
        row = min(drawn, key=lambda one: abs(one.cost - size))  # the first drawn of the nearest size
        drawn.remove(row)
        taken.append(placed(row, min(module.rank, row.largest_rank)))
    order = {row.module: i for i, row in enumerate(rows)}
    taken.sort(key=lambda module: order[module.module])
    return placement.model_copy(update={"name": CONTROL, "modules": tuple(taken)})


def _control(
    placement: Placement,
    merit: Sequence[Candidate],
    best: Mapping[str, tuple[Entry, Rung]],
    rows: Sequence[Row],
    seed: int,
) -> Finalist | None:
    """The best random candidate of a placement's size, else one that is drawn now and chooses among three rates."""
    for candidate in merit:
        alike = len(candidate.placement.modules) == len(placement.modules) == 1 and candidate.placement != placement
        if candidate.control and alike and candidate.placement.trainable_parameters == placement.trainable_parameters:
            return Finalist(candidate.placement, (best[candidate.name][0].rate,), control=True)
    drawn = control_of(placement, rows, seed)
    if drawn is None:
        return None
    return Finalist(drawn, neighbours(best[placement.name][0].rate), control=True)
