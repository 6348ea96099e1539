"""Which rows a comparison reads: training rows in their order, and the rows held out. The same for all variants.

In: a task and a `SweepConfig`. Out: chosen rows, then encoded ones, and warnings in whole sentences. Knows no model:
who asks for what cannot be had hears it before anything is fetched.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from domlora.comparison.config import SweepConfig
from domlora.data.remarks import Remark, Remarks
from domlora.data.samples import Sample
from domlora.data.tasks import Task
from domlora.errors import TaskError

if TYPE_CHECKING:
    from domlora.data.encoding import EncodedSample, Encoding

EVA_ROWS = 32  # the first training rows, whose activations EVA starts from
HELD_OUT_FRACTION = 0.2  # of the training rows that each missing split may take


class ChosenRows(NamedTuple):
    """Rows of a comparison before they are encoded.

    Attributes:
        splits: `train`, `validation` and `test`, each in its order.
        warnings: what had to be split off.
    """

    splits: dict[str, tuple[Sample, ...]]
    warnings: list[str]


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

    A split that the task does not have is taken out of its training rows, which then never train.

    Raises:
        TaskError: no validation or test row can be had, or fewer training rows than asked for or than one step reads.
    """
    pools = {name: list(task.split(name)) for name in ("train", "validation", "test")}
    generator = random.Random(f"sweep {config.data_seed}")
    for pool in pools.values():
        generator.shuffle(pool)
    limits = {"validation": config.validation_rows, "test": config.test_rows}
    spare = int(HELD_OUT_FRACTION * len(pools["train"]))
    warnings = []
    for name, limit in limits.items():
        if pools[name]:
            pools[name] = pools[name][:limit]
            continue
        count = min(limit, spare)
        if not count:
            raise TaskError(
                f"{task.name} has no {name} rows, and its {len(pools['train'])} training rows are too few to hold "
                f"some out: bring rows with a column `split` that says `{name}`"
            )
        pools[name], pools["train"] = pools["train"][:count], pools["train"][count:]
        warnings.append(f"{task.name} has no {name} rows: {count} of its training rows were held out instead.")
    if config.train_rows is not None:
        if config.train_rows > len(pools["train"]):
            raise TaskError(
                f"{config.train_rows} training rows asked for, but {task.name} has {len(pools['train'])} that are not "
                "held out: ask for fewer"
            )
        pools["train"] = pools["train"][: config.train_rows]
    _check_train(len(pools["train"]), config, task.name)
    return ChosenRows({name: tuple(pool) for name, pool in pools.items()}, warnings)


def encode_rows(
    task: Task, chosen: ChosenRows, encode: Callable[[Sequence[Sample], int], Encoding], config: SweepConfig
) -> SweepRows:
    """Encodes the rows that were chosen of a task.

    Args:
        encode: samples and the largest length -> their encoding, as `LoadedModel.encode`.

    Raises:
        TaskError: none of a part can be encoded, or fewer training rows than one step reads.
    """
    warnings = [*chosen.warnings, *([f"{task.warning}."] if task.warning else [])]
    remarks = Remarks()
    remarks.extend(task.remarks)
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


def step_rows(count: int, config: SweepConfig) -> list[list[int]]:
    """Which training rows each step reads: all rows in a new order before any comes again."""
    generator = random.Random(f"order {config.data_seed}")
    order: list[int] = []
    while len(order) < config.steps * config.rows_per_step:
        order += generator.sample(range(count), count)
    size = config.rows_per_step
    return [order[step * size : (step + 1) * size] for step in range(config.steps)]


def micro_batches(rows: Sequence[int], size: int) -> list[Sequence[int]]:
    """The rows of one step in batches of at most `size`."""
    return [rows[i : i + size] for i in range(0, len(rows), size)]


def _check_train(count: int, config: SweepConfig, name: str) -> None:
    if count < config.rows_per_step:
        raise TaskError(
            f"{name} has {count} training rows, fewer than one step reads (batch size {config.batch_size} × "
            f"{config.accumulation}): lower the batch size or bring more rows"
        )
