"""What a model is to learn: a built-in task, a file or a Hub data set becomes chat samples.

In: anything `load_task` takes. Out: a Task, whose samples are conversations that end with the assistant, each
in a split. No torch, transformers or streamlit here, and pyarrow and datasets only where they are used: the
dashboard imports this.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from domlora.data.assemble import WITHOUT_RESPONSE, Numbered, System, assemble
from domlora.data.cells import plain_value
from domlora.data.columns import checked, columns_of
from domlora.data.containers import SUFFIXES, task_name, task_place
from domlora.data.dataset_info import Spelling, spelling_of
from domlora.data.files import read_rows
from domlora.data.origin import TaskOrigin
from domlora.data.remarks import Remark, lost, too_many_lost
from domlora.data.samples import Sample
from domlora.data.splits import SPLITS, splits_read
from domlora.data.text_files import KINDS
from domlora.errors import TaskError
from domlora.paths import sample_data_path

BUILTIN = {
    "instruction": "Single requests of many kinds, each with a direct answer (instruction following).",
    "math": "Word problems with worked solutions that end in a number (mathematical reasoning).",
    "code": "Python problems with tested solutions (code generation).",
    "chat": "Conversations of several turns on everyday matters (multi-turn conversation).",
}
HUB_SOURCE = re.compile(r"(?P<id>\w[\w.-]*/[\w.-]+)(:(?P<config>[^/\s]+))?")


@dataclass(frozen=True)
class Task:
    """Samples to learn from.

    Attributes:
        source: where they came from, in words, for the provenance of a map.
        format: name of the format they came in.
        rows: how many rows were read; 0 where the samples were made in memory.
        remarks: what of the rows is not used, or not as it stands, counted by reason.
        unread: columns that no reader knows; what they hold is not learned.
        origin: where they came from, as fields; None where they were made in memory.
    """

    name: str
    source: str
    format: str
    samples: tuple[Sample, ...]
    rows: int = 0
    remarks: tuple[Remark, ...] = ()
    unread: tuple[str, ...] = ()
    origin: TaskOrigin | None = None

    @property
    def without_response(self) -> int:
        """Rows left out because no assistant says anything in them."""
        return sum(one.count for one in self.remarks if one.noun == "row" and one.rest == WITHOUT_RESPONSE)

    @property
    def dropped_turns(self) -> int:
        """Turns left out of the samples: empty ones, and those after the last response."""
        return lost(self.remarks, "turn")

    @property
    def warning(self) -> str | None:
        """One line if more of the rows is lost than a user would expect."""
        return too_many_lost(self.remarks, self.rows)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256, equal for equal messages in equal splits and order, whatever file they came from."""
        content = [sample.content() for sample in self.samples]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def splits(self) -> dict[str, int]:
        """Samples of each split that has any."""
        counts = Counter(sample.split for sample in self.samples)
        return {name: counts[name] for name in ("train", "validation", "test") if counts[name]}

    def split(self, name: str) -> tuple[Sample, ...]:
        """Samples of one split, in order; none if there is no such split."""
        wanted = SPLITS.get(name, name)
        return tuple(sample for sample in self.samples if sample.split == wanted)

    def needed(self, split: str) -> tuple[Sample, ...]:
        """As `split`.

        Raises:
            TaskError: there is no such split; the line names those that there are.
        """
        pool = self.split(split)
        if not pool:
            there = ", ".join(f"{name} ({number})" for name, number in self.splits.items())
            raise TaskError(f"{self.name} has no split {split!r}: choose from {there}")
        return pool

    def draw(self, count: int, seed: int, split: str = "train") -> tuple[Sample, ...]:
        """Draws samples of a split without replacement, the same for a seed on every machine.

        Raises:
            TaskError: no such split, or fewer samples in it.
        """
        pool = self.needed(split)
        if not 1 <= count <= len(pool):
            raise TaskError(
                f"{count} samples asked for, but {self.name} has {len(pool)} in its split {split!r}: "
                f"ask for --samples 1 to {len(pool)}"
            )
        # Keys of stored maps do not name this method: another one would give a request another's answer.
        return tuple(random.Random(seed).sample(pool, count))


@dataclass(frozen=True)
class NamedTask:
    """How a task is asked for, before its rows are read; arguments as `load_task`."""

    source: str
    columns: str | None = None
    system: System = "keep"

    def load(self) -> Task:
        return load_task(self.source, columns=self.columns, system=self.system)

    @property
    def fields(self) -> dict[str, Any]:
        """As the requests of `jobs.spec` name it."""
        return {"task": self.source, "columns": self.columns, "system": self.system}


