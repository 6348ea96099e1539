"""The queue of jobs: requests go in, workers claim them, and what became of each is read here by everybody.

In: a store. Out: jobs that each end once, whoever dies in between. The store knows tables and transactions; what a job
may become next is decided here, by conditional updates that the database puts in order. No torch, no pandas.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from domlora.errors import JobError, StoreError
from domlora.jobs.spec import ENDED, Job, Outcome, Request, Status
from domlora.store.database import now, only, text
from domlora.store.schema import jobs
from domlora.store.store import Store

if TYPE_CHECKING:
    from domlora.comparison.run import Run

MAX_ATTEMPTS = 2  # a job whose worker died is started so often, and again for as long as it gets further
REQUEST: TypeAdapter[Request] = TypeAdapter(Request)


class Queue:
    """The jobs of a store, shared by every process that opens it.

    Every method raises StoreError where the database cannot be read or written.
    """

    def __init__(self, store: Store) -> None:
        self._database = store.database

    # As a person sees them

    def submit(self, request: Request) -> Job:
        """Queues a request; a worker takes it from there (`jobs.local.ensure_worker`)."""
        row: dict[str, Any] = {
            "id": secrets.token_hex(6),
            "request": request.model_dump(mode="json"),
            "wanted_device": request.device,
            "status": "queued",
            "created": now(),
        }
        with self._database.writing() as connection:
            connection.execute(jobs.insert().values(row))
        return self._job(row["id"])

    def submit_new(self, requests: Sequence[Request]) -> list[Job]:
        """Queues those of the requests that neither wait nor run already."""
        active = [job.request for status in ("queued", "running") for job in self.list(status)]
        return [self.submit(request) for request in requests if request not in active]

    def get(self, id_or_prefix: str) -> Job:
        """The job whose id begins so.

        Raises:
            JobError: no job does, or several do.
        """
        query = sa.select(jobs.c.id).where(jobs.c.id.startswith(id_or_prefix.lower(), autoescape=True))
        with self._database.reading() as connection:
            ids = connection.scalars(query.order_by(jobs.c.number)).all()
        return self._job(only(id_or_prefix, ids, "job", "`domlora jobs list`", JobError))

    def of_run(self, run: Run) -> Job | None:
        """The job that computes a run; None where it runs from Python, or the job is gone: a run outlives its job."""
        try:
            return None if run.job is None else self.get(run.job)
        except JobError:
            return None

    def cancel(self, job_id: str) -> Job:
        """Cancels a queued job at once; asks the worker of a running one to end it.

        Raises:
            JobError: the job has ended already, or there is none of that id.
        """
        job = self.get(job_id)
        queued = jobs.c.status == "queued"
        changed = self._change(
            jobs.c.id == job.id,
            jobs.c.status.not_in(ENDED),
            cancel_requested=True,
            status=sa.case((queued, "cancelled"), else_=jobs.c.status),
            finished=sa.case((queued, sa.literal(now(), jobs.c.finished.type)), else_=jobs.c.finished),
        )
        if changed is None:
            raise JobError(f"job {job.id} has ended already ({self._job(job.id).status}): there is nothing to cancel")
        return changed

    def retry(self, job_id: str) -> Job:
        """Queues the request of an ended job again, as a new job.

        Raises:
            JobError: the job has not ended, or there is none of that id.
        """
        job = self.get(job_id)
        if not job.ended:
            raise JobError(f"job {job.id} is still {job.status}: cancel it first, or wait until it has ended")
        return self.submit(job.request)

    # As a worker sees them

    def claim(self, worker: str, device: str, *, leave: Sequence[str] = ()) -> Job | None:
        """Takes the oldest queued job; no two workers ever get the same one.

        Args:
            leave: devices that the worker serves elsewhere; jobs that name one of them are passed over.
        """
        free = sa.and_(jobs.c.status == "queued", jobs.c.wanted_device.not_in(leave))
        while True:
            with self._database.reading() as connection:
                number = connection.scalar(sa.select(sa.func.min(jobs.c.number)).where(free))
            if number is None:
                return None
            job = self._change(
                jobs.c.number == number,
                jobs.c.status == "queued",
                status="running",
                worker=worker,
                device=device,
                started=now(),
                heartbeat=now(),
                attempts=jobs.c.attempts + 1,
            )
            if job is not None:
                return job

    def report(self, job_id: str, stage: str, done: int, total: int) -> None:
        """Notes how far a running job is; without effect on any other."""
        progress = {"stage": text(stage), "done": done, "total": total, "heartbeat": now()}
        self._change(jobs.c.id == job_id, jobs.c.status == "running", **progress)

    def beat(self, job_id: str, attempt: int | None = None) -> bool:
        """Says that a job is alive; False if it is not running (any more), or no longer as this attempt."""
        return self._change(*_as_attempt(job_id, attempt), jobs.c.status == "running", heartbeat=now()) is not None

    def finish(
        self,
        job_id: str,
        status: Outcome,
        *,
        result: str | None = None,
        error: str | None = None,
        attempt: int | None = None,
    ) -> bool:
        """Ends a job, once: False, and no change, if it has ended already or is no longer at this attempt."""
        outcome = {"status": status, "finished": now(), "result": result, "error": error and text(error)}
        return self._change(*_as_attempt(job_id, attempt), jobs.c.status.not_in(ENDED), **outcome) is not None

    def release(self, job_id: str, attempt: int) -> bool:
        """Gives a running job back to the queue as if it had not been started (cancelled, if that was asked for)."""
        return self._give_back(_as_attempt(job_id, attempt), attempts=jobs.c.attempts - 1)

    def recover(self, older_than: float) -> Sequence[Job]:
        """Finds the running jobs without a heartbeat for `older_than` seconds, and returns what became of them.

        One that was to be cancelled is cancelled. Another is queued again if it got further than the attempts before
        (it goes on from a checkpoint, so it will end), or has not been started `MAX_ATTEMPTS` times; else it failed.
        """
        stale = sa.and_(jobs.c.status == "running", jobs.c.heartbeat < now() - timedelta(seconds=older_than))
        columns = [
            jobs.c[name] for name in ("id", "attempts", "worker", "stage", "done", "reached", "cancel_requested")
        ]
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(*columns).where(stale)).all()
        changed = []
        for row in rows:
            where = (*_as_attempt(row.id, row.attempts), stale)
            reached = dict(row.reached or {})
            further = row.done > reached.get(row.stage, 0)
            if further:
                reached[row.stage] = row.done
            if further or row.attempts < MAX_ATTEMPTS or row.cancel_requested:
                done = self._give_back(where, reached=reached)
            else:
                reason = f"its worker ({row.worker}) died, as did the one before: see the job's log, then retry"
                done = self._change(*where, status="failed", finished=now(), error=reason) is not None
            if done:
                changed.append(self._job(row.id))
        return changed

    def _give_back(self, where: Sequence[Any], **values: Any) -> bool:
        cancelled = jobs.c.cancel_requested
        fresh = {"stage": "", "done": 0, "total": 0, "worker": None, "device": None, "started": None, "heartbeat": None}
        changed = self._change(
            *where,
            jobs.c.status == "running",
            status=sa.case((cancelled, "cancelled"), else_="queued"),
            finished=sa.case((cancelled, sa.literal(now(), jobs.c.finished.type)), else_=None),
            **fresh,
            **values,
        )
        return changed is not None

    def _job(self, job_id: str) -> Job:
        with self._database.reading() as connection:
            row = connection.execute(sa.select(jobs).where(jobs.c.id == job_id)).mappings().one()
        return _as_job(row)

    def _change(self, which: Any, /, *conditions: Any, **values: Any) -> Job | None:
        """Changes one job if the conditions hold at that moment: the only way a job is ever changed.

        Two processes that try at once are put in order by the database, and the second finds its condition broken.
        """
        with self._database.writing() as connection:
            if connection.execute(jobs.update().where(which, *conditions).values(values)).rowcount == 0:
                return None
            row = connection.execute(sa.select(jobs).where(which)).mappings().one()
        return _as_job(row)

    def list(self, status: Status | None = None, limit: int = 100) -> list[Job]:  # last: it hides the type here
        """The latest `limit` jobs, newest first, of one status or of any."""
        query = sa.select(jobs).order_by(jobs.c.number.desc()).limit(limit)
        if status is not None:
            query = query.where(jobs.c.status == status)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [_as_job(row) for row in rows]


def _as_attempt(job_id: str, attempt: int | None) -> tuple[Any, ...]:
    same = jobs.c.id == job_id
    return (same,) if attempt is None else (same, jobs.c.attempts == attempt)


def _as_job(row: Any) -> Job:
    values = {name: row[name] for name in Job.__dataclass_fields__ if name != "request"}
    try:
        return Job(request=REQUEST.validate_python(row["request"]), **values)
    except ValidationError as error:
        raise StoreError(f"job {row['id']} was submitted by another version of domlora: upgrade domlora") from error
