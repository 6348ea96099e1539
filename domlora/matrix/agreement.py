"""How alike the maps of a matrix are: between tasks on one model, between models on one task.

In: a `Matrix`. Out: matrices of Spearman's rho, of the winner and of the overlap of the top k, each with its
uncertainty over samples. Two tasks of one model are compared module by module. Two models have different modules, so
they are compared on kind × relative depth (`on_common_depth`). No torch here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from domlora.matrix.matrix import Columns, Draws, Matrix, scores, sources
from domlora.statistics import bootstrap

RANKED = 400  # resamples that are ranked, which takes long; only the spread of rho comes from them


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


def task_sides(matrix: Matrix, model: str) -> dict[str, Side]:
    """The maps of one model by task, with the same modules in the same order: those that all of them have."""
    return matrix.remember(("tasks", model), lambda: _task_sides(matrix, model))


def _task_sides(matrix: Matrix, model: str) -> dict[str, Side]:
    columns = {task: matrix.columns(model, task) for name, task, _ in matrix.present if name == model}
    if not columns:
        return {}
    shared = sorted(set.intersection(*(set(one.module) for one in columns.values())))
    sides = {}
    for task, one in columns.items():
        row = {name: i for i, name in enumerate(one.module)}
        rows = np.array([row[name] for name in shared])
        kinds = len(set(zip(one.stack[rows], one.kind[rows], strict=True)))
        sides[task] = Side.of(matrix, model, task, rows, kinds)
    return sides


# Two models on one grid


@dataclass(frozen=True, eq=False)
class Grid:
    """How the modules of two models fall on common cells of kind × relative depth.

    Attributes:
        cells: (stack, kind, low, high) of each cell: its slice of the depth, 0 is the input, 1 the output.
        first, second: (modules, cells) weights of each model's modules in the mean that is a cell's score.
    """

    cells: tuple[tuple[str, str, float, float], ...]
    first: np.ndarray
    second: np.ndarray

    @cached_property
    def kinds(self) -> int:
        return len({cell[:2] for cell in self.cells})


def on_common_depth(first: Columns, second: Columns) -> Grid:
    """Lays the modules of two models on the same cells.

    A stack of L blocks fills the depth from 0 to 1 in L equal slices. For each (stack, kind) that both models have,
    the depth is cut into as many equal cells as the shallower of the two has blocks; the score of a cell is the mean
    of the modules in it, weighted by how much of their slice lies in it. So the shallower model stays as it is, and
    peaks of the deeper one are averaged with their neighbours rather than missed. The mean, not the sum: then the
    number of blocks or experts in a cell does not count. A cell that has no module in one of the models is left out.
    """
    cells: list[tuple[str, str, float, float]] = []
    weights: list[list[np.ndarray]] = [[np.empty((len(one.module), 0))] for one in (first, second)]
    for pair in (pair for pair in first.kinds if pair in second.kinds):
        edges = np.linspace(0, 1, min(one.layers[pair[0]] for one in (first, second)) + 1)
        parts = [_overlap(one, pair, edges) for one in (first, second)]
        both = (parts[0].sum(axis=0) > 0) & (parts[1].sum(axis=0) > 0)
        for side, part in zip(weights, parts, strict=True):
            side.append(part[:, both] / part[:, both].sum(axis=0))
        cells += [(*pair, float(edges[i]), float(edges[i + 1])) for i in np.flatnonzero(both)]
    return Grid(tuple(cells), *(np.hstack(side) for side in weights))


def _overlap(columns: Columns, pair: tuple[str, str], edges: np.ndarray) -> np.ndarray:
    """(modules, cells) how much of the slice of depth of each module of this (stack, kind) lies in each cell."""
    rows, layers = columns.kinds[pair], columns.layers[pair[0]]
    layer = columns.layer[rows, None]
    shared = np.minimum((layer + 1) / layers, edges[1:]) - np.maximum(layer / layers, edges[:-1])
    result = np.zeros((len(columns.module), len(edges) - 1))
    result[rows] = np.where(shared > 1e-9, shared, 0.0)  # touching slices share nothing but rounding
    return result


def common_sides(matrix: Matrix, first: str, second: str, task: str) -> tuple[Side, Side] | None:
    """Both models' maps of one task on their common cells, None if they have no kind in common.

    Raises:
        KeyError: one of the cells was not measured.
    """
    return matrix.remember(("models", first, second, task), lambda: _common_sides(matrix, first, second, task))


def _common_sides(matrix: Matrix, first: str, second: str, task: str) -> tuple[Side, Side] | None:
    columns = matrix.columns(first, task), matrix.columns(second, task)
    # The modules of a model are the same on every task, but for what a map had to skip.
    key = ("grid", first, second, str(len(columns[0].module)), str(len(columns[1].module)))
    grid = matrix.remember(key, lambda: on_common_depth(*columns))
    if not grid.cells:
        return None
    return (
        Side.of(matrix, first, task, grid.first, grid.kinds),
        Side.of(matrix, second, task, grid.second, grid.kinds),
    )


# One pair


@dataclass(frozen=True, eq=False)
class Side:
    """One of two maps that are compared item by item, and its resamples.

    Attributes:
        values: (items,) higher is better.
        draws: where the resampled values come from; None if the map keeps nothing of single samples.
        drawn: (resamples, items), None likewise.
        kinds: how many (stack, kind) the items are of.
    """

    values: np.ndarray
    draws: Draws | None
    drawn: np.ndarray | None
    kinds: int

    @classmethod
    def of(cls, matrix: Matrix, model: str, task: str, items: np.ndarray, kinds: int) -> Side:
        """A measured cell, seen as items.

        Args:
            items: (n,) row numbers of modules, or (modules, n) weights of means over modules.
        """
        energy, draws = matrix.get(model, task), matrix.draws(model, task)
        if energy is None:
            raise KeyError((model, task))

        def seen(values: np.ndarray) -> np.ndarray:
            return values[..., items] if items.ndim == 1 else values @ items

        return cls(seen(scores(energy)), draws, None if draws is None else seen(draws.scores), kinds)

    @property
    def winner(self) -> int:
        return int(self.values.argmax())

    @cached_property
    def winners(self) -> np.ndarray:
        """(resamples,) item that leads."""
        return self._known.argmax(axis=1)

    @cached_property
    def ranks(self) -> np.ndarray:
        """(RANKED, items) standardised, of the first resamples: the dot product of two sides' is Spearman's rho."""
        return bootstrap.standard_ranks(self._known[:RANKED])

    def top(self, k: int) -> np.ndarray:
        """(items,) which are among the k largest."""
        chosen = np.zeros(len(self.values), dtype=bool)
        chosen[np.argsort(-self.values, kind="stable")[:k]] = True
        return chosen

    def tops(self, k: int) -> np.ndarray:
        """(resamples, items) which are among the k largest."""
        if k not in self._tops:
            chosen = np.zeros(self._known.shape, dtype=bool)
            np.put_along_axis(chosen, np.argpartition(-self._known, k - 1, axis=1)[:, :k], True, axis=1)
            self._tops[k] = chosen
        return self._tops[k]

    @cached_property
    def _tops(self) -> dict[int, np.ndarray]:
        return {}

    @property
    def _known(self) -> np.ndarray:
        if self.drawn is None:
            raise ValueError("a map without single samples has no resamples")
        return self.drawn


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
        items = len(first.values)
        if items == 0:
            return
        k = min(self.top_k, items)
        shared = first.top(k) & second.top(k)
        rho = float(bootstrap.spearman(first.values, second.values))
        self._set(i, j, "winner", first.winner == second.winner)
        self._set(i, j, "compared", items)
        self._set(i, j, "kinds", first.kinds)
        self._set(i, j, "overlap_by_chance", k / items)
        self._set(i, j, "rho", rho)
        self._set(i, j, "overlap", shared.sum() / k)
        if first.draws is None or second.draws is None:
            return
        correlation = bootstrap.correlation_interval(rho, (first.ranks * second.ranks).sum(axis=1))
        together = (first.tops(k) & second.tops(k)).sum(axis=1) / k
        overlap = bootstrap.percentile_interval(shared.sum() / k, together)
        same = bootstrap.probability(first.winners == second.winners, sources([first.draws, second.draws]))
        self._set(i, j, "winner_probability", same.value)
        for name, estimate in (("rho", correlation), ("overlap", overlap), ("winner", same)):
            self._set(i, j, f"{name}_low", estimate.low)
            self._set(i, j, f"{name}_high", estimate.high)

    def done(self, own: Sequence[tuple[int, int]]) -> Agreement:
        """The result; every map agrees with itself, on `own` items of so many kinds."""
        for values in self.matrices.values():
            np.fill_diagonal(values, 1)
        for i, (items, kinds) in enumerate(own):
            self.matrices["compared"][i, i], self.matrices["kinds"][i, i] = items, kinds
            self.matrices["overlap_by_chance"][i, i] = min(self.top_k, items) / items
        return Agreement(self.labels, self.between, self.subject, self.top_k, **self.matrices)

    def _set(self, i: int, j: int, name: str, value: float) -> None:
        self.matrices[name][i, j] = self.matrices[name][j, i] = value
