"""Which rows a comparison reads: training rows in their order, and the rows held out. The same for all variants.

In: a task and a `SweepConfig`. Out: chosen rows, then encoded ones, and warnings in whole sentences. Knows no model:
who asks for what cannot be had hears it before anything is fetched. No row that is held out is trained on, under any
number: what is equal, or comes from one row of the source, is on one side (`held_out`).
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from domlora.comparison.config import SweepConfig
from domlora.data.near_duplicates import NEAR, near_duplicates
from domlora.data.remarks import Remark, Remarks
from domlora.data.samples import Sample
from domlora.data.tasks import Task
from domlora.errors import TaskError
from domlora.training.held_out import Sides

if TYPE_CHECKING:
    from domlora.data.encoding import EncodedSample, Encoding

# Settings that `choose_rows` reads; no other one changes its answer.
ROW_SETTINGS = {"data_seed", "train_rows", "validation_rows", "test_rows", "batch_size", "accumulation"}
EVA_ROWS = 32  # the first training rows, whose activations EVA starts from
HELD_OUT_FRACTION = 0.2  # of the training rows that each missing split may take
MOST_COMPARED = 20_000  # training rows among which near-duplicates are looked for
MOST_LOOKED_AT = 2_000  # rows of a part whose near-duplicates are looked for


@dataclass(frozen=True)
class ChosenRows:
    """Rows of a comparison before they are encoded.

    Attributes:
        splits: `train`, `validation` and `test`, each in its order.
        training: all rows that may be trained on, in the order of the task; `train` holds as many of them as were
            asked for.
        warnings: what had to be split off or left out.
        remarks: what else of the rows is not used.
    """

    splits: dict[str, tuple[Sample, ...]]
    training: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the rows of each part in their order."""
        content = {part: [sample.content() for sample in samples] for part, samples in self.splits.items()}
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True)
class SweepRows:
    """Encoded rows of a comparison.

    Attributes:
        answered: the first test rows as conversations, to be answered in free text.
        warnings: what was left out or had to be split off.
        remarks: what of the task's rows is not used, or not as it stands.
        conversations: what each training row was encoded from.
    """

    train: tuple[EncodedSample, ...]
    validation: tuple[EncodedSample, ...]
    test: tuple[EncodedSample, ...]
    answered: tuple[Sample, ...]
    warnings: tuple[str, ...]
    remarks: tuple[Remark, ...] = ()
    conversations: tuple[Sample, ...] = ()


def choose_rows(task: Task, config: SweepConfig) -> ChosenRows:
    """Chooses the rows of each part, shuffled by the data seed.

    A split that the task does not have is taken out of its training rows, which then never train. Training rows that
    are equal to a row of the task's own validation or test split are left out, and so are validation rows that are
    equal to test rows; of equal rows that are held out one counts.

    Raises:
        TaskError: no validation or test row can be had, or fewer training rows than asked for or than one step reads.
    """
    sides = Sides(task.samples)
    generator = random.Random(f"sweep {config.data_seed}")
    for pool in sides.pools.values():
        generator.shuffle(pool)
    had = {name: len(pool) for name, pool in sides.pools.items()}
    sides.part()
    warnings = []
    left_out = had["train"] - len(sides.pools["train"])
    if left_out:
        one = f"{left_out} training row{' is' if left_out == 1 else 's are'}"
        warnings.append(
            f"{one} among the validation or test rows of {task.name} too (such as row {sides.first_left_out}): left "
            "out of training."
        )
    limits = {"validation": config.validation_rows, "test": config.test_rows}
    training, alike_words = len(sides.pools["train"]), sides.alike_words
    spare = int(HELD_OUT_FRACTION * training)
    for name, limit in limits.items():
        if sides.pools[name]:
            sides.pools[name] = sides.pools[name][:limit]
            continue
        lacks = f"{task.name} has no {name} rows{' that are not test rows too' if had[name] else ''}"
        count = sides.hold_out(name, min(limit, spare), spare)
        if not count:
            raise TaskError(
                f"{lacks}, and its {training} training rows{alike_words} are too few to hold some out: bring "
                f"rows with a column `split` that says `{name}`"
            )
        warnings.append(f"{lacks}: {count} of its training rows were held out instead.")
    train = sides.pools["train"]
    chosen = {name: tuple(task.samples[i] for i in pool) for name, pool in sides.pools.items()}
    if config.train_rows is not None:
        if config.train_rows > len(train):
            raise TaskError(
                f"{config.train_rows} training rows asked for, but {task.name} has {len(train)} that are not "
                "held out: ask for fewer"
            )
        chosen["train"] = chosen["train"][: config.train_rows]
    _check_train(len(chosen["train"]), config, task.name, left_out)
    return ChosenRows(chosen, tuple(task.samples[i] for i in sorted(train)), tuple(warnings), sides.remarks.all())