def builtin_tasks() -> dict[str, str]:
    """Names of the tasks that come with domlora, each with a sentence on what is in it."""
    return dict(BUILTIN)


def load_task(
    source: str | Path | Task,
    *,
    split_column: str = "split",
    columns: Mapping[str, str] | str | None = None,
    system: System = "keep",
) -> Task:
    """Reads a task.

    Args:
        source: a built-in name, else a file or folder that `read_rows` reads, else a Hub data set, `owner/name` or
            `owner/name:config`. A Path is always a file or folder. A Task comes back as it is.
        split_column: key of a row that names its split: train, validation (valid, val, dev, eval) or test.
            Rows without it are in train, or in the split that the Hub has them in.
        columns: which field of a row each column is, `{"question": "prompt"}` or the text `question=prompt`; what a
            `dataset_info.json` beside the file says counts where this is None.
        system: whether system texts are kept, put before the first question (fold), or dropped.

    Raises:
        TaskError: not found, unreadable, of unknown format, or without a single response.
    """
    if isinstance(source, Task):
        return source
    if not isinstance(source, (str, Path)):
        raise TaskError(
            f"a task is given by its name or its file, and this is a {type(source).__name__}: write its rows to a "
            ".jsonl file, one JSON object a line, and give that"
        )
    said = columns_of(columns) if isinstance(columns, str) else columns
    spelling = Spelling(checked(said)) if said is not None else None

    def made(name: str, origin: TaskOrigin, rows: Iterator[Numbered], beside: Spelling | None = None) -> Task:
        spelled = spelling or beside or Spelling()
        found = assemble(rows, origin.words, split_column=split_column, spelling=spelled, system=system)
        form = found.forms.most_common(1)[0][0]
        asked = {"columns": dict(said) if said else None, "system": system}
        return Task(
            name, origin.words, form, tuple(found.samples), found.rows, found.remarks, tuple(found.unread),
            origin.model_copy(update={"format": form, **asked}),
        )  # fmt: skip

    if isinstance(source, str):
        source = source.strip()
        if source in BUILTIN:
            path = sample_data_path() / "tasks" / f"{source}.jsonl"
            return made(source, TaskOrigin(kind="builtin", place=source), read_rows(path))
    # os.path, since Path raises on names that are too long and on homes of unknown users.
    expanded = os.path.expanduser(str(source))
    if expanded and os.path.exists(expanded):
        path = Path(expanded)
        origin = TaskOrigin(kind="file", place=task_place(path))
        return made(task_name(path), origin, read_rows(path), spelling_of(path))
    hub = HUB_SOURCE.fullmatch(source) if isinstance(source, str) else None
    if hub is None or expanded.lower().endswith(SUFFIXES):
        raise TaskError(
            f"no task {str(source)[:200]!r}: give {', '.join(BUILTIN)}, a file that exists ({KINDS}), "
            "or a Hub data set such as owner/name or owner/name:config"
        )
    name = hub["id"].split("/")[1]
    origin = TaskOrigin(kind="hub", place=hub.string)
    return made(name, origin, _hub_rows(hub["id"], hub["config"]))


def _hub_rows(name: str, config: str | None) -> Iterator[Numbered]:
    import datasets

    shown = f"{name}:{config}" if config else name
    try:
        found = datasets.load_dataset(name, config)
    except Exception as error:  # the Hub, its cache and every reader behind them raise their own kinds
        raise TaskError(_hub_error(shown, error)) from error
    for part, split in splits_read(list(found), shown).items():
        for number, row in enumerate(found[part], 1):
            yield f"{shown} ({part}), row {number}", number, split, plain_value(row)


def _hub_error(shown: str, error: Exception) -> str:
    kind = type(error).__name__
    reason = " ".join(str(error).split())[:300].rstrip(". ") or kind
    way_out = "download its .parquet or .jsonl file and name that file"
    if "Config name is missing" in reason:
        way_out = f"choose one, as in {shown}:CONFIG"
    elif isinstance(error, (ConnectionError, TimeoutError)) or re.search("Connect|Offline|Timeout|Proxy", kind):
        way_out = "connect, or download its .parquet or .jsonl file elsewhere and name that file"
    elif re.search("NotFound|Gated", kind):
        way_out = "check the name; for a private or gated one run `hf auth login` first"
    return f"no file {shown}, and no such Hub data set can be loaded ({reason}): {way_out}"
