"""Reads for the page of architectures × tasks, cached: which maps there are by a probe, and what their matrix says.

In: the lists and maps of `queries`. Out: a `Matrix` of the newest map of each cell, what follows from it, and the
cells without a map with the request that would fill each. May not import torch, transformers or peft.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd
import streamlit as st

from dashboard.shared import queries
from dashboard.shared.queries import MapRow
from domlora.data.tasks import builtin_tasks
from domlora.matrix import agreement, claims, matrix, sample_size
from domlora.matrix.agreement import Agreement
from domlora.matrix.claims import Claim
from domlora.matrix.matrix import Matrix
from domlora.matrix.winners import winner_sentence
from domlora.matrix.winners import winners as winners_table
from domlora.models.catalogue import known_models
from domlora.paths import home
from domlora.probes.config import ProbeName
from domlora.probes.registry import PROBES

PAPER_SAMPLES = 32
ENOUGH = 0.95  # agreement with the answer of all samples that counts as the same answer
AGAINST = " against "


@dataclasses.dataclass(frozen=True)
class Choice:
    """Which part of the matrix is shown.

    Attributes:
        probe: one of `probes()`.
    """

    probe: str
    models: tuple[str, ...]
    tasks: tuple[str, ...]


def probe_of(row: MapRow) -> str:
    """The probe of a map; one that compares with another task names that too, as its maps are of another thing."""
    if row.probe != "interference":
        return row.probe
    return f"{row.probe}{AGAINST}{queries.energy(row.id).provenance.config.against}"


def probes() -> list[str]:
    """The probes that any map is by, in the order of the registry, so PAGE first."""
    found = {probe_of(row) for row in queries.map_rows()}
    order = list(PROBES)
    return sorted(found, key=lambda probe: (order.index(probe_name(probe)), probe))


def probe_title(probe: str) -> str:
    """As a reader calls it."""
    name, _, against = probe.partition(AGAINST)
    return PROBES[probe_name(probe)].title + (f" against {against}" if name != probe else "")


def probe_name(probe: str) -> ProbeName:
    """Its name in the registry."""
    return next(name for name in get_args(ProbeName) if name == probe.partition(AGAINST)[0])


def rows_by(probe: str, without: str | None = None) -> dict[tuple[str, str], MapRow]:
    """The newest map of each (model, task) by this probe.

    Args:
        without: a source (`queries.MapRow`) whose maps do not count.
    """
    newest_last = reversed([row for row in queries.map_rows() if probe_of(row) == probe and row.source != without])
    return {(row.model, row.task): row for row in newest_last}


def models_of(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Those that have a name of their own first."""
    return _ordered((model for model, _ in rows), known_models())


def tasks_of(rows: Sequence[tuple[str, str]]) -> list[str]:
    """The built-in tasks first."""
    return _ordered((task for _, task in rows), builtin_tasks())


def _ordered(names: Iterable[str], first: Collection[str]) -> list[str]:
    found = dict.fromkeys(names)
    return [name for name in first if name in found] + sorted(name for name in found if name not in first)


def ids_of(choice: Choice) -> tuple[str, ...]:
    """Of the maps that fill the chosen cells; whatever is computed from them is kept under these."""
    rows = rows_by(choice.probe)
    return tuple(rows[m, t].id for m in choice.models for t in choice.tasks if (m, t) in rows)


def matrix_of(choice: Choice) -> Matrix:
    """The chosen cells.

    Raises:
        DomLoRAError: a map cannot be read.
    """
    return _matrix(ids_of(choice), choice.models, choice.tasks, str(home()))


@st.cache_resource(show_spinner=False, max_entries=32)
def _matrix(ids: tuple[str, ...], models: tuple[str, ...], tasks: tuple[str, ...], where: str) -> Matrix:
    return Matrix([queries.energy(id) for id in ids], models, tasks)


@st.cache_resource(show_spinner=False, max_entries=64)
def _between(ids: tuple[str, ...], tasks: bool, subject: str, where: str, _matrix: Matrix) -> Agreement:
    return agreement.between_tasks(_matrix, subject) if tasks else agreement.between_models(_matrix, subject)


def between_tasks(choice: Choice, model: str) -> Agreement:
    """How alike the chosen tasks are on one model."""
    return _between(ids_of(choice), True, model, str(home()), matrix_of(choice))


def between_models(choice: Choice, task: str) -> Agreement:
    """How alike the chosen models are on one task."""
    return _between(ids_of(choice), False, task, str(home()), matrix_of(choice))


@st.cache_resource(show_spinner=False, max_entries=32)
def _findings(
    ids: tuple[str, ...], models: tuple[str, ...], where: str, _matrix: Matrix
) -> tuple[list[Claim], dict[str, str]]:
    measured = {model for model, _, _ in _matrix.present}
    sentences = {model: winner_sentence(_matrix, model) for model in models if model in measured}
    said = claims.claims(_matrix)
    if not all(energy.probe.additive for _, _, energy in _matrix.present):
        said = [claim for claim in said if claim.claim != claims.SHALLOW_DOWN]  # norms and ratios have no shares
    return said, sentences


def findings(choice: Choice) -> tuple[list[Claim], dict[str, str]]:
    """What the maps say of the paper's claims, and a sentence for each model that was measured."""
    return _findings(ids_of(choice), choice.models, str(home()), matrix_of(choice))


@st.cache_data(show_spinner=False, max_entries=256)
def _curve(id: str, where: str) -> pd.DataFrame | None:
    return sample_size.sample_curve(queries.energy(id))


def sample_curves(choice: Choice, model: str) -> dict[str, pd.DataFrame]:
    """By task, agreement against the number of samples; tasks whose map keeps no single samples are left out."""
    rows = rows_by(choice.probe)
    found = {task: _curve(rows[model, task].id, str(home())) for task in choice.tasks if (model, task) in rows}
    return {task: curve for task, curve in found.items() if curve is not None}


def enough(curve: pd.DataFrame) -> int | None:
    """Samples from which on the answer stays the same."""
    return sample_size.enough(curve, ENOUGH)


def winners(choice: Choice) -> pd.DataFrame:
    """A row for each measured cell, see `domlora.matrix.winners`, and how many layers its model has."""
    found = matrix_of(choice)
    table = winners_table(found)
    layers = {model: energy.provenance.layers for model, _, energy in found.present}
    return table.assign(layers=table["model"].map(layers))


# Downloads


def cells_csv(choice: Choice) -> bytes:
    """Every module of every chosen cell."""
    return matrix.cells(matrix_of(choice)).to_csv(index=False).encode()


def agreement_json(choice: Choice) -> bytes:
    """All agreement matrices of the chosen cells, with their intervals, and the claims."""
    found, (said, _) = matrix_of(choice), findings(choice)
    measured_models = dict.fromkeys(model for model, _, _ in found.present)
    measured_tasks = dict.fromkeys(task for _, task, _ in found.present)
    content = {
        "probe": choice.probe,
        "maps": {f"{model} on {task}": energy.id for model, task, energy in found.present},
        "between_tasks": [_plain(dataclasses.asdict(between_tasks(choice, model))) for model in measured_models],
        "between_models": [_plain(dataclasses.asdict(between_models(choice, task))) for task in measured_tasks],
        "claims": [_plain(dataclasses.asdict(claim)) for claim in said],
    }
    return json.dumps(content, indent=1).encode()


def _plain(value: Any) -> Any:
    """Lists for arrays and null for what JSON has no number for."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


# Cells without a map
