"""What a matrix says of the paper's claims, in sentences computed from its maps, whatever they say.

Source of the claims: S. Zhang et al., arXiv 2605.06183. In: a `Matrix`. Out: a verdict, numbers and words for each.
Intervals are over the samples of the tasks, for the models and tasks at hand: they say nothing of other models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np

from domlora.matrix.matrix import Matrix
from domlora.matrix.resampling import RESAMPLES
from domlora.matrix.sides import RANKED, Side, common_sides, task_sides
from domlora.probes.registry import ProbeInfo
from domlora.statistics import intervals, ranks
from domlora.statistics.intervals import Estimate
from domlora.wording import in_percent, listed

Verdict = Literal["supported", "contradicted", "mixed", "undecided", "not tested"]
SHALLOW = 1 / 3  # of the depth

NOT_ON_TASK = "The dominant module does not depend on the task."
ON_ARCHITECTURE = "The dominant module depends on the architecture."
SHALLOW_DOWN = "The energy sits in one shallow down-projection."


@dataclass(frozen=True)
class Claim:
    """One claim, what was found, and the words for it.

    Attributes:
        claim: as the paper makes it.
        verdict: what the maps at hand say.
        sentence: the finding with its numbers and intervals.
        numbers: by name, for JSON; an interval is three numbers, `x`, `x_low`, `x_high`.
    """

    claim: str
    verdict: Verdict
    sentence: str
    numbers: dict[str, float] = field(default_factory=dict)


def claims(matrix: Matrix) -> list[Claim]:
    """One entry a claim of the paper."""
    return [_not_on_task(matrix), _on_architecture(matrix), _shallow_down(matrix)]


def _not_on_task(matrix: Matrix) -> Claim:
    """Per model: is there a module that may be the true winner on all of its tasks, and is it the only one on each?"""
    probe = _probe(matrix)
    if probe is not None and probe.needs == "weights":
        reason = f"{probe.title} reads no sample, so that no task can change it"
        return Claim(NOT_ON_TASK, "not tested", f"Not tested: {reason}.")
    tested = {model: tasks for model in matrix.models if len(tasks := _tasks(matrix, model)) > 1}
    if not tested:
        return Claim(NOT_ON_TASK, "not tested", "Not tested: it takes one model on two tasks.")
    same, other, open_ = [], [], []
    for model, tasks in tested.items():
        able = [matrix.could_lead(model, task) for task in tasks]
        if not set.intersection(*able):
            other.append(model)
        elif all(len(modules) == 1 for modules in able):
            same.append(model)
        else:
            open_.append(model)
    pairs = _Pairs([side for model in tested for side in task_sides(matrix, model).values()])
    index, chosen = 0, []
    for tasks in tested.values():
        chosen += list(combinations(range(index, index + len(tasks)), 2))
        index += len(tasks)
    winner, rho = pairs.winner(chosen), pairs.rho(chosen)
    verdict: Verdict = "undecided"
    if other:
        verdict = "mixed" if same else "contradicted"
    elif not open_:
        verdict = "supported"
    parts = []
    for models, words in (
        (same, "one module leads on every task"),
        (other, "no module can lead on every task"),
        (open_, "the samples do not decide whether one module leads on every task"),
    ):
        if models:
            parts.append(f"on {len(models)} of {len(tested)} models {words} ({listed(models)})")
    sentence = (
        f"{verdict.capitalize()}: {'; '.join(parts)}. Two tasks of one model have the same winner in "
        f"{in_percent(winner)} of {len(chosen)} pairs, with a mean rho of {_number(rho)}."
    )
    numbers = {"models": float(len(tested)), "same": float(len(same)), "different": float(len(other)),
               "undecided": float(len(open_)), "pairs": float(len(chosen))}  # fmt: skip
    return Claim(NOT_ON_TASK, verdict, sentence, numbers | _named("winner", winner) | _named("rho", rho))


def _on_architecture(matrix: Matrix) -> Claim:
    """Two architectures on one task against one model on two tasks, both on the common cells of the two models."""
    between, within = [], []
    for first, second in combinations(matrix.models, 2):
        shared = [t for t in _tasks(matrix, first) if t in _tasks(matrix, second)]
        if not shared or _architecture(matrix, first) == _architecture(matrix, second):
            continue
        both = [sides for task in shared if (sides := common_sides(matrix, first, second, task)) is not None]
        if not both:
            continue
        of_both = [one for one, _ in both] + [two for _, two in both]
        count, pairs = len(both), _Pairs(of_both)
        between.append((pairs, [(i, count + i) for i in range(count)]))
        within.append((pairs, [(s + i, s + j) for s in (0, count) for i, j in combinations(range(count), 2)]))
    if not between:
        reason = "it takes two architectures with a kind of module in common on one task"
        return Claim(ON_ARCHITECTURE, "not tested", f"Not tested: {reason}.")
    count = sum(len(chosen) for _, chosen in between)
    apart, rho_apart = _mean_winner(between), _mean_rho(between)
    said = (
        f"two architectures on one task lead at the same kind and depth in {in_percent(apart)} of {count} pairs "
        f"(mean rho {_number(rho_apart)})"
    )
    numbers = {"pairs": float(count)} | _named("between", apart) | _named("between_rho", rho_apart)
    if not any(chosen for _, chosen in within):
        sentence = f"Undecided: {said}; it takes a second task to say whether one model agrees more with itself."
        return Claim(ON_ARCHITECTURE, "undecided", sentence, numbers)
    alike, rho_alike = _mean_winner(within), _mean_rho(within)
    more = _difference(within, between)
    verdict: Verdict = "undecided"
    if more.low > 0:
        verdict = "supported"
    elif more.high < 0 or apart.low > 0.5:
        verdict = "contradicted"
    sentence = (
        f"{verdict.capitalize()}: {said}; on the same cells one model on two tasks does so in {in_percent(alike)} "
        f"(mean rho {_number(rho_alike)}), {_points(more)} more."
    )
    numbers |= _named("within", alike) | _named("within_rho", rho_alike) | _named("difference", more)
    return Claim(ON_ARCHITECTURE, verdict, sentence, numbers)


def _shallow_down(matrix: Matrix) -> Claim:
    """A count over the cells: which winners are down-projections, shallow, and hold a concentrated energy."""
    present = matrix.present
    if not present:
        return Claim(SHALLOW_DOWN, "not tested", "Not tested: no cell was measured.")
    probe = _probe(matrix)
    if probe is not None and not probe.additive:
        reason = f"scores of {probe.title} are no amounts, so that no module holds a part of them"
        return Claim(SHALLOW_DOWN, "not tested", f"Not tested: {reason}.")
    down, shallow, shares = [], [], []
    for model, task, energy in present:
        columns, row = matrix.columns(model, task), matrix.order(model, task)[0]
        down.append(columns.kind[row] in ("down", "expert.down"))
        shallow.append(down[-1] and columns.depth[row] < SHALLOW)
        shares.append(float(energy.shares[row]))
    concentrated = sum(energy.level == "concentrated" for *_, energy in present)
    every = all(shallow) and concentrated == len(present)
    none = not any(shallow) or concentrated == 0
    verdict: Verdict = "supported" if every else "contradicted" if none else "mixed"
    sentence = (
        f"{verdict.capitalize()}: the winner is a down-projection in {sum(down)} of {len(present)} cells and a shallow "
        f"one (first third of the depth) in {sum(shallow)}; it holds {_range(shares)} of the energy, which is "
        f"concentrated in {concentrated} of {len(present)} cells."
    )
    numbers = {"cells": float(len(present)), "down": float(sum(down)), "shallow_down": float(sum(shallow)),
               "concentrated": float(concentrated), "share_min": min(shares), "share_max": max(shares)}  # fmt: skip
    return Claim(SHALLOW_DOWN, verdict, sentence, numbers)


class _Pairs:
    """Agreement of chosen pairs among sides whose items correspond, as means over the pairs, resampled jointly."""

    def __init__(self, sides: Sequence[Side]) -> None:
        self.sides = sides

    def winner(self, chosen: Sequence[tuple[int, int]]) -> Estimate:
        return _mean_winner([(self, chosen)])

    def rho(self, chosen: Sequence[tuple[int, int]]) -> Estimate:
        return _mean_rho([(self, chosen)])

    @cached_property
    def known(self) -> bool:
        return all(side.drawn is not None for side in self.sides)

    def winners_of(self, pair: tuple[int, int]) -> tuple[float, np.ndarray]:
        first, second = (self.sides[i] for i in pair)
        drawn = (first.winners == second.winners).astype(float) if self.known else np.full(RESAMPLES, np.nan)
        return float(first.winner == second.winner), drawn

    def rho_of(self, pair: tuple[int, int]) -> tuple[float, np.ndarray]:
        first, second = (self.sides[i] for i in pair)
        drawn = (first.ranks * second.ranks).sum(axis=1) if self.known else np.full(RANKED, np.nan)
        return float(ranks.spearman(first.values, second.values)), drawn


_Chosen = Sequence[tuple[_Pairs, Sequence[tuple[int, int]]]]


def _winners(chosen: _Chosen) -> tuple[float, np.ndarray]:
    found = [pairs.winners_of(pair) for pairs, some in chosen for pair in some]
    return float(np.mean([value for value, _ in found])), np.mean([drawn for _, drawn in found], axis=0)


def _mean_winner(chosen: _Chosen) -> Estimate:
    return intervals.percentile_interval(*_winners(chosen))


def _mean_rho(chosen: _Chosen) -> Estimate:
    found = [pairs.rho_of(pair) for pairs, some in chosen for pair in some]
    drawn = np.mean([drawn for _, drawn in found], axis=0)
    counts = [side.draws.counts for pairs, _ in chosen for side in pairs.sides if side.draws is not None]
    samples = min((count.shape[1] for count in counts), default=2)  # none: the draws are NaN, and so is the interval
    return ranks.correlation_interval(float(np.mean([value for value, _ in found])), drawn, samples)


def _difference(within: _Chosen, between: _Chosen) -> Estimate:
    (alike, alike_drawn), (apart, apart_drawn) = _winners(within), _winners(between)
    return intervals.percentile_interval(alike - apart, alike_drawn - apart_drawn)


def _probe(matrix: Matrix) -> ProbeInfo | None:
    return matrix.maps[0].probe if matrix.maps else None


def _tasks(matrix: Matrix, model: str) -> list[str]:
    return [task for task in matrix.tasks if matrix.get(model, task) is not None]


def _architecture(matrix: Matrix, model: str) -> str:
    return next(energy.provenance.architecture for name, _, energy in matrix.present if name == model)


def _named(name: str, value: Estimate) -> dict[str, float]:
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _number(value: Estimate) -> str:
    return f"{value.value:.2f}" + ("" if np.isnan(value.low) else f" ({value.low:.2f} to {value.high:.2f})")


def _points(value: Estimate) -> str:
    interval = "" if np.isnan(value.low) else f" ({value.low * 100:.0f} to {value.high * 100:.0f})"
    return f"{value.value * 100:.0f}{interval} percentage points"


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.1%}", f"{max(values):.1%}"
    return low if low == high else f"{low} to {high}"
