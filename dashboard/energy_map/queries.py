"""What the Energy map page reads beside the maps themselves: energies that were measured while a comparison trained,
and what single modules achieved that were trained alone.

Built on `queries`. Whole maps stay there; here are plain tables of their shares, without any bootstrap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import streamlit as st

from dashboard.shared import queries
from domlora.comparison.run import BASE
from domlora.energy.energy_map import Provenance
from domlora.paths import home
from domlora.ranking import rank

if TYPE_CHECKING:
    from domlora.comparison.run import Run
    from domlora.ranking.result import Ranking

COLUMNS = ["module", "stack", "layer", "kind", "in_features", "out_features", "energy", "share"]


class TrainedMap(NamedTuple):
    """A map that was measured while a variant trained."""

    id: str
    variant: str
    step: int


def trained_runs(provenance: Provenance) -> list[Run]:
    """Comparisons of a map's model and rows that measure energies while they train, newest first."""
    return [
        run
        for run in queries.run_rows()
        if run.config.energy_every
        and run.model_revision == provenance.model_revision
        and provenance.task_hash in (run.task_hash, run.facts.get("training_hash"))
    ]


def single_runs(provenance: Provenance) -> list[Run]:
    """Finished comparisons of a map's model and rows that trained enough modules alone, newest first."""
    return [
        run
        for run in queries.run_rows()
        if rank.qualifies(run)
        and run.model_revision == provenance.model_revision
        and provenance.task_hash in (run.task_hash, rank.rows_hash(run))
    ]


def achieved(run: Run, map_id: str) -> Ranking:
    """What each module of a run achieved alone, held against the scores of one map.

    Raises:
        DomLoRAError: the run lacks what that takes, or the map scores of its modules.
    """
    return _achieved(run.id, map_id, str(home()))


@st.cache_resource(show_spinner=False, max_entries=32)
def _achieved(run_id: str, map_id: str, where: str) -> Ranking:
    runs = queries.store().runs
    return rank.rank(runs.get(run_id), runs.evaluations(run_id), [queries.energy(map_id)])


def trained_maps(run_id: str, variant: str) -> list[TrainedMap]:
    """Maps of one variant, step by step; the first is that of the untouched model."""
    return [one for one in _trained_maps(run_id, str(home())) if one.variant in (BASE, variant)]


@st.cache_data(ttl=queries.LIST_SECONDS, show_spinner=False)
def _trained_maps(run_id: str, where: str) -> list[TrainedMap]:
    found = [
        TrainedMap(m.id, m.trained.variant, m.trained.step) for m in queries.store().maps.list(run=run_id) if m.trained
    ]
    return sorted(found, key=lambda one: (one.step, one.variant))


def training_table(maps: list[TrainedMap]) -> pd.DataFrame:
    """One row a module and step: `step` and `COLUMNS`."""
    return _training_table(tuple((one.id, one.step) for one in maps), str(home()))


@st.cache_data(show_spinner=False, max_entries=32)
def _training_table(maps: tuple[tuple[str, int], ...], where: str) -> pd.DataFrame:
    tables = []
    for id, step in maps:
        energy = queries.store().maps.get(id)
        tables.append(energy.modules.assign(share=energy.shares, step=step)[["step", *COLUMNS]])
    return pd.concat(tables, ignore_index=True)
