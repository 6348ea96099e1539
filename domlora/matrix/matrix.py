"""Architectures × tasks: the energy maps of several models on several tasks as one table, and where each winner sits.

In: energy maps of one probe. Out: one row a module of a cell (a model on a task), one row a cell with its winner, and
a sentence a model. How alike cells are says `agreement`, what that means for the paper's claims `claims`, how many
samples it takes `sample_size`; how the maps are found or measured says `jobs.matrix`. No torch here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from domlora.energy.energy_map import EnergyMap
from domlora.errors import ProbeError
from domlora.matrix.resampling import Draws, draw, scores
from domlora.statistics import intervals
from domlora.wording import listed

Value = TypeVar("Value")
SETTINGS = ("samples", "split", "estimator", "reduction", "rank", "alpha", "rslora", "draws", "max_length", "seed")


@dataclass(frozen=True, eq=False)
class Matrix:
    """Energy maps of models × tasks, all by one probe.

    Attributes:
        maps: in any order; of several maps of one model on one task the newest counts.
        models, tasks: names in the order of rows and columns; what is left out follows in order of first appearance,
            and a name that no map has is a row or column of missing cells.

    Raises:
        ProbeError: maps of several probes.
    """

    maps: Sequence[EnergyMap]
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        probes = dict.fromkeys(_probe(energy) for energy in self.maps)
        if len(probes) > 1:
            raise ProbeError(f"a matrix shows one probe, and these maps are of {', '.join(probes)}: choose one of them")
        given = [energy.provenance for energy in self.maps]
        object.__setattr__(self, "models", tuple(dict.fromkeys([*self.models, *(p.model for p in given)])))
        object.__setattr__(self, "tasks", tuple(dict.fromkeys([*self.tasks, *(p.task for p in given)])))

    @cached_property
    def _cells(self) -> dict[tuple[str, str], EnergyMap]:
        oldest_first = sorted(self.maps, key=lambda energy: energy.provenance.created)
        return {(energy.provenance.model, energy.provenance.task): energy for energy in oldest_first}

    def get(self, model: str, task: str) -> EnergyMap | None:
        """The map of this cell, None if it was not measured."""
        return self._cells.get((model, task))

    @property
    def missing(self) -> list[tuple[str, str]]:
        """(model, task) of the cells without a map, row by row."""
        return [(m, t) for m in self.models for t in self.tasks if (m, t) not in self._cells]

    @property
    def present(self) -> list[tuple[str, str, EnergyMap]]:
        """(model, task, map) of the cells that were measured, row by row."""
        cells = ((m, t, self.get(m, t)) for m in self.models for t in self.tasks)
        return [(m, t, energy) for m, t, energy in cells if energy is not None]

    @property
    def remarks(self) -> list[str]:
        """What of the rows is not used as it stands, each with its task and, where not all say so, its models."""
        said: dict[tuple[str, str], list[str]] = {}
        for model, task, energy in self.present:
            for remark in energy.provenance.remarks:
                said.setdefault((task, remark.words), []).append(model)
        of = {task: sum(t == task for _, t, _ in self.present) for task in self.tasks}
        return [
            f"{task}{'' if len(models) == of[task] else f' for {listed(models)}'}: {words}"
            for (task, words), models in said.items()
        ]

    @cached_property
    def differences(self) -> list[str]:
        """What keeps the cells from being measured alike, a sentence each: settings, revisions, truncation."""
        notes = []
        for name in SETTINGS:
            values = Counter(str(getattr(energy.provenance.config, name)) for *_, energy in self.present)
            if len(values) > 1:
                shown = ", ".join(f"{value} in {count}" for value, count in values.items())
                notes.append(f"the cells differ in {name.replace('_', ' ')}: {shown} of {len(self.present)}")
        for model in self.models:
            revisions = {energy.provenance.model_revision for m, _, energy in self.present if m == model}
            if len(revisions) > 1:
                notes.append(f"the cells of {model} come from {len(revisions)} revisions of its weights")
        for task in self.tasks:
            contents = {energy.provenance.task_hash for _, t, energy in self.present if t == task}
            if len(contents) > 1:
                notes.append(f"the cells of {task} come from {len(contents)} different contents of that task")
        return notes

    def draws(self, model: str, task: str) -> Draws | None:
        """What resampling the rows of a cell gives; None if its map keeps nothing of single samples.

        Raises:
            KeyError: the cell was not measured.
        """
        return self.remember(("draws", model, task), lambda: draw(self._cells[model, task]))

    def columns(self, model: str, task: str) -> Columns:
        """What the modules of a measured cell are; KeyError as `draws`."""
        return self.remember(("columns", model, task), lambda: Columns.of(self._cells[model, task]))

    def order(self, model: str, task: str) -> np.ndarray:
        """(modules,) row numbers of a measured cell's map, the winner first; KeyError as `draws`."""
        return self.remember(
            ("order", model, task), lambda: np.argsort(-scores(self._cells[model, task]), kind="stable")
        )

    def winner(self, model: str, task: str) -> str:
        """Name of the module that leads a measured cell; KeyError as `draws`."""
        return self.columns(model, task).module[self.order(model, task)[0]]

    def could_lead(self, model: str, task: str) -> set[str]:
        """Modules that may be the true winner of a measured cell (95 %); only the winner if nothing is known of that.

        By `statistics.could_be_best`; KeyError as `draws`.
        """
        return self.remember(("could lead", model, task), lambda: self._could_lead(model, task))

    def _could_lead(self, model: str, task: str) -> set[str]:
        energy, draws = self._cells[model, task], self.draws(model, task)
        if draws is None:
            return {self.winner(model, task)}
        # Dividing by the sum takes out what moves all modules alike, such as one sample with a large gradient.
        able = intervals.could_be_best(_relative(scores(energy)), _relative(draws.scores))
        return set(self.columns(model, task).module[able])

    def remember(self, what: tuple[str, ...], compute: Callable[[], Value]) -> Value:
        """Computes once what several views of this matrix need."""
        if what not in self._known:
            self._known[what] = compute()
        return self._known[what]

    @cached_property
    def _known(self) -> dict[tuple[str, ...], Any]:
        return {}


