"""What was measured and what is to be: energy maps, jobs and (in `store_runs`) comparisons in one database.

In: energy maps, requests and runs. Out: the same again, after a restart, in another process, on another machine.
SQLite in `home()` by default; `DOMLORA_STORE=postgresql+psycopg://...` for teams. The store computes nothing, starts
nothing, and imports no torch; pandas only where a map is read or written, so that lists and the queue open fast.
"""

from __future__ import annotations

import math
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from domlora.errors import JobError, ProbeError, StoreError
from domlora.jobs.spec import ENDED, Job, Request, Status
from domlora.probes.config import Trained
from domlora.store.database import Database, energy_maps, finite, jobs, now, only, retrying_conflicts, text

if TYPE_CHECKING:
    from domlora.energy.energy_map import EnergyMap
    from domlora.store.runs import Runs

MAX_ATTEMPTS = 2  # a job whose worker died is started so often, and again for as long as it gets further

REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
LIST_SCALARS = (
    "samples",
    "estimator",
    "reduction",
    "seconds",
    "device",
    "dtype",
    "layers",
    "architecture",
    "probe",
    "against",
    "trained",
)


@dataclass(frozen=True)
class Dominant:
    """The module with the largest energy of a map."""

    module: str
    layer: int | None
    kind: str
    share: float


@dataclass(frozen=True)
class MapSummary:
    """What a list shows of an energy map: some of its provenance and `EnergyMap.summary()`.

    Attributes:
        created: when it was measured, in UTC.
        lead: energy of the dominant module over that of the second, inf if no other has any.
        modules: how many were measured.
        probe, against: as in `ProbeConfig`.
        trained: the adapter that was on the model, if any.
    """

    id: str
    key: str
    model: str
    model_revision: str
    architecture: str
    layers: int
    task: str
    task_hash: str
    created: datetime
    samples: int
    estimator: str
    reduction: str
    seconds: float
    device: str
    dtype: str
    dominant: Dominant
    lead: float
    effective_modules: float
    modules: int
    level: str
    verdict: str
    probe: str = "page"
    against: str | None = None
    trained: Trained | None = None


