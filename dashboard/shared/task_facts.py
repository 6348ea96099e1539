"""What a form must know of a task before anything is asked for: its format and rows, and the map that fits; cached."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from dashboard.shared import words
from dashboard.shared.queries import energy, page_rows
from domlora.comparison.config import SweepConfig
from domlora.data.tasks import NamedTask
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError
from domlora.probes.config import ProbeConfig
from domlora.training.rows import ROW_SETTINGS, choose_rows, near_duplicates_of, training_task

QUICK = 2000  # training rows among which near-duplicates are found before a page seems to hang


class TaskFacts(NamedTuple):
    """What a form says of a task.

    Attributes:
        name: as maps and runs carry it.
        splits: rows of each split.
        remarks: what of its rows is not used, or not as it stands.
        warning: one line if that is a lot.
        unread: columns that no reader knows.
    """

    name: str
    format: str
    splits: dict[str, int]
    remarks: list[str]
    warning: str | None
    unread: tuple[str, ...]


@st.cache_data(ttl=60, show_spinner=False)
def task_facts(named: NamedTask) -> TaskFacts | str:
    """What is in a task, or the line that says why it cannot be read."""
    try:
        task = named.load()
    except DomLoRAError as error:
        return str(error)
    return TaskFacts(
        task.name, task.format, task.splits, [remark.words for remark in task.remarks], task.warning, task.unread
    )


@st.cache_data(ttl=60, show_spinner=False)
def task_hash(named: NamedTask) -> str | None:
    """The hash of a task's content; None where it cannot be read."""
    try:
        return named.load().content_hash
    except DomLoRAError:
        return None  # `task_facts` says what is wrong with it


def map_for(
    model: str, task: NamedTask, probe: ProbeConfig, config: SweepConfig | None = None
) -> tuple[EnergyMap | None, bool]:
    """The map that a comparison would place by; else any map of the model, for the shapes of its modules.

    Args:
        config: of the comparison; its rows decide which training rows such a map may read. None for all of the task's.

    Returns:
        The map or None, and whether it was measured on these rows with these settings.
    """
    rows = [row for row in page_rows() if row.model == model]
    wanted = _rows_hash(task, config) if task.source and rows else None
    for row in rows if wanted else ():
        if (row.estimator, row.reduction) != (probe.estimator, probe.reduction) or row.samples > probe.samples:
            continue  # whole maps are read only where the list does not rule them out
        found = energy(row.id)
        if found.provenance.task_hash == wanted and found.provenance.config == probe:
            return found, True
    return (energy(rows[0].id), False) if rows else (None, False)


def _rows_hash(task: NamedTask, config: SweepConfig | None) -> str | None:
    if config is None:
        return task_hash(task)
    split = row_split(task, config)
    return None if isinstance(split, str) else split.training_hash


class RowSplit(NamedTuple):
    """How a comparison would split the rows of a task.

    Attributes:
        counts: rows of each part.
        notes: what is held out or left out, in sentences.
        training: rows that may be trained on, which the maps of a comparison are measured on.
        training_hash: the hash of their content, as such a map names it.
    """

    counts: dict[str, int]
    notes: tuple[str, ...]
    training: int
    training_hash: str

    def lacks(self, samples: int, config: SweepConfig) -> list[str]:
        """What is wrong with a probe of so many samples, and with the energy maps of a comparison."""
        said = f"but {self.training} train rows are not held out: ask for fewer."
        found = [f"{samples} probe samples asked for, {said}"] if samples > self.training else []
        if config.energy_every and config.energy_samples > self.training:
            found.append(f"Energy maps of {config.energy_samples} samples asked for, {said}")
        return found


def row_split(task: NamedTask, config: SweepConfig) -> RowSplit | str:
    """Rows that a comparison would train, validate and test on; or the line that says why it cannot."""
    return _row_split(task, config.model_dump_json(include=ROW_SETTINGS))


@st.cache_data(ttl=60, show_spinner=False)
def _row_split(task: NamedTask, config: str) -> RowSplit | str:
    try:
        loaded = task.load()
        chosen = choose_rows(loaded, SweepConfig.model_validate_json(config))
    except DomLoRAError as error:
        return str(error)
    notes = list(chosen.warnings)
    if chosen.remarks:
        notes.append(words.of_rows(remark.words for remark in chosen.remarks))
    if len(chosen.splits["train"]) > QUICK:
        notes.append("Rows that are nearly equal to held-out rows are looked for once it runs.")
    elif near := near_duplicates_of(chosen):
        notes.append(near)
    counts = {name: len(rows) for name, rows in chosen.splits.items()}
    return RowSplit(counts, tuple(notes), len(chosen.training), training_task(loaded, chosen).content_hash)
