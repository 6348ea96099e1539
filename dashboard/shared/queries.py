"""Reads of the store and of the shipped maps, cached. The only place of the dashboard that touches either.

A map never changes under its id, so whole maps are cached for good; lists are read anew every few seconds.
"""

from __future__ import annotations

import socket
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from domlora.energy import files as energy_files
from domlora.energy.energy_map import EnergyMap
from domlora.energy.summary import MapSummary
from domlora.jobs.queue import Queue
from domlora.jobs.spec import FindRequest, Job, ProbeRequest, SweepRequest
from domlora.models.catalogue import REFERENCE_MODELS
from domlora.paths import home, sample_data_path
from domlora.store.shipped import is_shipped, maps_of_runs, take_in_runs
from domlora.store.store import Store

if TYPE_CHECKING:
    from domlora.comparison.result import Comparison
    from domlora.comparison.run import Answer, Evaluation, Run

LIST_SECONDS = 2
SHIPPED, OF_RUN, HERE = "shipped", "shipped with a run", "measured here"  # where a map comes from
PAGE = "page"


@dataclass(frozen=True)
class MapRow:
    """One map in a list; `source` is `SHIPPED`, `OF_RUN` or `HERE`."""

    id: str
    model: str
    task: str
    created: str
    source: str
    samples: int
    estimator: str
    reduction: str
    module: str
    layer: int
    kind: str
    share: float
    effective_modules: float
    modules: int
    level: str
    probe: str = PAGE

    @property
    def label(self) -> str:
        """How a map is chosen and how a link names it."""
        return f"{self.model} on {self.task} ({self.id})"


@st.cache_resource(show_spinner="Opening the store …")
def _store(url: str | None, where: str) -> Store:
    found = Store(url)
    take_in_runs(found)
    return found


def store() -> Store:
    """The store of this process; opened once."""
    import os

    return _store(os.environ.get("DOMLORA_STORE"), str(home()))


def queue() -> Queue:
    """The jobs of this process's store."""
    return Queue(store())


@st.cache_resource(show_spinner=False)
def _shipped() -> dict[str, EnergyMap]:
    maps = [energy_files.read(path) for path in sorted((sample_data_path() / "maps").glob("*.parquet"))]
    return {energy.id: energy for energy in maps}


@st.cache_data(ttl=LIST_SECONDS, show_spinner=False)
def _maps_stamp(where: str) -> Hashable:
    return store().maps.stamp()


@st.cache_resource(show_spinner=False, max_entries=4)
def _map_summaries(where: str, stamp: Hashable) -> list[MapSummary]:
    return store().maps.list()


def map_summaries() -> list[MapSummary]:
    """The maps of models as they come that are in the store, newest first."""
    where = str(home())
    return _map_summaries(where, _maps_stamp(where))


@st.cache_resource(show_spinner=False, max_entries=4)
def _map_rows(where: str, stamp: Hashable) -> list[MapRow]:
    not_own = maps_of_runs(sample_data_path() / "runs")
    measured = [
        MapRow(
            m.id, m.model, m.task, f"{m.created:%Y-%m-%d %H:%M}", OF_RUN if m.id in not_own else HERE,
            m.samples, m.estimator, m.reduction, m.dominant.module, m.dominant.layer or 0, m.dominant.kind,
            m.dominant.share, m.effective_modules, m.modules, m.level, m.probe,
        )
        for m in map_summaries()
    ]  # fmt: skip
    known = {row.id for row in measured}
    rows = measured + [_shipped_row(energy) for id, energy in _shipped().items() if id not in known]
    return sorted(rows, key=lambda row: place_in_list(row.source != HERE, row.model))


def _shipped_row(energy: EnergyMap) -> MapRow:
    p, best = energy.provenance, energy.dominant
    return MapRow(
        energy.id, p.model, p.task, p.created[:16].replace("T", " "), SHIPPED, p.samples, p.config.estimator,
        p.config.reduction, best["module"], int(best["layer"]), best["kind"], float(best["share"]),
        energy.effective_modules, len(energy.modules), energy.level, p.config.probe,
    )  # fmt: skip


def map_rows() -> list[MapRow]:
    """All maps of models as they come, by any probe, newest first, the shipped ones last."""
    where = str(home())
    return _map_rows(where, _maps_stamp(where))


def anything_own() -> bool:
    """Whether anything was measured or trained here."""
    return any(row.source == HERE for row in map_rows()) or not all(map(is_shipped, run_rows()))


