"""What probe and comparison ask alike: which model, which task, and what is wrong with either."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.shared import fields, task_facts, words
from domlora.data.tasks import NamedTask, builtin_tasks
from domlora.errors import DomLoRAError
from domlora.jobs.spec import ProbeRequest
from domlora.models.catalogue import is_ready, known_models
from domlora.models.reference import resolve
from domlora.paths import home

OWN = "another one"
UPLOAD = "upload a file"
MOST = 12  # names of columns that are listed


@dataclass(frozen=True)
class Subject:
    """The model and task of a request.

    Attributes:
        name: the model's short name, as maps and runs carry it.
        splits: rows of each split; empty where the task cannot be read.
        problems: one line for each thing that is wrong.
    """

    model: str
    revision: str | None
    name: str
    task: NamedTask
    splits: Mapping[str, int]
    problems: tuple[str, ...]

    @property
    def fields(self) -> dict[str, Any]:
        """As the requests of `jobs.spec` name it."""
        return {"model": self.model, "revision": self.revision, **self.task.fields}

    def lacks(self, samples: int) -> list[str]:
        """What is wrong with a probe of so many samples; nothing where the task cannot be read anyway."""
        rows = self.splits.get("train", 0)
        if not self.splits or samples <= rows:
            return []
        return [f"{samples} probe samples asked for, but there are {rows} train rows: ask for fewer."]


def choose() -> Subject:
    """Draws the choosers of model and task."""
    left, right = st.columns(2)
    with left:
        model, revision = _model()
    with right:
        source = _source()
    task = _task(source)
    problems = []
    name = model
    if not model:
        problems.append("Name a model: a Hub id, a folder or a .gguf file.")
    else:
        try:
            name = resolve(model, revision).name
        except DomLoRAError as error:
            problems.append(str(error))
    splits: Mapping[str, int] = {}
    if not task.source:
        problems.append("Choose a file with the task's rows.")
    else:
        facts = task_facts.task_facts(task)
        if isinstance(facts, str):
            problems.append(facts)
        else:
            splits = facts.splits
            rows = ", ".join(f"{count} {split} rows" for split, count in splits.items())
            st.caption(f"Task: format {facts.format}, {rows}.")
            _say(facts)
    return Subject(model, revision, name, task, splits, tuple(problems))


def _say(facts: task_facts.TaskFacts) -> None:
    """What of the rows will not be learned. What columns are called is data, and no markup."""
    if facts.warning:
        st.warning(f"{facts.warning[0].upper()}{facts.warning[1:]}.")
    if facts.remarks:
        st.caption(words.of_rows(facts.remarks))
    if facts.unread:
        more = f" and {len(facts.unread) - MOST} more" if len(facts.unread) > MOST else ""
        st.caption(f"Columns that are not read: {', '.join(map(_as_code, facts.unread[:MOST]))}{more}.")


def _as_code(name: str) -> str:
    """A name that somebody else gave, which no markup in it can leave."""
    return f"`{' '.join(name.replace('`', ' ').split())[:40]}`"


def _model() -> tuple[str, str | None]:
    known = known_models()
    choice = st.selectbox(
        **fields.label_and_help(ProbeRequest, "model"), options=[*known, OWN], key="model", bind="query-params"
    )
    if choice == OWN:
        model = st.text_input(
            "Hub id, folder or .gguf file", key="own_model", bind="query-params", placeholder="org/name"
        )
        revision = st.text_input(**fields.label_and_help(ProbeRequest, "revision"), key="revision", bind="query-params")
        return model, revision or None
    built_in = known[choice]
    ready = "on this machine" if is_ready(choice) else "will be fetched first"
    st.caption(f"{built_in.title}: {built_in.description}, {built_in.parameters / 1e6:.3g} M parameters, {ready}.")
    return choice, None


def _task(source: str) -> NamedTask:
    """How the rows of a user's own source are to be read."""
    if source in builtin_tasks():
        return NamedTask(source)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    columns = left.text_input(
        **fields.label_and_help(ProbeRequest, "columns"), key="columns", bind="query-params",
        placeholder="question=prompt,context=input",
    )  # fmt: skip
    system = fields.choice(right, ProbeRequest, "system")
    return NamedTask(source, columns.strip() or None, system)


def _source() -> str:
    choice = st.selectbox(
        **fields.label_and_help(ProbeRequest, "task"), options=[*builtin_tasks(), OWN, UPLOAD], key="task",
        bind="query-params",
    )  # fmt: skip
    if choice == OWN:
        return st.text_input(
            "File or folder, or Hub data set id", key="own_task", bind="query-params", placeholder="rows.jsonl"
        )
    if choice != UPLOAD:
        st.caption(builtin_tasks()[choice].capitalize())
        return choice
    upload = st.file_uploader("JSON, JSONL, Parquet, Arrow or CSV, or a zip of them", key="upload")
    if upload is None:
        return ""
    content = upload.getvalue()
    path = home() / "uploads" / f"{hashlib.sha256(content).hexdigest()[:12]}-{upload.name}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(path)
