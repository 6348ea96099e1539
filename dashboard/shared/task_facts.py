"""What a form must know of a task before anything is asked for: its format and rows, and the map that fits; cached."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from dashboard.shared.queries import energy, page_rows
from domlora.comparison.config import SweepConfig
from domlora.data.tasks import NamedTask
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError
from domlora.probes.config import ProbeConfig
from domlora.training.rows import choose_rows


class TaskFacts(NamedTuple):
    """What a form says of a task.

    Attributes:
        splits: rows of each split.
        remarks: what of its rows is not used, or not as it stands.
        warning: one line if that is a lot.
        unread: columns that no reader knows.
    """

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
    return TaskFacts(task.format, task.splits, [remark.words for remark in task.remarks], task.warning, task.unread)


@st.cache_data(ttl=60, show_spinner=False)
def task_hash(named: NamedTask) -> str | None:
    """The hash of a task's content; None where it cannot be read."""
    try:
        return named.load().content_hash
    except DomLoRAError:
        return None  # `task_facts` says what is wrong with it


def map_for(model: str, task: NamedTask, probe: ProbeConfig) -> tuple[EnergyMap | None, bool]:
    """The map that a comparison would place by; else any map of the model, for the shapes of its modules.

    Returns:
        The map or None, and whether it was measured on this task with these settings.
    """
    rows = [row for row in page_rows() if row.model == model]
    wanted = task_hash(task) if task.source and rows else None
    for row in rows:
        found = energy(row.id)
        if found.provenance.task_hash == wanted and found.provenance.config == probe:
            return found, True
    return (energy(rows[0].id), False) if rows else (None, False)


def row_split(task: NamedTask, config: SweepConfig) -> tuple[dict[str, int], list[str]] | str:
    """Rows that a comparison would train, validate and test on, with warnings; or the line that says why it cannot."""
    return _row_split(task, config.model_dump_json())


@st.cache_data(ttl=60, show_spinner=False)
def _row_split(task: NamedTask, config: str) -> tuple[dict[str, int], list[str]] | str:
    try:
        chosen, warnings = choose_rows(task.load(), SweepConfig.model_validate_json(config))
    except DomLoRAError as error:
        return str(error)
    return {name: len(rows) for name, rows in chosen.items()}, warnings
