"""What a job is: a request, and the state of its execution. Plain data; no torch, no database here."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from domlora.comparison.config import SweepConfig
from domlora.probes.config import ProbeConfig, ProbeName

KIND_NAMES = {"probe": "probe", "sweep": "comparison"}  # what a user calls the kinds of jobs
Status = Literal["queued", "running", "done", "failed", "cancelled"]
Outcome = Literal["done", "failed", "cancelled"]
ENDED: tuple[Outcome, ...] = ("done", "failed", "cancelled")


class ProbeRequest(BaseModel):
    """One probe of one model on one task, as the CLI and the dashboard ask for it, and others in the same pass.

    Attributes:
        model: built-in name, Hub id, folder or .gguf file.
        revision: of a Hub id; None is its default branch.
        task: built-in name, file or Hub data set id.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        refresh: measure again even if the store has the answer.
        also: further probes with the settings of `config`, each stored as a map of its own; those that the store has
            are left out of the pass. The result of the job is the map of `config`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    kind: Literal["probe"] = "probe"
    model: str
    revision: str | None = None
    task: str
    config: ProbeConfig = ProbeConfig()
    device: str = "auto"
    refresh: bool = False
    also: tuple[ProbeName, ...] = ()

    @property
    def configs(self) -> tuple[ProbeConfig, ...]:
        """One for each probe, `config` first."""
        others = dict.fromkeys(name for name in self.also if name != self.config.probe)
        return (
            self.config,
            *(self.config.model_copy(update={"probe": name, "against": None}) for name in others),
        )


class SweepRequest(BaseModel):
    """One comparison of placements on one model and task, as the CLI and the dashboard ask for it.

    Attributes:
        model, revision, task, device: as of a `ProbeRequest`.
        probe: how energies are measured, for the placements that are chosen by them.
        sweep: what is compared.
        refresh: train again even if the store has the answer.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    kind: Literal["sweep"] = "sweep"
    model: str
    revision: str | None = None
    task: str
    probe: ProbeConfig = ProbeConfig()
    sweep: SweepConfig = SweepConfig()
    device: str = "auto"
    refresh: bool = False


Request = Annotated[ProbeRequest | SweepRequest, Field(discriminator="kind")]


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
