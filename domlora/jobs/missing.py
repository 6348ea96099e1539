"""Cells of a matrix that nobody has measured: what would measure each, as maps and jobs remember it, and its job.

In: which cells lack a map, the maps that there are, the jobs. Out: a request for each cell, or why none can be made.
Nothing is read of a model or a task here: what was measured before says where both lie. No torch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from domlora.data.tasks import NamedTask, builtin_tasks
from domlora.energy.energy_map import Provenance
from domlora.jobs.spec import Job, ProbeRequest, named_task
from domlora.models.catalogue import known_models
from domlora.probes.config import ProbeConfig


class Measured(Protocol):
    """What a list says of a map."""

    @property
    def id(self) -> str: ...

    @property
    def model(self) -> str: ...

    @property
    def task(self) -> str: ...


@dataclass(frozen=True)
class MissingCell:
    """A model × task without a map.

    Attributes:
        request: what would measure it; None where `unknown` says why nothing can be asked.
        job: the latest that was asked for it.
    """

    model: str
    task: str
    request: ProbeRequest | None
    unknown: str | None
    job: Job | None

    @property
    def active(self) -> bool:
        """Whether it is on its way."""
        return self.job is not None and not self.job.ended

    @property
    def problem(self) -> str | None:
        """Why it has no map although it was asked for, or cannot be asked for."""
        if self.job is not None and self.job.status == "failed":
            return self.job.error or "failed without a reason; see its log"
        return self.unknown


def plan_missing(
    lacking: Iterable[tuple[str, str]],
    measured: Mapping[tuple[str, str], Measured],
    maps: Sequence[Measured],
    provenance: Callable[[str], Provenance],
    jobs: Sequence[Job],
    default: ProbeConfig,
) -> list[MissingCell]:
    """What would measure each cell, with the settings of its neighbours, so that it compares with them.

    Args:
        lacking: (model, task) as maps name them.
        measured: (model, task) -> map, of the cells beside them.
        maps: all there are, by any probe, newest first.
        provenance: of the map of an id; asked for only where a request needs it.
        jobs: newest first.
        default: settings where nothing is measured yet.
    """
    asked = [(job, job.request) for job in jobs if isinstance(job.request, ProbeRequest)]
    results = {job.result: request for job, request in reversed(asked) if job.result}
    cells = []
    for model, task in lacking:
        named = _model_named(model, maps, provenance, results)
        source = _task_named(task, maps, provenance, results)
        if named is None:
            cells.append(MissingCell(model, task, None, f"where {model} lies is not known here any more", None))
        elif source is None:
            cells.append(MissingCell(model, task, None, f"where the rows of {task} lie is not known here", None))
        else:
            config = _config(model, measured, provenance) or default
            request = ProbeRequest(model=named[0], revision=named[1], config=config, **source.fields)
            cells.append(MissingCell(model, task, request, None, _job_for(request, asked)))
    return cells


def _config(
    model: str, measured: Mapping[tuple[str, str], Measured], provenance: Callable[[str], Provenance]
) -> ProbeConfig | None:
    """The settings that most cells of this model were measured with, or else most of all cells; None without any."""
    neighbours = [one for (name, _), one in measured.items() if name == model] or list(measured.values())
    used = Counter(provenance(one.id).config for one in neighbours)
    return used.most_common(1)[0][0] if used else None


def _job_for(request: ProbeRequest, asked: Sequence[tuple[Job, ProbeRequest]]) -> Job | None:
    """The latest job for this model, task and probe, whatever its other settings."""

    def subject(one: ProbeRequest) -> tuple[str, str, str, str | None]:
        return one.model, one.task, one.config.probe, one.config.against

    return next((job for job, one in asked if subject(one) == subject(request)), None)


def _model_named(
    model: str,
    maps: Sequence[Measured],
    provenance: Callable[[str], Provenance],
    results: Mapping[str, ProbeRequest],
) -> tuple[str, str | None] | None:
    """How a request names a model, and its revision; None if it cannot be found again."""
    for one in (one for one in maps if one.model == model):
        if one.id in results:
            return results[one.id].model, results[one.id].revision
        origin = provenance(one.id).model_origin
        if origin is not None and origin.known:
            return origin.named_again, origin.revision
    return (model, None) if model in known_models() else None


def _task_named(
    task: str,
    maps: Sequence[Measured],
    provenance: Callable[[str], Provenance],
    results: Mapping[str, ProbeRequest],
) -> NamedTask | None:
    """How a request names a task; None if it cannot be found again."""
    if task in builtin_tasks():
        return NamedTask(task)
    for one in (one for one in maps if one.task == task):
        if one.id in results:
            return named_task(results[one.id])
        origin = provenance(one.id).task_origin
        if origin is not None and origin.known:
            return NamedTask(origin.named_again, origin.columns_named, origin.system)
    return None
