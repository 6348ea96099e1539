"""What a model is to learn: a built-in task, a file or a Hub data set becomes chat samples. No torch here.

In: rows in a public format (`formats`). Out: a Task, whose samples are conversations with at least one answer.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from domlora.errors import TaskError
from domlora.formats import FORMATS, files, gsm8k, recognise
from domlora.models import HUB_ID
from domlora.paths import sample_data_path

BUILTIN = {
    "instruction": "single-turn instructions of many kinds",
    "math": "word problems with worked solutions",
    "code": "Python problems with tested solutions",
    "chat": "conversations of several turns",
}
ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "tool": "user", "function": "user", "observation": "user", "ipython": "user",  # what the model reads, not writes
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bing": "assistant", "bard": "assistant",
    "model": "assistant", "function_call": "assistant",
}  # fmt: skip
SPLITS = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "test": "test", "eval": "test",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One turn; role is system, user or assistant."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation that ends with the assistant.

    Attributes:
        row: position in the source, from 1.
        answer: the final number that a right answer gives, where the format states it.
    """

    messages: tuple[Message, ...]
    split: str = "train"
    row: int = 0
    answer: str | None = None


@dataclass(frozen=True)
class Task:
    """Samples to learn from.

    Attributes:
        format: name of the format they came in.
        without_response: conversations left out because no assistant says anything in them.
    """

    name: str
    source: str
    format: str
    samples: tuple[Sample, ...]
    without_response: int = 0

    @cached_property
    def content_hash(self) -> str:
        """Equal for equal samples in equal splits and order, whatever file they came from."""
        content = [(s.split, [(m.role, m.content) for m in s.messages]) for s in self.samples]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()

    @property
    def splits(self) -> dict[str, int]:
        """Samples of each split."""
        return dict(Counter(sample.split for sample in self.samples))

    def split(self, name: str) -> tuple[Sample, ...]:
        """Samples of one split, in order."""
        return tuple(sample for sample in self.samples if sample.split == name)

    def draw(self, count: int, seed: int, split: str = "train") -> tuple[Sample, ...]:
        """`count` samples of a split without replacement, the same for a seed on every machine.

        Raises:
            TaskError: no such split, or fewer samples in it.
        """
        rows = self.split(split)
        if not rows:
            raise TaskError(f"{self.name} has no split {split!r}: it has {', '.join(self.splits)}")
        if count > len(rows):
            raise TaskError(
                f"{count} samples asked for, but {self.name} has {len(rows)} in its split {split!r}: "
                f"ask for --samples {len(rows)} or fewer"
            )
        return tuple(random.Random(seed).sample(rows, count))


def builtin_tasks() -> dict[str, str]:
    """Built-in tasks with a line on each."""
    return dict(BUILTIN)


def load_task(source: str | Path) -> Task:
    """Reads a task.

    Args:
        source: a built-in name, a .json, .jsonl, .parquet or .csv file (gzipped or not), or a Hub data set id
            `owner/name` or `owner/name:config`.

    Raises:
        TaskError: not found, unreadable, of unknown format, or without a single response.
    """
    source = str(source).strip()
    path = Path(source).expanduser()
    if source in BUILTIN:
        return _task(source, f"built-in {source}", files.read_rows(sample_data_path() / "tasks" / f"{source}.jsonl"))
    if path.is_dir():
        raise TaskError(f"{path} is a folder: name the data file in it")
    if path.is_file():
        return _task(path.name.split(".")[0], path.name, files.read_rows(path))
    repo, _, config = source.partition(":")
    if HUB_ID.fullmatch(repo) and not path.suffix:
        return _task(repo.split("/")[1], f"Hub {source}", _hub_rows(repo, config or None))
    raise TaskError(
        f"no task {source!r}: give {', '.join(BUILTIN)}, a JSON, JSONL, Parquet or CSV file that exists, "
        "or a Hub data set id such as owner/name"
    )


def _hub_rows(repo: str, config: str | None) -> list[files.Row]:
    import datasets

    try:
        splits = datasets.load_dataset(repo, config)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0][:200]
        raise TaskError(
            f"cannot load the Hub data set {repo} ({reason}): check its name, or download it to a file"
        ) from error
    rows = [{**row, "split": name} for name, part in splits.items() for row in part]
    return list(enumerate(rows, 1))


def _task(name: str, source: str, rows: list[files.Row]) -> Task:
    form = recognise(rows[0][1])
    if form is None:
        known = "; ".join(f"{f.NAME} ({f.KEYS})" for f in FORMATS)
        raise TaskError(
            f"{source}: unknown format, its fields are {', '.join(map(str, rows[0][1]))}; known are {known}"
        )
    samples, silent = [], 0
    for number, row in rows:
        for turns in _read(source, number, row, form):
            messages = _clean(turns, source, number)
            if messages:
                answer = gsm8k.answer(row) if form is gsm8k else row.get("answer")
                answer = answer if isinstance(answer, str) else None
                samples.append(Sample(messages, _split(row, source, number), number, answer))
            else:
                silent += 1
    if not samples:
        raise TaskError(f"{source}: no row has a response of the assistant, so there is nothing to learn from it")
    return Task(name, source, form.NAME, tuple(samples), silent)


def _read(source: str, number: int, row: dict[str, Any], form: ModuleType) -> list[list[tuple[str, str]]]:
    if not form.matches(row):
        raise TaskError(f"{source}, row {number}: not of the format {form.NAME} ({form.KEYS}) that the file began with")
    try:
        return form.read(row)
    except (KeyError, TypeError, AttributeError) as error:
        raise TaskError(f"{source}, row {number}: damaged {form.NAME} row ({form.KEYS} expected; {error})") from error


def _clean(turns: Sequence[tuple[str, str]], source: str, number: int) -> tuple[Message, ...]:
    """Known roles, no empty turns, neighbours of one role merged, ending with the assistant; empty if it is silent."""
    messages: list[Message] = []
    for role, content in turns:
        if role not in ROLES:
            raise TaskError(f"{source}, row {number}: unknown role {role!r}, known are {', '.join(ROLES)}")
        if not isinstance(content, str):
            raise TaskError(f"{source}, row {number}: the text of a turn is {type(content).__name__}, not a string")
        if not content.strip():
            continue
        if messages and messages[-1].role == ROLES[role]:
            content = f"{messages.pop().content}\n\n{content}"
        messages.append(Message(ROLES[role], content))
    while messages and messages[-1].role != "assistant":
        messages.pop()
    return tuple(messages)


def _split(row: dict[str, Any], source: str, number: int) -> str:
    name = row.get("split") or "train"
    if not isinstance(name, str) or name.lower() not in SPLITS:
        raise TaskError(f"{source}, row {number}: unknown split {name!r}, known are {', '.join(SPLITS)}")
    return SPLITS[name.lower()]
