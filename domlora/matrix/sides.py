"""What two or more maps can be compared on: the same modules, or the same kinds at the same relative depth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from domlora.matrix.matrix import Columns, Matrix
from domlora.matrix.resampling import Draws, scores
from domlora.statistics import ranks

RANKED = 400  # resamples that are ranked, which takes long; only the spread of rho comes from them


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
        return ranks.standard_ranks(self._known[:RANKED])

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
