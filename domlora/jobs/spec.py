"""What a job is: a request, and the state of its execution. Plain data; no torch, no database here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from domlora.comparison.config import SweepConfig
from domlora.comparison.run import Run
from domlora.data.assemble import System
from domlora.data.tasks import BUILTIN, NamedTask
from domlora.errors import UsageError
from domlora.probes.config import ProbeConfig, ProbeName
from domlora.search.config import FindConfig
from domlora.tracking.services import SERVICES, Service

KIND_NAMES = {"probe": "probe", "sweep": "comparison", "find": "search"}  # what a user calls the kinds of jobs
Status = Literal["queued", "running", "done", "failed", "cancelled"]
Outcome = Literal["done", "failed", "cancelled"]
ENDED: tuple[Outcome, ...] = ("done", "failed", "cancelled")
# What every request asks; each is said once for both kinds.
ModelSource = Annotated[str, Field(title="Model", description="built-in name, Hub id, folder or .gguf file")]
Revision = Annotated[
    str | None,
    Field(
        title="Revision (Hub only, optional)",
        description="branch, tag or commit of a Hub id",
        json_schema_extra={"unset": "its main branch"},
    ),
]
TaskSource = Annotated[
    str, Field(title="Task", description=f"built-in name ({', '.join(BUILTIN)}), file or Hub data set id")
]
Columns = Annotated[
    str | None,
    Field(
        title="Columns (optional)",
        description="which field of a row a column of the file is, as in question=prompt,context=input,notes=ignore",
        json_schema_extra={"unset": "as their names say"},
    ),
]
SystemText = Annotated[
    System,
    Field(
        title="System texts",
        description="keep them, fold them into the first question (for models that know no system role), or drop them",
    ),
]
# Fields that came later, where they say nothing; a tuple is a list in JSON.
UNUSED: tuple[tuple[str, Any], ...] = (
    ("columns", None),
    ("system", "keep"),
    ("without", None),
    ("add_to", None),
    ("log_to", ()),
    ("log_to", []),
    ("log_project", None),
)
Device = Annotated[str, Field(title="Device", description="where it is computed: auto, cpu, cuda, cuda:1 or mps")]
Refresh = Annotated[bool, Field(title="Refresh", description="compute again even if the store has the answer")]


class TaskRequest(BaseModel):
    """What requests of both kinds have in common."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_serializer(mode="wrap")
    def _as_earlier_versions_wrote_it(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what came later and is not used: a worker of an earlier version takes such a request."""
        return {name: value for name, value in write(self).items() if (name, value) not in UNUSED}


class HeldOut(BaseModel):
    """Which training rows a probe leaves alone: those that a comparison of these settings holds out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_seed: int
    validation_rows: int
    test_rows: int

    @classmethod
    def by(cls, sweep: SweepConfig) -> HeldOut:
        """What a comparison holds out."""
        return cls(**{name: getattr(sweep, name) for name in cls.model_fields})

    @classmethod
    def of(cls, run: Run) -> HeldOut | None:
        """What a run holds out of the training rows; None where that is nothing, or a run of an earlier version."""
        return None if run.facts.get("training_hash", run.task_hash) == run.task_hash else cls.by(run.config)

    @property
    def sweep(self) -> SweepConfig:
        """A comparison that holds the same rows out, and needs as few other rows as can be."""
        return SweepConfig(**self.model_dump(), batch_size=1)


class ProbeRequest(TaskRequest):
    """One probe of one model on one task, as the CLI and the dashboard ask for it, and others in the same pass.

    The result of its job is the map of `config`; those of `also` that the store has are left out of the pass.
    """

    schema_version: int = 1
    kind: Literal["probe"] = "probe"
    model: ModelSource
    revision: Revision = None
    task: TaskSource
    columns: Columns = None
    system: SystemText = "keep"
    config: ProbeConfig = ProbeConfig()
    device: Device = "auto"
    refresh: Refresh = False
    also: tuple[ProbeName, ...] = Field(
        default=(), title="Also",
        description="other probes with the same settings in the same pass, each stored as a map of its own",
    )  # fmt: skip
    without: HeldOut | None = Field(
        default=None, title="Without", description="rows that a comparison holds out, and that are not read then"
    )

    @property
    def configs(self) -> tuple[ProbeConfig, ...]:
        """One for each probe, `config` first."""
        others = dict.fromkeys(name for name in self.also if name != self.config.probe)
        return (
            self.config,
            *(self.config.model_copy(update={"probe": name, "against": None}) for name in others),
        )


class SweepRequest(TaskRequest):
    """One comparison of placements on one model and task, as the CLI and the dashboard ask for it.

    Attributes:
        probe: how energies are measured, for the placements that are chosen by them.
        sweep: what is compared.
        add_to: id of the finished run that is gone on with; `sweep` is then its settings and more.
        log_to, log_project: where curves are sent; neither is part of the run's key.
    """

    schema_version: int = 1
    kind: Literal["sweep"] = "sweep"
    model: ModelSource
    revision: Revision = None
    task: TaskSource
    columns: Columns = None
    system: SystemText = "keep"
    probe: ProbeConfig = ProbeConfig()
    sweep: SweepConfig = SweepConfig()
    device: Device = "auto"
    refresh: Refresh = False
    add_to: str | None = Field(
        default=None, title="Add to", description="id of a finished comparison (`domlora runs`) to go on with"
    )
    log_to: tuple[Service, ...] = Field(
        default=(), title="Send curves to",
        description=f"services that curves and conclusion are sent to as they grow: {', '.join(SERVICES)}",
    )  # fmt: skip
    log_project: str | None = Field(
        default=None, title="Project there",
        description="project of these services",
        json_schema_extra={"unset": "WANDB_PROJECT, else domlora"},
    )  # fmt: skip


class FindRequest(TaskRequest):
    """One search for the placement of an adapter, as the CLI and the dashboard ask for it.

    The result of its job is the run of its race, which the answer is read from (`search.answer`).
    """

    schema_version: int = 1
    kind: Literal["find"] = "find"
    model: ModelSource
    revision: Revision = None
    task: TaskSource
    columns: Columns = None
    system: SystemText = "keep"
    config: FindConfig = FindConfig()
    device: Device = "auto"
    refresh: Refresh = False


def more_of(run: Run, sweep: SweepConfig, device: str = "auto") -> SweepRequest:
    """The request that goes on with a finished run.

    Args:
        sweep: its settings and more, as `comparison.extension.extended` makes them.

    Raises:
        UsageError: where its model or its rows came from is not known.
    """
    model, task = run.model_origin, run.task_origin
    if model is None or task is None:
        raise UsageError(f"run {run.id} does not say where its model and its rows came from: start it anew")
    return SweepRequest(
        model=model.named_again, revision=model.revision, task=task.named_again, columns=task.columns_named,
        system=task.system, sweep=sweep, device=device, add_to=run.id,
    )  # fmt: skip


def named_task(request: Request) -> NamedTask:
    """The task of a request, as it is to be read."""
    return NamedTask(request.task, request.columns, request.system)


Request = Annotated[ProbeRequest | SweepRequest | FindRequest, Field(discriminator="kind")]


@dataclass(frozen=True)
class Job:
    """A request in the queue, or what became of it.

    Attributes:
        stage, done, total: the latest progress.
        result: id of the energy map or of the run, once `status` is `done`.
        error: the one line that says why it failed.
        attempts: how often a worker has started it.
        worker: which worker has it, `host:pid`.
    """

    id: str
    request: Request
    status: Status
    stage: str
    done: int
    total: int
    created: datetime
    started: datetime | None
    finished: datetime | None
    heartbeat: datetime | None
    attempts: int
    worker: str | None
    device: str | None
    cancel_requested: bool
    result: str | None
    error: str | None

    @property
    def ended(self) -> bool:
        return self.status in ENDED