@dataclass(frozen=True, eq=False)
class Columns:
    """What the modules of a map are, as plain arrays (modules,) in its row order."""

    module: np.ndarray
    stack: np.ndarray
    kind: np.ndarray
    layer: np.ndarray

    @classmethod
    def of(cls, energy: EnergyMap) -> Columns:
        module, stack, kind = (energy.modules[name].to_numpy(dtype=object) for name in ("module", "stack", "kind"))
        return cls(module, stack, kind, energy.modules["layer"].to_numpy(dtype=float))

    @cached_property
    def kinds(self) -> dict[tuple[str, str], np.ndarray]:
        """Rows (n,) of each (stack, kind), in order of first appearance."""
        rows: dict[tuple[str, str], list[int]] = {}
        for row, pair in enumerate(zip(self.stack, self.kind, strict=True)):
            rows.setdefault(pair, []).append(row)
        return {pair: np.array(some) for pair, some in rows.items()}

    @cached_property
    def layers(self) -> dict[str, int]:
        """How many blocks each stack has."""
        return {stack: int(self.layer[self.stack == stack].max()) + 1 for stack in dict.fromkeys(self.stack)}

    @property
    def depth(self) -> np.ndarray:
        """(modules,) layer / (layers of the stack − 1): 0 the first block, 1 the last."""
        last = np.array([max(self.layers[stack] - 1, 1) for stack in self.stack])
        return self.layer / last


def _relative(values: np.ndarray) -> np.ndarray:
    total = np.abs(values).sum(axis=-1, keepdims=True)
    return np.divide(values, total, out=np.zeros_like(values), where=total > 0)


def cells(matrix: Matrix) -> pd.DataFrame:
    """All maps as one table, one row a module of a cell.

    Returns:
        Columns model, task, stack, layer, depth, kind, module, energy, share, rank (1 is the winner). `depth` is
        layer / (layers of the stack − 1): 0 the first block, 1 the last.
    """
    columns = ["model", "task", "stack", "layer", "depth", "kind", "module", "energy", "share", "rank"]
    parts = []
    for model, task, energy in matrix.present:
        table = energy.table.sort_values("order")
        parts.append(table.assign(model=model, task=task, depth=matrix.columns(model, task).depth)[columns])
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _probe(energy: EnergyMap) -> str:
    config = energy.provenance.config
    return f"{config.probe} against {config.against}" if config.against else config.probe
