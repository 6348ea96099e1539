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
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, groupby, islice
from operator import itemgetter
from pathlib import Path
from typing import Any

from domlora.data.containers import SUFFIXES, task_name
from domlora.data.files import read_rows
from domlora.data.formats.chat import RowError, Turn
from domlora.data.formats.registry import FORMATS, recognise
from domlora.data.origin import TaskOrigin
from domlora.data.samples import Message, Sample
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
RECOGNISE_WITHIN = 10  # rows
# Half an emoji, as scraped texts have it, is no character, and tokenizers refuse it.
LONE_SURROGATES = re.compile("[\ud800-\udfff]")

_Numbered = tuple[str, int, str, dict[str, Any]]  # place for errors, row, split if the row names none, contents


@dataclass(frozen=True)
class Task:
    """Samples to learn from.

    Attributes:
        source: where they came from, in words, for the provenance of a map.
        format: name of the format they came in.
        without_response: conversations left out because no assistant says anything in them.
        dropped_turns: turns left out of the samples: empty ones, and those after the last response.
        origin: where they came from, as fields; None where they were made in memory.
    """

    name: str
    source: str
    format: str
    samples: tuple[Sample, ...]
    without_response: int = 0
    dropped_turns: int = 0
    origin: TaskOrigin | None = None

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

    def draw(self, count: int, seed: int, split: str = "train") -> tuple[Sample, ...]:
        """Draws samples of a split without replacement, the same for a seed on every machine.

        Raises:
            TaskError: no such split, or fewer samples in it.
        """
        pool = self.split(split)
        if not pool:
            there = ", ".join(f"{name} ({number})" for name, number in self.splits.items())
            raise TaskError(f"{self.name} has no split {split!r}: choose from {there}")
        if not 1 <= count <= len(pool):
            raise TaskError(
                f"{count} samples asked for, but {self.name} has {len(pool)} in its split {split!r}: "
                f"ask for --samples 1 to {len(pool)}"
            )
        # Keys of stored maps do not name this method: another one would give a request another's answer.
        return tuple(random.Random(seed).sample(pool, count))


def builtin_tasks() -> dict[str, str]:
    """Names of the tasks that come with domlora, each with a sentence on what is in it."""
    return dict(BUILTIN)


def load_task(source: str | Path, *, split_column: str = "split") -> Task:
    """Reads a task.

    Args:
        source: a built-in name, else a file or folder that `read_rows` reads, else a Hub data set, `owner/name` or
            `owner/name:config`. A Path is always a file or folder.
        split_column: key of a row that names its split: train, validation (valid, val, dev, eval) or test.
            Rows without it are in train, or in the split that the Hub has them in.

    Raises:
        TaskError: not found, unreadable, of unknown format, or without a single response.
    """
    if isinstance(source, str):
        source = source.strip()
        if source in BUILTIN:
            path = sample_data_path() / "tasks" / f"{source}.jsonl"
            return _assemble(source, TaskOrigin(kind="builtin", place=source), read_rows(path), split_column)
    # os.path, since Path raises on names that are too long and on homes of unknown users.
    expanded = os.path.expanduser(str(source))
    if expanded and os.path.exists(expanded):
        path = Path(expanded)
        origin = TaskOrigin(kind="file", place=os.path.abspath(path))
        return _assemble(task_name(path), origin, read_rows(path), split_column)
    hub = HUB_SOURCE.fullmatch(source) if isinstance(source, str) else None
    if hub is None or expanded.lower().endswith(SUFFIXES):
        raise TaskError(
            f"no task {str(source)[:200]!r}: give {', '.join(BUILTIN)}, a file that exists ({KINDS}), "
            "or a Hub data set such as owner/name or owner/name:config"
        )
    name = hub["id"].split("/")[1]
    origin = TaskOrigin(kind="hub", place=hub.string)
    return _assemble(name, origin, _hub_rows(hub["id"], hub["config"]), split_column)


def _hub_rows(name: str, config: str | None) -> Iterator[_Numbered]:
    import datasets

    shown = f"{name}:{config}" if config else name
    try:
        found = datasets.load_dataset(name, config)
    except Exception as error:  # the Hub, its cache and every reader behind them raise their own kinds
        raise TaskError(_hub_error(shown, error)) from error
    for part, split in splits_read(list(found), shown).items():
        for number, row in enumerate(found[part], 1):
            yield f"{shown} ({part}), row {number}", number, split, row


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


def _assemble(name: str, origin: TaskOrigin, rows: Iterator[_Numbered], split_column: str) -> Task:
    source = origin.words
    head = list(islice(rows, RECOGNISE_WITHIN))
    if not head:
        raise TaskError(f"{source} has no rows: it needs one at least")
    form = next((known for *_, row in head if (known := recognise(row))), None)
    if form is None:
        raise TaskError(_unknown_format(head))
    samples: list[Sample] = []
    without_response = dropped_turns = 0
    for place, number, default, row in chain(head, rows):
        try:
            split = _split_of(row, split_column, default)
            chats = form.read(row)
        except RowError as error:
            shape = f"the format {form.NAME} ({form.KEYS})"
            raise TaskError(f"{place} {error}; read in {shape}: mend or remove the row") from error
        without_response += not chats
        for chat in chats:
            turns = _up_to_last_response(chat.turns)
            if not turns:
                without_response += 1
                continue
            dropped_turns += len(chat.turns) - len(turns)
            samples.append(Sample(_merged(turns), split, number, chat.answer, chat.tests))
    if not samples:
        raise TaskError(
            f"{source}: none of its {without_response} rows has a response, read as {form.NAME} "
            f"({form.KEYS}): bring rows that hold what the model is to say"
        )
    origin = origin.model_copy(update={"format": form.NAME})
    return Task(name, source, form.NAME, tuple(samples), without_response, dropped_turns, origin)


def _unknown_format(head: list[_Numbered]) -> str:
    seen = dict.fromkeys(key for *_, row in head for key in row)
    # Keys may be anything, such as the first row of a CSV file without a header.
    shown = ", ".join(" ".join(str(key).split())[:40] for key in islice(seen, 12)) or "none"
    known = "; ".join(f"{form.NAME} ({form.KEYS})" for form in FORMATS)
    return f"{head[0][0]}: unknown format, its keys are {shown}: rename them to those of {known}"


def _split_of(row: dict[str, Any], column: str, default: str) -> str:
    if column not in row and column != "split":
        raise RowError(f"has no `{column}` to name its split")
    value = row.get(column)
    if value is None or value == "":
        return default
    split = SPLITS.get(str(value).strip().lower())
    # Rows held out under a name that we do not know must not be trained on.
    if split is None:
        known = ", ".join(SPLITS)
        raise RowError(f"has the unknown split {str(value)[:40]!r} in `{column}`, known are {known}")
    return split


def _up_to_last_response(turns: list[Turn]) -> list[Turn]:
    """The turns that say something, up to the assistant's last; what follows it nobody answers."""
    spoken = [(role, text) for role, text in turns if text.strip()]
    while spoken and spoken[-1][0] != "assistant":
        spoken.pop()
    return spoken


def _merged(turns: list[Turn]) -> tuple[Message, ...]:
    """Chat templates want roles to alternate: neighbours of one role are joined by a blank line."""
    texts = ((role, "\n\n".join(text for _, text in group)) for role, group in groupby(turns, key=itemgetter(0)))
    return tuple(Message(role, LONE_SURROGATES.sub("\ufffd", text)) for role, text in texts)
