"""Reads of the store and of the shipped maps, cached. The only place of the dashboard that touches either.

A map never changes under its id, so whole maps are cached for good; lists are read anew every few seconds.
"""

from __future__ import annotations

from dataclasses import dataclass

import streamlit as st

from domlora import energy_files
from domlora.energy import EnergyMap
from domlora.errors import DomLoRAError
from domlora.jobs.spec import Job, ProbeRequest
from domlora.paths import home, sample_data_path
from domlora.store import Store
from domlora.tasks import load_task

LIST_SECONDS = 2
SHIPPED = "shipped"


@dataclass(frozen=True)
class MapRow:
    """One map in a list; `source` is `shipped` or `measured here`."""

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

    @property
    def label(self) -> str:
        """How a map is chosen and how a link names it."""
        return f"{self.model} on {self.task} ({self.id})"


@st.cache_resource
def _store(url: str | None, where: str) -> Store:
    return Store(url)


def store() -> Store:
    """The store of this process; opened once."""
    import os

    return _store(os.environ.get("DOMLORA_STORE"), str(home()))


@st.cache_resource(show_spinner=False)
def _shipped() -> dict[str, EnergyMap]:
    maps = [energy_files.read(path) for path in sorted((sample_data_path() / "maps").glob("*.parquet"))]
    return {energy.id: energy for energy in maps}


@st.cache_data(ttl=LIST_SECONDS, show_spinner=False)
def _map_rows(where: str) -> list[MapRow]:
    measured = [
        MapRow(
            m.id, m.model, m.task, f"{m.created:%Y-%m-%d %H:%M}", "measured here", m.samples, m.estimator, m.reduction,
            m.dominant.module, m.dominant.layer or 0, m.dominant.kind, m.dominant.share, m.effective_modules,
            m.modules, m.level,
        )
        for m in store().maps()
    ]  # fmt: skip
    known = {row.id for row in measured}
    return measured + [_shipped_row(energy) for id, energy in _shipped().items() if id not in known]


def _shipped_row(energy: EnergyMap) -> MapRow:
    p, best = energy.provenance, energy.dominant
    return MapRow(
        energy.id, p.model, p.task, p.created[:16].replace("T", " "), SHIPPED, p.samples, p.config.estimator,
        p.config.reduction, best["module"], int(best["layer"]), best["kind"], float(best["share"]),
        energy.effective_modules, len(energy.modules), energy.level,
    )  # fmt: skip


def map_rows() -> list[MapRow]:
    """All maps, newest first, the shipped ones last."""
    return _map_rows(str(home()))


@st.cache_resource(show_spinner=False, max_entries=256)
def _energy(id: str, where: str) -> EnergyMap:
    energy = store().map(id)
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


@st.cache_data(ttl=60, show_spinner=False)
def task_facts(source: str) -> tuple[str, dict[str, int]] | str:
    """Format and rows per split of a task, or the line that says why it cannot be read."""
    try:
        task = load_task(source)
    except DomLoRAError as error:
        return str(error)
    return task.format, task.splits


def jobs() -> list[Job]:
    """All jobs, newest first; never cached, as they change while one looks."""
    return store().jobs(limit=200)


def submit(request: ProbeRequest) -> Job:
    """Queues a request and makes sure that a worker is there to take it."""
    from domlora.jobs.local import ensure_worker

    job = store().submit(request)
    ensure_worker()
    return job


def forget_lists() -> None:
    """After a job has ended: its map shall be in the lists at once."""
    _map_rows.clear()


def estimate(model: str, samples: int, max_length: int) -> str | None:
    """Time and memory that earlier probes of this model suggest, in words; None if there are none."""
    rows = [row for row in map_rows() if row.model == model]
    if not rows:
        return None
    p = energy(rows[0].id).provenance
    seconds = p.seconds / p.samples * samples
    return (
        f"About {max(1, round(seconds))} s and {p.peak_memory_bytes / 1e9:.1f} GB, judging by {p.samples} samples of "
        f"{p.tokens / p.samples:.0f} tokens ({p.task}) on {p.device}; samples here have at most {max_length} tokens."
    )