def training_task(task: Task, chosen: ChosenRows) -> Task:
    """A task as a comparison may look at it before it is done: without the rows that it holds out.

    Returns:
        The task itself where all of its training rows may be trained on; else one of training rows alone, whose content
        hash is its own.
    """
    missing = task.splits.get("train", 0) - len(chosen.training)
    if not missing:
        return task
    kept = {id(sample) for sample in chosen.training}
    row = next(sample.row for sample in task.split("train") if id(sample) not in kept)
    remark = Remark("row", "held out by a comparison, and not read here", missing, row, lost=False)
    return replace(task, samples=chosen.training, remarks=(*task.remarks, remark))


def near_duplicates_of(chosen: ChosenRows) -> str | None:
    """A warning if held-out rows are nearly equal to training rows, or not all of them could be looked at.

    They stay where they are: whether that is a leak, who knows the data must say.
    """
    train = chosen.splits["train"][:MOST_COMPARED]
    looked_at = {name: chosen.splits[name][:MOST_LOOKED_AT] for name in ("test", "validation")}
    found, such = [], ""
    for name, rows in looked_at.items():
        matches = near_duplicates(rows, train)
        if matches:
            found.append(f"{len(matches)} of {len(rows)} {name} rows")
            first = matches[0]
            such = such or f"{name} row {rows[first.one].row} and training row {train[first.other].row}"
    parts = {"training": train, **looked_at}
    there = {"training": len(chosen.splits["train"]), **{name: len(chosen.splits[name]) for name in looked_at}}
    cut = [f"{len(rows)} of {there[name]} {name} rows" for name, rows in parts.items() if len(rows) < there[name]]
    only = f" Only {' and '.join(cut)} were looked at." if cut else ""
    if not found:
        return f"No held-out row is nearly equal to a training row.{only}" if cut else None
    return (
        f"{' and '.join(found)} are nearly equal to training rows: at least {NEAR:.0%} of their word pairs are the "
        f"same, such as in {such}. What is learned by heart looks better on them than it is.{only}"
    )


def encode_rows(
    task: Task, chosen: ChosenRows, encode: Callable[[Sequence[Sample], int], Encoding], config: SweepConfig
) -> SweepRows:
    """Encodes the rows that were chosen of a task.

    Args:
        encode: samples and the largest length -> their encoding, as `LoadedModel.encode`.

    Raises:
        TaskError: none of a part can be encoded, or fewer training rows than one step reads.
    """
    near = near_duplicates_of(chosen)
    warnings = [*chosen.warnings, *([near] if near else []), *([f"{task.warning}."] if task.warning else [])]
    remarks = Remarks()
    remarks.extend((*task.remarks, *chosen.remarks))
    encoded: dict[str, tuple[EncodedSample, ...]] = {}
    conversations: tuple[Sample, ...] = ()
    cut, limit = 0, config.max_length
    for part, samples in chosen.splits.items():
        encoding = encode(samples, config.max_length)
        encoded[part], limit = encoding.samples, encoding.limit
        remarks.extend(encoding.remarks)
        if part == "train":
            conversations = tuple(samples[index] for index in encoding.used)
        cut += encoding.truncated
        if encoding.dropped:
            row, reason = next(iter(encoding.dropped.items()))
            warnings.append(f"{len(encoding.dropped)} {part} rows were left out, such as row {row}: {reason}.")
    if limit < config.max_length:
        warnings.append(f"The model has places for {limit} tokens: rows are cut there.")
    if cut:
        warnings.append(f"{cut} rows were cut at {limit} tokens.")
    _check_train(len(encoded["train"]), config, task.name)
    answered = chosen.splits["test"][: config.answers]
    return SweepRows(
        **encoded, answered=answered, warnings=tuple(warnings), remarks=remarks.all(), conversations=conversations
    )


def step_rows(count: int, config: SweepConfig, seed: int) -> list[list[int]]:
    """Which training rows each step of a seed reads: all rows in a new order before any comes again.

    The same for every placement, method and rate, so that they stay paired.
    """
    generator = random.Random(f"order {config.data_seed} {config.order_of(seed)}")
    order: list[int] = []
    while len(order) < config.steps * config.rows_per_step:
        order += generator.sample(range(count), count)
    size = config.rows_per_step
    return [order[step * size : (step + 1) * size] for step in range(config.steps)]


def micro_batches(rows: Sequence[int], size: int) -> list[Sequence[int]]:
    """The rows of one step in batches of at most `size`."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def _check_train(count: int, config: SweepConfig, name: str, left_out: int = 0) -> None:
    if count < config.rows_per_step:
        why = f" ({left_out} more are held-out rows too)" if left_out else ""
        raise TaskError(
            f"{name} has {count} training rows{why}, fewer than one step reads (batch size {config.batch_size} × "
            f"{config.accumulation}): lower the batch size or bring more rows"
        )
