"""What a form must know of a task before anything is asked for: its format and rows, and the map that fits; cached."""

from __future__ import annotations

import streamlit as st

from dashboard.shared.queries import energy, page_rows
from domlora.comparison.config import SweepConfig
from domlora.data.tasks import load_task
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError
from domlora.probes.config import ProbeConfig
from domlora.training.rows import choose_rows


@st.cache_data(ttl=60, show_spinner=False)
def task_facts(source: str) -> tuple[str, dict[str, int]] | str:
    """Format and rows per split of a task, or the line that says why it cannot be read."""
    try:
        task = load_task(source)
    except DomLoRAError as error:
        return str(error)
    return task.format, task.splits


@st.cache_data(ttl=60, show_spinner=False)
def task_hash(source: str) -> str | None:
    """The hash of a task's content; None where it cannot be read."""
    try:
        return load_task(source).content_hash
    except DomLoRAError:
        return None  # `task_facts` says what is wrong with it


def map_for(model: str, task: str, probe: ProbeConfig) -> tuple[EnergyMap | None, bool]:
    """The map that a comparison would place by; else any map of the model, for the shapes of its modules.

    Returns:
        The map or None, and whether it was measured on this task with these settings.
    """
    rows = [row for row in page_rows() if row.model == model]
    wanted = task_hash(task) if task and rows else None
    for row in rows:
        found = energy(row.id)
        if found.provenance.task_hash == wanted and found.provenance.config == probe:
            return found, True
    return (energy(rows[0].id), False) if rows else (None, False)


def row_split(task: str, config: SweepConfig) -> tuple[dict[str, int], list[str]] | str:
    """Rows that a comparison would train, validate and test on, with warnings; or the line that says why it cannot."""
    return _row_split(task, config.model_dump_json())


@st.cache_data(ttl=60, show_spinner=False)
def _row_split(task: str, config: str) -> tuple[dict[str, int], list[str]] | str:
    try:
        chosen, warnings = choose_rows(load_task(task), SweepConfig.model_validate_json(config))
    except DomLoRAError as error:
        return str(error)
    return {name: len(rows) for name, rows in chosen.items()}, warnings
