"""How alike the maps of a matrix are: between tasks on one model, between models on one task.

In: a `Matrix`. Out: matrices of Spearman's rho, of the winner and of the overlap of the top k, each with its
uncertainty over samples. Two tasks of one model are compared module by module. Two models have different modules, so
they are compared on kind × relative depth (`on_common_depth`). No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
import pandas as pd

from domlora.matrix.matrix import Matrix
from domlora.matrix.resampling import sources
from domlora.matrix.sides import (
    Side,
    common_sides,
    task_sides,
)
from domlora.statistics import intervals, ranks


@dataclass(frozen=True, eq=False)
class Agreement:
    """Pairwise agreement of n maps; every matrix is (n, n), symmetric, and NaN where nothing can be compared.

    Attributes:
        labels: (n,) names of the tasks, or of the models.
        between: what the labels are, "tasks" or "models".
        subject: the model, or the task, that they share.
        top_k: how many modules (or cells) the overlap looks at; fewer where there are not so many.
        rho, rho_low, rho_high: Spearman's rank correlation with its 95 % interval.
        winner: booleans, whether the two maps have the same winner (False where nothing can be compared).
        winner_probability, winner_low, winner_high: how often that is so when both maps' samples are drawn anew,
            with the 95 % interval of that probability (`statistics.probability`). Noise lowers it: two maps whose
            winner is the same by a hair have a low one.
        overlap, overlap_low, overlap_high: |top k of one ∩ top k of the other| / k.
        overlap_by_chance: what two random choices of k would have.
        compared: how many modules (between tasks) or cells of kind × depth (between models) were compared.
        kinds: how many (stack, kind) both have; the others were left out.

    Bounds and probability are also NaN where a map keeps nothing of single samples.
    """

    labels: tuple[str, ...]
    between: str
    subject: str
    top_k: int
    rho: np.ndarray
    rho_low: np.ndarray
    rho_high: np.ndarray
    winner: np.ndarray
    winner_probability: np.ndarray
    winner_low: np.ndarray
    winner_high: np.ndarray
    overlap: np.ndarray
    overlap_low: np.ndarray
    overlap_high: np.ndarray
    overlap_by_chance: np.ndarray
    compared: np.ndarray
    kinds: np.ndarray

    def frame(self, name: str) -> pd.DataFrame:
        """One of the matrices with the labels on both sides."""
        return pd.DataFrame(getattr(self, name), index=list(self.labels), columns=list(self.labels))

    def to_json(self) -> dict[str, Any]:
        """As JSON knows it: matrices as lists of rows, null where nothing is known."""
        plain: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                value = [[None if np.isnan(cell) else cell for cell in row] for row in value.tolist()]
            plain[one.name] = list(value) if isinstance(value, tuple) else value
        return plain


def between_tasks(matrix: Matrix, model: str, top_k: int = 5) -> Agreement:
    """How alike the maps of one model are, over the tasks that it was measured on."""
    sides = task_sides(matrix, model)
    result = _Filling(tuple(sides), "tasks", model, top_k)
    pairs = list(sides.values())
    for i, first in enumerate(pairs):
        for j in range(i + 1, len(pairs)):
            result.put(i, j, first, pairs[j])
    return result.done([(len(side.values), side.kinds) for side in pairs])


def between_models(matrix: Matrix, task: str, top_k: int = 5) -> Agreement:
    """How alike the maps of the models are on one task, on the kinds that both models of a pair have.

    Fused kinds (`qkv`, `gate_up`) cannot be compared with split ones and are left out: `kinds` says how many remain.
    The winner is the first among the cells that are compared, on the depth grid of the pair (`on_common_depth`).
    """
    models = [model for model, name, _ in matrix.present if name == task]
    result = _Filling(tuple(models), "models", task, top_k)
    for i, first in enumerate(models):
        for j in range(i + 1, len(models)):
            sides = common_sides(matrix, first, models[j], task)
            if sides is not None:
                result.put(i, j, *sides)
    own = [matrix.columns(model, task) for model in models]
    return result.done([(len(columns.module), len(columns.kinds)) for columns in own])


def pair_of(first: Side, second: Side, top_k: int = 5) -> dict[str, float]:
    """What an `Agreement` says of one pair, by the name of the matrix; no bounds where single samples are not kept."""
    items = len(first.values)
    k = min(top_k, items)
    shared = first.top(k) & second.top(k)
    rho = float(ranks.spearman(first.values, second.values))
    found: dict[str, float] = {
        "winner": first.winner == second.winner, "compared": items, "kinds": first.kinds, "rho": rho,
        "overlap_by_chance": k / items, "overlap": shared.sum() / k,
    }  # fmt: skip
    if first.draws is None or second.draws is None:
        return found
    samples = min(side.counts.shape[1] for side in (first.draws, second.draws))
    correlation = ranks.correlation_interval(rho, (first.ranks * second.ranks).sum(axis=1), samples)
    together = (first.tops(k) & second.tops(k)).sum(axis=1) / k
    overlap = intervals.percentile_interval(shared.sum() / k, together)
    same = intervals.probability(first.winners == second.winners, sources([first.draws, second.draws]))
    found["winner_probability"] = same.value
    for name, estimate in (("rho", correlation), ("overlap", overlap), ("winner", same)):
        found |= {f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return found


@dataclass(eq=False)
class _Filling:
    """An `Agreement` in the making: `put` the pairs, then `done`."""

    labels: tuple[str, ...]
    between: str
    subject: str
    top_k: int
    matrices: dict[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.labels)
        empty = {"winner": False, "compared": 0, "kinds": 0}
        names = [f.name for f in fields(Agreement)][4:]
        self.matrices = {name: np.full((n, n), empty.get(name, np.nan)) for name in names}

    def put(self, i: int, j: int, first: Side, second: Side) -> None:
        if len(first.values):
            for name, value in pair_of(first, second, self.top_k).items():
                self.matrices[name][i, j] = self.matrices[name][j, i] = value

    def done(self, own: Sequence[tuple[int, int]]) -> Agreement:
        """The result; every map agrees with itself, on `own` items of so many kinds."""
        for values in self.matrices.values():
            np.fill_diagonal(values, 1)
        for i, (items, kinds) in enumerate(own):
            self.matrices["compared"][i, i], self.matrices["kinds"][i, i] = items, kinds
            self.matrices["overlap_by_chance"][i, i] = min(self.top_k, items) / items
        return Agreement(self.labels, self.between, self.subject, self.top_k, **self.matrices)
