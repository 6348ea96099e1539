"""Cells of the matrix that nobody has measured: what would measure each, and its jobs."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from dashboard.matrix.queries import AGAINST, Choice, probe_name, rows_by
from dashboard.shared import queries
from dashboard.shared.queries import MapRow
from domlora.data.tasks import builtin_tasks
from domlora.jobs.spec import Job, ProbeRequest
from domlora.models.catalogue import known_models
from domlora.probes.config import ProbeConfig


@dataclasses.dataclass(frozen=True)
class MissingCell:
    """A model × task without a map.

    Attributes:
        request: what would measure it; None where `problem` says why nothing can be asked.
        job: the latest that was asked for it.
    """

    model: str
    task: str
    request: ProbeRequest | None
    problem: str | None
    job: Job | None

    @property
    def active(self) -> bool:
        """Whether it is on its way."""
        return self.job is not None and not self.job.ended


def missing(choice: Choice) -> list[MissingCell]:
    """The chosen cells without a map, row by row, each with what would measure it and with its latest job."""
    rows = rows_by(choice.probe)
    lacking = [(m, t) for m in choice.models for t in choice.tasks if (m, t) not in rows]
    if not lacking:
        return []
    jobs = [job for job in queries.jobs() if job.request.kind == "probe"]
    results = {job.result: job.request for job in reversed(jobs) if job.result}
    cells = []
    for model, task in lacking:
        named = _model_named(model, results)
        source = _task_named(task, results)
        if named is None:
            cells.append(MissingCell(model, task, None, f"where {model} lies is not known here any more", None))
        elif source is None:
            cells.append(MissingCell(model, task, None, f"where the rows of {task} lie is not known here", None))
        else:
            config = _config(choice, rows, model)
            request = ProbeRequest(model=named[0], revision=named[1], task=source, config=config)
            cells.append(MissingCell(model, task, request, None, _job_for(request, jobs)))
    return cells


def _job_for(request: ProbeRequest, jobs: Sequence[Job]) -> Job | None:
    same = (
        job
        for job in jobs
        if (job.request.model, job.request.task) == (request.model, request.task)
        and (job.request.config.probe, job.request.config.against) == (request.config.probe, request.config.against)
    )
    return next(same, None)


def _config(choice: Choice, rows: dict[tuple[str, str], MapRow], model: str) -> ProbeConfig:
    """The settings of the model's other cells, or else of all cells by this probe, so that the new one compares."""
    used = Counter(queries.energy(row.id).provenance.config for (name, _), row in rows.items() if name == model)
    used = used or Counter(queries.energy(row.id).provenance.config for row in rows.values())
    if used:
        return used.most_common(1)[0][0]
    return ProbeConfig(probe=probe_name(choice.probe), against=choice.probe.partition(AGAINST)[2] or None)


def _model_named(model: str, results: dict[str, ProbeRequest]) -> tuple[str, str | None] | None:
    """How a request names a model, and its revision; None if it cannot be found again."""
    for row in (row for row in queries.map_rows() if row.model == model):
        if row.id in results:
            return results[row.id].model, results[row.id].revision
        origin = queries.energy(row.id).provenance.model_origin
        if origin is not None and origin.known:
            return origin.named_again, origin.revision
    return (model, None) if model in known_models() else None


def _task_named(task: str, results: dict[str, ProbeRequest]) -> str | None:
    """How a request names a task; None if it cannot be found again."""
    if task in builtin_tasks():
        return task
    for row in (row for row in queries.map_rows() if row.task == task):
        if row.id in results:
            return results[row.id].task
        origin = queries.energy(row.id).provenance.task_origin
        if origin is not None and origin.known:
            return origin.named_again
    return None


def launch(cells: Sequence[MissingCell]) -> list[Job]:
    """Queues what would measure these cells, but nothing twice.

    Raises:
        DomLoRAError: the store cannot be written, or no worker started.
    """
    return [queries.submit(cell.request) for cell in cells if cell.request is not None and not cell.active]


def problem_of(cell: MissingCell) -> str | None:
    """Why a cell has no map although it was asked for, or cannot be asked for."""
    if cell.job is not None and cell.job.status == "failed":
        return cell.job.error or "failed without a reason; see its log"
    return cell.problem