def page_rows() -> list[MapRow]:
    """Those of PAGE, in the same order."""
    return [row for row in map_rows() if row.probe == PAGE]


@st.cache_resource(show_spinner=False, max_entries=256)
def _energy(id: str, where: str) -> EnergyMap:
    energy = store().maps.get(id)
    _ = energy.bootstrap, energy.table  # computed once, kept with the map
    return energy


def energy(id: str) -> EnergyMap:
    """One whole map; the same object each time, so its bootstrap is computed once."""
    return _shipped()[id] if id in _shipped() else _energy(id, str(home()))


@st.cache_data(show_spinner=False, max_entries=64)
def download(id: str, suffix: str) -> bytes:
    """A map as the bytes of a file."""
    found = energy(id)
    return energy_files.to_parquet(found) if suffix == "parquet" else energy_files.to_csv(found).encode()


def jobs() -> list[Job]:
    """All jobs, newest first; never cached, as they change while one looks.

    A job that this machine's worker left behind when it was killed gets a new worker, which finds it.
    """
    from domlora.jobs.local import ensure_worker

    found = queue().list(limit=200)
    here = f"{socket.gethostname()}:"
    if any(job.status == "running" and (job.worker or "").startswith(here) for job in found):
        ensure_worker()
    return found


def submit(request: ProbeRequest | SweepRequest | FindRequest) -> Job:
    """Queues a request and makes sure that a worker is there to take it."""
    from domlora.jobs.local import ensure_worker

    job = queue().submit(request)
    ensure_worker()
    return job


def forget_lists() -> None:
    """After a job has ended or runs were changed: lists shall say so at once."""
    _maps_stamp.clear()
    _run_rows.clear()


@st.cache_resource(show_spinner=False)
def _read_runs(where: str) -> dict[str, tuple[Hashable, Run]]:
    """Runs that were read before with what they were known by: to read hundreds anew every time takes seconds."""
    return {}


@st.cache_resource(ttl=LIST_SECONDS, show_spinner=False)
def _run_rows(where: str) -> list[Run]:
    known, stamps = _read_runs(where), store().runs.stamps()
    same = {id for id, (stamp, run) in known.items() if stamps.get(id) == stamp and run.status == "done"}
    if changed := [id for id in stamps if id not in same]:
        known.update({run.id: (stamps[run.id], run) for run in store().runs.list(changed)})
    for id in known.keys() - stamps.keys():
        known.pop(id, None)
    rows = [known[id][1] for id in stamps if id in known]
    return sorted(rows, key=lambda run: place_in_list(is_shipped(run), run.model))


def place_in_list(shipped: bool, model: str) -> int:
    """What is one's own comes first, then what is shipped, and of that the small models to try things on last."""
    return shipped + (shipped and model in REFERENCE_MODELS)


def run_rows() -> list[Run]:
    """All comparisons, newest first, the shipped ones last."""
    return _run_rows(str(home()))


def run_label(run: Run) -> str:
    """How a run is chosen and how a link names it; it stays while the run goes on."""
    return f"{run.model} on {run.task}, {run.created:%Y-%m-%d %H:%M} ({run.id})"


def run(id: str) -> Run:
    """One run as it is now."""
    return store().runs.get(id)


def run_of_job(job_id: str) -> Run | None:
    """The run that a job fills, once it has begun."""
    return next(iter(store().runs.of_job(job_id)), None)


def metrics(run_id: str) -> pd.DataFrame:
    """The curves of a run as they are now: variant, step, name, value."""
    return store().runs.metrics(run_id)


def answers(run_id: str) -> list[Answer]:
    """What the base and the best variants say to test rows."""
    return list(store().runs.answers(run_id))


def comparison(run: Run, baseline: str | None) -> Comparison:
    """What can be concluded of a run; computed anew when anything was written that it is made of.

    Raises:
        DomLoRAError: nothing to compare yet.
    """
    evaluations = store().runs.evaluations(run.id)
    return _comparison(run.id, baseline, stamp(run, evaluations), str(home()), run, evaluations)


def stamp(*read: object) -> int:
    """Differs as soon as anything differs that was read of the store: a count alone would miss what came later."""
    return hash(repr(read))


@st.cache_resource(show_spinner=False, max_entries=32)
def _comparison(
    run_id: str, baseline: str | None, stamp: int, where: str, _run: Run, _evaluations: list[Evaluation]
) -> Comparison:
    from domlora.comparison.analysis import compare_run

    return compare_run(_run, _evaluations, baseline=baseline)
