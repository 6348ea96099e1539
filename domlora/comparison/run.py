"""What the store keeps of a comparison: the run, its variants, their curves, evaluations and answers. Plain data.

A run is one comparison: a model, a task, a `SweepConfig`. It is made when training starts and filled while it goes on,
so that the dashboard draws curves that grow and nothing is lost when it ends early.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from domlora.comparison.config import SweepConfig
from domlora.data.origin import TaskOrigin, task_origin_of
from domlora.models.origin import ModelOrigin, model_origin_of
from domlora.placements.methods import Method
from domlora.placements.placement import Placement

VariantStatus = Literal["queued", "training", "done", "diverged", "cancelled"]
RunStatus = Literal["running", "done"]  # whether its job still lives, the job says
BASE = "base"  # the variant of evaluations and answers that were made before any training
STEPS = "steps"  # among a variant's results: how many it trained
ENDED_VARIANT: tuple[VariantStatus, ...] = ("done", "diverged", "cancelled")


@dataclass(frozen=True)
class Variant:
    """One placement, method, learning rate and seed of a run.

    Attributes:
        name: unique in its run, from `comparison.config.variant_name`.
        modules: how many modules its adapter was really attached to.
        note: why it diverged or ended before the last step, and at which; else None.
        results: final numbers by name: `eval_loss_before`, `eval_loss_after`, `eval_accuracy_before`,
            `eval_accuracy_after` (validation rows), `test_loss_before`, ..., `exact_match_after`, `pass_at_1_after`;
            `steps` that it trained, and with patience `best_step`, after which its adapter was kept.
        adapter: folder of its PEFT adapter on the machine that trained it, once saved.
    """

    name: str
    placement: str
    method: Method
    learning_rate: float
    seed: int
    trainable_parameters: int
    modules: int
    status: VariantStatus = "queued"
    note: str | None = None
    results: Mapping[str, float] = field(default_factory=dict)
    adapter: str | None = None
    cancel_requested: bool = False


@dataclass(frozen=True)
class Metric:
    """One point of a curve: `train_loss`, `eval_loss`, `eval_accuracy`, `learning_rate`, `grad_norm` of a variant."""

    variant: str
    step: int
    name: str
    value: float


@dataclass(frozen=True)
class Evaluation:
    """A variant's loss on each row of one part, in the order of the rows; the unit of every paired comparison.

    Attributes:
        variant: its name; the base model before training is `base`.
        part: `validation`, `test`, or another task's name (forgetting).
        losses: (rows,) mean cross-entropy over the row's response tokens.
        accuracies: (rows,) fraction of its response tokens that are the most likely ones.
    """

    variant: str
    part: str
    losses: tuple[float, ...]
    accuracies: tuple[float, ...]


@dataclass(frozen=True)
class Answer:
    """What the base (`variant` is `base`) or a variant says to one test row, greedily.

    Attributes:
        row: position of the test row, from 0.
        correct: whether the final number matches, or the tests pass; None where that is not checked.
    """

    variant: str
    row: int
    prompt: str
    reference: str
    text: str
    correct: bool | None = None


@dataclass(frozen=True)
class Notes:
    """What a run's owner says of it; nothing of it changes what was measured.

    Attributes:
        name: what the run is called; empty for none.
        tags: each once, in the order in which they were given.
        text: anything worth remembering.
        pinned: whether lists show it first.
        archived: whether lists leave it out unless they are asked for all.
    """

    name: str = ""
    tags: tuple[str, ...] = ()
    text: str = ""
    pinned: bool = False
    archived: bool = False


@dataclass(frozen=True)
class Run:
    """A comparison, finished or not.

    Attributes:
        key: equal for equal requests.
        model_source, task_source: in words, for a person.
        job: id of the job that computes it; None when run from Python.
        facts: where it came from: `device`, `dtype`, `versions`, `seconds`, `peak_memory_bytes`, `train_rows`,
            `energy_map` (id of the map that the placements were chosen by), `training_hash` (of the task's content
            without the rows that are held out, which its maps were measured on), `forgetting_tasks`, `rows_hash`, and
            `continues`, the run that this one goes on with.
        warnings: whole sentences for the user.
        model_origin, task_origin: where both came from, as fields; None where the words of an earlier version say
            nothing.
        notes: what its owner says of it.
    """

    id: str
    key: str
    model: str
    model_source: str
    model_revision: str
    task: str
    task_source: str
    task_hash: str
    config: SweepConfig
    placements: tuple[Placement, ...]
    created: datetime
    status: RunStatus = "running"
    finished: datetime | None = None
    job: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    variants: tuple[Variant, ...] = ()
    model_origin: ModelOrigin | None = None
    task_origin: TaskOrigin | None = None
    notes: Notes = field(default_factory=Notes)

    def __post_init__(self) -> None:
        """A run of an earlier version has its origins in words alone."""
        if self.model_origin is None:
            origin = model_origin_of(self.model, self.model_source, self.model_revision)
            object.__setattr__(self, "model_origin", origin)
        if self.task_origin is None:
            object.__setattr__(self, "task_origin", task_origin_of(self.task, self.task_source))
