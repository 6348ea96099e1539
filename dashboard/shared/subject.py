"""What probe and comparison ask alike: which model, which task, and what is wrong with either.

In: two select boxes that also take what is typed into them, so that what a box shows is what is run. Out: a `Subject`.
Addresses of earlier versions (`model=another one&own_model=...`) lead to the same boxes.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from dashboard.shared import fields, task_facts, words
from dashboard.shared.widgets import with_held
from domlora.data.compression import PACKED_SUFFIXES
from domlora.data.containers import DATA_SUFFIXES
from domlora.data.tasks import NamedTask, builtin_tasks
from domlora.errors import DomLoRAError
from domlora.jobs.spec import ProbeRequest
from domlora.models.catalogue import known_models
from domlora.models.fetch import forbidden_by, found_here
from domlora.models.reference import resolve
from domlora.paths import home

OWN = "another one"  # what a box held in earlier versions while `own_...` of the address said what
UPLOAD = "upload a file"
MOST = 12  # names of columns that are listed


@dataclass(frozen=True)
class Subject:
    """The model and task of a request.

    Attributes:
        name, task_name: the short names of model and task, as maps and runs carry them.
        splits: rows of each split; empty where the task cannot be read.
        problems: one line for each thing that is wrong.
    """

    model: str
    revision: str | None
    name: str
    task: NamedTask
    task_name: str
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
    take_old_address()
    left, right = st.columns(2)
    with left:
        model, revision, name, problems = _model()
    with right:
        source = _source()
    task = _task(source)
    splits: Mapping[str, int] = {}
    task_name = task.source
    if not task.source:
        problems.append(
            "Choose a file with the task's rows."
            if st.session_state["task"] == UPLOAD
            else "Name a task: a built-in one, a file or folder with rows, or a Hub data set."
        )
    else:
        facts = task_facts.task_facts(task)
        if isinstance(facts, str):
            problems.append(facts)
        else:
            splits, task_name = facts.splits, facts.name
            rows = ", ".join(f"{count} {split} rows" for split, count in splits.items())
            st.caption(f"Task: format {facts.format}, {rows}.")
            _say(facts)
    return Subject(model, revision, name, task, task_name, splits, tuple(problems))


def take_old_address() -> None:
    """Moves what `own_model` and `own_task` say into the boxes, before any is drawn for the first time."""
    moved = False
    for box in ("model", "task"):
        own = st.query_params.get(f"own_{box}")
        if own and st.query_params.get(box) == OWN and box not in st.session_state:
            st.query_params[box] = own
            del st.query_params[f"own_{box}"]
            moved = True
    if moved:
        st.rerun()  # boxes are filled from the address that a run begins with


def _box(name: str, options: list[str], typed: str) -> str:
    """A select box that takes what is typed as well; empty where nothing is chosen.

    Args:
        typed: what can be.
    """
    said = fields.label_and_help(ProbeRequest, name)
    said["label"] += f" (choose, or type {typed})"
    chosen = st.selectbox(
        **said, options=with_held(name, options), key=name, bind="query-params", accept_new_options=True,
        placeholder="nothing chosen",
    )  # fmt: skip
    return "" if chosen in (None, OWN) else chosen.strip()


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


def _model() -> tuple[str, str | None, str, list[str]]:
    """The model, its revision, its short name, and what is wrong with them."""
    known = known_models()
    model = _box("model", list(known), "a Hub id, a folder, a .gguf file")
    revision = None
    if model not in known:
        revision = st.text_input(
            **fields.label_and_help(ProbeRequest, "revision"), key="revision", bind="query-params"
        ).strip()
    if not model:
        return "", None, "", ["Name a model: a Hub id, a folder or a .gguf file."]
    try:
        ref = resolve(model, revision or None)
        here = found_here(ref) is not None
    except DomLoRAError as error:
        return model, revision or None, model, [str(error)]
    if model in known:
        one = known[model]
        what = f"{one.title}: {one.description}, {one.parameters / 1e6:.3g} M parameters"
    else:
        what = {"hub": "Hub id", "folder": "Folder", "gguf": "GGUF file"}[ref.kind]
    problems = []
    if not here and (variable := forbidden_by()):
        problems.append(
            f"{model} is not on this machine, and {variable} forbids to fetch it: unset it and start the dashboard "
            "again, or name a folder or .gguf file that you have."
        )
    st.caption(f"{what}, {'on this machine' if here else 'will be fetched first' if not problems else 'not here'}.")
    return model, revision or None, ref.name, problems


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
    known = builtin_tasks()
    source = _box("task", [*known, UPLOAD], "a file, a folder, a Hub data set")
    if source != UPLOAD:
        st.caption(known[source].capitalize() if source in known else "Rows of your own.")
        return source
    upload = st.file_uploader("JSON, JSONL, Parquet, Arrow or CSV, or a zip of them", key="upload")
    return "" if upload is None else str(kept(upload.name, upload.getvalue()))


def kept(name: str, content: bytes) -> Path:
    """Where an uploaded file is kept: its place is made of its content alone.

    Args:
        name: as the person's browser says it, and so never part of a path but for a suffix that is known here.
    """
    packing = _ending(name.lower(), PACKED_SUFFIXES)
    suffix = _ending(name.lower().removesuffix(packing), (*DATA_SUFFIXES, ".zip")) + packing
    path = home() / "uploads" / f"upload-{hashlib.sha256(content).hexdigest()[:24]}{suffix}"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        part.write_bytes(content)
        part.replace(path)  # at once: half a file would be taken for the whole one later
    return path


def _ending(name: str, suffixes: Iterable[str]) -> str:
    return next((one for one in suffixes if name.endswith(one)), "")
