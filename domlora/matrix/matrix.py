"""Architectures × tasks: the energy maps of several models on several tasks as one table, and where each winner sits.

In: energy maps of one probe. Out: one row a module of a cell (a model on a task), one row a cell with its winner, and
a sentence a model. How alike cells are says `agreement`, what that means for the paper's claims `claims`, how many
samples it takes `sample_curve`; how the maps are found or measured says `matrix_work`. No torch here.
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
from domlora.statistics import bootstrap

Value = TypeVar("Value")
RESAMPLES = 1000
WINNER_COLUMNS = (
    "model", "task", "module", "stack", "layer", "kind", "depth", "share", "low", "high", "frequency", "could_lead",
    "runner_up", "runner_up_share", "lead", "effective_modules", "modules", "level",
)  # fmt: skip
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
        able = bootstrap.could_be_best(_relative(scores(energy)), _relative(draws.scores))
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


@dataclass(frozen=True, eq=False)
class Draws:
    """Bootstrap over the samples of one map.

    Attributes:
        rows: names the samples that were drawn from. Two maps with equal `rows` were measured on the same rows and
            get the same draws, so that comparing models on one task is paired; other draws are independent.
        counts: (resamples, samples) how often each sample was drawn.
        scores: (resamples, modules) of `scores`, higher is better, in the row order of the map's `modules`.
    """

    rows: str
    counts: np.ndarray
    scores: np.ndarray


def scores(energy: EnergyMap) -> np.ndarray:
    """(modules,) by which modules are ranked, higher is better: the energy, or minus it if the probe prefers low."""
    return _sign(energy) * energy.modules["energy"].to_numpy(dtype=float)


def draw(energy: EnergyMap, resamples: int = RESAMPLES) -> Draws | None:
    """Draws the samples of a map with replacement, as many as it has; None if it keeps nothing of single samples."""
    p = energy.provenance
    if p.samples < 2:
        return None
    # Rows that one model could not use change what the others are drawn from: then nothing is paired.
    rows = "|".join([p.task_hash, p.config.split, str(p.config.seed), str(p.samples), p.key if p.dropped else ""])
    counts = bootstrap.resample_counts(p.samples, p.samples, resamples, seed=int.from_bytes(_digest(rows), "big"))
    found = resampled(energy, counts)
    return None if found is None else Draws(rows, counts, found)


def resampled(energy: EnergyMap, counts: np.ndarray) -> np.ndarray | None:
    """(resamples, modules) scores of a map measured on drawn samples.

    Args:
        counts: (resamples, samples) how often each sample was drawn.

    Returns:
        None if the map keeps nothing of single samples.
    """
    weights = counts / counts.sum(axis=1, keepdims=True)
    if "sample_kernel" in energy.modules:
        side = counts.shape[1]
        kernels = np.stack(energy.modules["sample_kernel"].to_list()).reshape(-1, side, side)
        return _sign(energy) * bootstrap.energies_of_mean_gradient(kernels, weights)
    if "sample_energies" in energy.modules:
        return _sign(energy) * (weights @ np.stack(energy.modules["sample_energies"].to_list(), axis=1))
    return None


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


def winners(matrix: Matrix) -> pd.DataFrame:
    """The winner of each measured cell.

    Returns:
        Columns model, task, module, stack, layer, kind, depth (of the winner), share with its 95 % interval `low`
        and `high`, `frequency` (in how many resamples it wins), could_lead (how many modules may be the true winner
        at 95 %, see `Matrix.could_lead`), runner_up, runner_up_share, lead (energy over that
        of the runner-up), effective_modules, modules, level. NaN where a map keeps nothing of single samples.
    """
    rows = []
    for model, task, energy in matrix.present:
        order, columns, bootstrap = matrix.order(model, task), matrix.columns(model, task), energy.bootstrap
        best, second = order[0], order[1] if len(order) > 1 else None
        score = energy.modules["energy"].to_numpy(dtype=float)
        better, worse = score[best], np.nan if second is None else score[second]
        if energy.probe.prefers == "low":
            better, worse = worse, better
        rows.append(
            {
                "model": model,
                "task": task,
                "module": columns.module[best],
                "stack": columns.stack[best],
                "layer": int(columns.layer[best]),
                "kind": columns.kind[best],
                "depth": columns.depth[best],
                "share": energy.shares[best],
                "low": np.nan if bootstrap is None else bootstrap.low[best],
                "high": np.nan if bootstrap is None else bootstrap.high[best],
                "frequency": np.nan if bootstrap is None else bootstrap.winner_frequency[best],
                "could_lead": len(matrix.could_lead(model, task)),
                "runner_up": None if second is None else columns.module[second],
                "runner_up_share": np.nan if second is None else energy.shares[second],
                "lead": better / worse if worse > 0 else np.inf,
                "effective_modules": energy.effective_modules,
                "modules": len(order),
                "level": energy.level,
            }
        )
    return pd.DataFrame(rows, columns=list(WINNER_COLUMNS))


def winner_sentence(matrix: Matrix, model: str) -> str:
    """Which module leads on how many tasks, and how sure it is that one module leads on all of them."""
    best = {task: matrix.winner(model, task) for name, task, _ in matrix.present if name == model}
    if not best:
        return f"{model}: not measured on any of these tasks."
    leads = Counter(best.values())
    module, count = leads.most_common(1)[0]
    if len(best) == 1:
        return f"{model}: {module} leads on {next(iter(best))}, the one task measured."
    if count == 1:
        said = f"{model}: another module leads on each of {len(best)} tasks"
    elif count == len(best):
        said = f"{model}: {module} leads on {'both' if count == 2 else f'all {count}'} tasks"
    else:
        others = [f"{name} on {listed([t for t in best if best[t] == name])}" for name in leads if name != module]
        said = f"{model}: {module} leads on {count} of {len(best)} tasks ({', '.join(others)})"
    agreed = same_winner(matrix, model)
    if agreed is None:
        return said + "; how sure that is cannot be said, as its maps keep no single samples."
    return said + f"; one and the same module leads on all of them in {in_percent(agreed)} of resamples."


def same_winner(matrix: Matrix, model: str) -> bootstrap.Estimate | None:
    """How often, over resamples of every task's rows, one module leads on all measured tasks of a model."""
    names, drawn = [], []
    for _, task, _ in (cell for cell in matrix.present if cell[0] == model):
        draws = matrix.draws(model, task)
        if draws is None:
            return None
        names.append(matrix.columns(model, task).module[draws.scores.argmax(axis=1)])
        drawn.append(draws)
    if not names:
        return None
    return bootstrap.probability((np.stack(names) == names[0]).all(axis=0), sources(drawn))


def sources(drawn: Sequence[Draws]) -> list[np.ndarray]:
    """The counts of distinct rows among these draws: what an outcome computed from all of them depends on."""
    return list({draws.rows: draws.counts for draws in drawn}.values())


def in_percent(value: bootstrap.Estimate) -> str:
    """`41% (95 % interval 30% to 52%)`."""
    interval = "" if np.isnan(value.low) else f" (95 % interval {value.low:.0%} to {value.high:.0%})"
    return f"{value.value:.0%}{interval}"


def listed(names: Sequence[str]) -> str:
    """`a, b and c`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _sign(energy: EnergyMap) -> float:
    return -1.0 if energy.probe.prefers == "low" else 1.0


def _probe(energy: EnergyMap) -> str:
    config = energy.provenance.config
    return f"{config.probe} against {config.against}" if config.against else config.probe


def _digest(text: str) -> bytes:
    import hashlib

    return hashlib.sha256(text.encode()).digest()[:8]
