"""What is asked for in a search, what is wrong with it, and the start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st
from pydantic import BaseModel

from dashboard.find.queries import JOB
from dashboard.shared import fields, queries, start, task_facts, words
from dashboard.shared.subject import Subject
from domlora.comparison.config import SweepConfig
from domlora.data.tasks import builtin_tasks
from domlora.errors import DomLoRAError, UsageError
from domlora.jobs.spec import FindRequest
from domlora.models.reference import check_comparable
from domlora.search.config import FindConfig, find_config

DEFAULT = FindConfig()


def form(subject: Subject) -> None:
    """Draws the form; its start puts the job's id into the address.

    Raises:
        DomLoRAError: the store cannot be read or written.
    """
    first = st.container()  # what is asked for below decides what stands here
    columns = st.columns([2, 3, 4], vertical_alignment="bottom")
    settings: dict[str, Any] = {}
    _numbers(settings, columns[:2], FindConfig, DEFAULT, "minutes", "parameters")
    settings["keep"] = _keep(columns[2], subject)
    with st.expander("More settings"):
        _numbers(settings, st.columns(4, vertical_alignment="bottom"), FindConfig, DEFAULT, "steps", "seeds", "samples")
        training = ("rank", "batch_size", "max_length", "train_rows")
        _numbers(settings, st.columns(4, vertical_alignment="bottom"), SweepConfig, DEFAULT.training, *training)
        rows = ("validation_rows", "test_rows", "forgetting_rows")
        _numbers(settings, st.columns(4, vertical_alignment="bottom"), SweepConfig, DEFAULT.training, *rows)
    config, problems, notes = _checked(subject, settings)
    time = words.roughly(60 * config.minutes)
    what = f"Finds a placement for {subject.name} on {subject.task_name} within {time} of training."
    with first:
        pressed = start.row(what, problems, notes)
    if pressed:
        job = queries.submit(FindRequest(config=config, **subject.fields))
        st.query_params.from_dict({JOB: job.id})
        st.rerun()


def _numbers(
    settings: dict[str, Any], columns: Sequence[Any], model: type[BaseModel], defaults: BaseModel, *names: str
) -> None:
    """Asks for settings that are numbers, one a column."""
    for name, column in zip(names, columns, strict=False):
        settings[name] = fields.number(column, model, name, defaults=defaults)


def _keep(column: Any, subject: Subject) -> tuple[str, ...]:
    """Asks which tasks must not be lost; what is to be learned is none of them."""
    options = [name for name in builtin_tasks() if name != subject.task.source]
    said = fields.label_and_help(SweepConfig, "keep")
    return tuple(fields.several(column, "keep", options, **said, placeholder="none in particular"))


def _checked(subject: Subject, settings: dict[str, Any]) -> tuple[FindConfig, list[str], list[str]]:
    """The configuration (the default one where the settings make none), what is wrong, how the rows are split."""
    problems, notes, config = list(subject.problems), [], DEFAULT
    if subject.model and not subject.problems:
        try:
            check_comparable(subject.model, subject.revision)
        except DomLoRAError as error:
            problems.append(str(error))
    try:
        config = find_config(settings)
    except UsageError as error:
        problems.append(f"{str(error)[0].upper()}{str(error)[1:]}.")
    if subject.splits and not problems:
        split = task_facts.row_split(subject.task, config.training)
        if isinstance(split, str):
            problems.append(split)
        else:
            counts = ", ".join(f"{count} {name}" for name, count in split.counts.items())
            notes = [f"Rows: {counts}.", *split.notes]
    return config, problems, notes