class Store:
    """Energy maps, jobs and comparison runs, shared by every process that opens the same store.

    Attributes:
        url: as given or from $DOMLORA_STORE; None stands for the SQLite file in `home()`.

    Every method raises StoreError, with one line and a way out, where the database cannot be read or written; a write
    that fails or is interrupted leaves the store as it was.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url or os.environ.get("DOMLORA_STORE") or None
        self._database = Database(self.url)

    def close(self) -> None:
        """Gives the connections back; the store opens them again when it is used again."""
        self._database.engine.dispose()

    @cached_property
    def runs(self) -> Runs:
        """The comparisons of this store."""
        from domlora.store.runs import Runs  # only here, so that lists of maps and the queue open fast

        return Runs(self._database)

    # Energy maps

    def add_map(self, energy: EnergyMap) -> str:
        """Keeps a map, in place of one with the same key, and returns its id."""
        from domlora.energy import files as energy_files

        provenance = energy.provenance
        row = {
            "id": energy.id,
            "model": provenance.model,
            "model_revision": provenance.model_revision,
            "task": provenance.task,
            "task_hash": provenance.task_hash,
            "created": _time(provenance.created),
            "summary": finite({**_list_scalars(energy), **energy.summary()}),
            "parquet": energy_files.to_parquet(energy),
        }

        def write() -> None:
            with self._database.writing() as connection:
                update = energy_maps.update().where(energy_maps.c.key == provenance.key).values(row)
                if connection.execute(update).rowcount == 0:
                    connection.execute(energy_maps.insert().values(row | {"key": provenance.key}))

        retrying_conflicts(write)
        return energy.id

    def map(self, id_or_prefix: str) -> EnergyMap:
        """The map whose id or key begins so.

        Raises:
            StoreError: no map does, or several do.
        """
        return self._load(self._key(id_or_prefix))

    def find(self, key: str) -> EnergyMap | None:
        """The map of exactly this key, if it was measured before."""
        with self._database.reading() as connection:
            known = connection.scalar(sa.select(energy_maps.c.key).where(energy_maps.c.key == key))
        return None if known is None else self._load(key)

    def maps(self, run: str | None = None) -> list[MapSummary]:
        """All maps of models as they come, newest first, without their tables.

        Args:
            run: instead the maps that were measured while this comparison trained.
        """
        columns = [column for column in energy_maps.c if column.name != "parquet"]
        query = sa.select(*columns).order_by(energy_maps.c.created.desc(), energy_maps.c.key)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        listed = [_summary(row) for row in rows]
        return [one for one in listed if (one.trained.run if one.trained else None) == run]

    def remove_map(self, id_or_prefix: str) -> str:
        """Forgets a map and returns its id; StoreError as `map`."""
        key = self._key(id_or_prefix)
        with self._database.writing() as connection:
            connection.execute(energy_maps.delete().where(energy_maps.c.key == key))
        return key[:12]

    def _key(self, prefix: str) -> str:
        table = energy_maps.c
        query = sa.select(table.key).where(table.key.startswith(prefix.lower(), autoescape=True)).order_by(table.key)
        with self._database.reading() as connection:
            keys = list(connection.scalars(query))
        if prefix in keys:
            return prefix
        found = only(prefix, [key[:12] for key in keys], "energy map", "`domlora maps`", StoreError)
        return next(key for key in keys if key[:12] == found)

    def _load(self, key: str) -> EnergyMap:
        from domlora.energy import files as energy_files

        with self._database.reading() as connection:
            data = connection.scalar(sa.select(energy_maps.c.parquet).where(energy_maps.c.key == key))
        if data is None:
            raise StoreError(f"energy map {key[:12]} was removed from the store just now")
        try:
            return energy_files.from_parquet(data)
        except ProbeError as error:
            raise StoreError(f"energy map {key[:12]} cannot be read ({error}): remove it and measure again") from error

    # Jobs, as a person sees them

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

    def job(self, id_or_prefix: str) -> Job:
        """The job whose id begins so.

        Raises:
            JobError: no job does, or several do.
        """
        query = sa.select(jobs.c.id).where(jobs.c.id.startswith(id_or_prefix.lower(), autoescape=True))
        with self._database.reading() as connection:
            ids = list(connection.scalars(query.order_by(jobs.c.number)))
        return self._job(only(id_or_prefix, ids, "job", "`domlora jobs list`", JobError))

    def jobs(self, status: Status | None = None, limit: int = 100) -> list[Job]:
        """The latest `limit` jobs, newest first, of one status or of any."""
        query = sa.select(jobs).order_by(jobs.c.number.desc()).limit(limit)
        if status is not None:
            query = query.where(jobs.c.status == status)
        with self._database.reading() as connection:
            rows = connection.execute(query).mappings().all()
        return [_as_job(row) for row in rows]

    def request_cancel(self, job_id: str) -> Job:
        """Cancels a queued job at once; asks the worker of a running one to end it.

        Raises:
            JobError: the job has ended already, or there is none of that id.
        """
        job = self.job(job_id)
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
        job = self.job(job_id)
        if not job.ended:
            raise JobError(f"job {job.id} is still {job.status}: cancel it first, or wait until it has ended")
        return self.submit(job.request)

    # Jobs, as a worker sees them

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
        status: Literal["done", "failed", "cancelled"],
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

    def recover(self, older_than: float) -> list[Job]:
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


def _as_attempt(job_id: str, attempt: int | None) -> tuple[Any, ...]:
    same = jobs.c.id == job_id
    return (same,) if attempt is None else (same, jobs.c.attempts == attempt)


def _as_job(row: Any) -> Job:
    values = {name: row[name] for name in Job.__dataclass_fields__ if name != "request"}
    try:
        return Job(request=REQUEST.validate_python(row["request"]), **values)
    except ValidationError as error:
        raise StoreError(f"job {row['id']} was submitted by another version of domlora: upgrade domlora") from error


def _summary(row: Any) -> MapSummary:
    summary = dict(row["summary"])
    summary["dominant"] = Dominant(**summary["dominant"])
    summary["lead"] = math.inf if summary["lead"] is None else summary["lead"]
    if summary.get("trained"):
        summary["trained"] = Trained(**summary["trained"])
    known = summary | {name: value for name, value in row.items() if name != "summary"}
    # A summary of an earlier version lacks what came later, and that has a default.
    return MapSummary(**{name: known[name] for name in MapSummary.__dataclass_fields__ if name in known})


def _list_scalars(energy: EnergyMap) -> dict[str, Any]:
    known = energy.provenance.config.model_dump() | energy.provenance.model_dump()
    return {name: known[name] for name in LIST_SCALARS}


def _time(text: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise StoreError(f"an energy map with the creation time {text!r}, which is no ISO 8601 date") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
