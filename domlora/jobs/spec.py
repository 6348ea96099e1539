"""What a job is: a request, and the state of its execution. Plain data; no torch, no database here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domlora.probes.config import ProbeConfig

# (stage, done, total) as a job goes on; total 0 where it is not known.
Progress = Callable[[str, int, int], None]

Status = Literal["queued", "running", "done", "failed", "cancelled"]
Outcome = Literal["done", "failed", "cancelled"]
ENDED: tuple[Outcome, ...] = ("done", "failed", "cancelled")


class ProbeRequest(BaseModel):
    """One probe of one model on one task, as the CLI and the dashboard ask for it.

    Attributes:
        model: built-in name, Hub id, folder or .gguf file.
        revision: of a Hub id; None is its default branch.
        task: built-in name, file or Hub data set id.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        refresh: measure again even if the store has the answer.
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


@dataclass(frozen=True)
class Job:
    """A request in the queue, or what became of it.

    Attributes:
        stage, done, total: the latest progress.
        result: id of the energy map, once `status` is `done`.
        error: the one line that says why it failed.
        attempts: how often a worker has started it.
        worker: which worker has it, `host:pid`.
    """

    id: str
    request: ProbeRequest
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
