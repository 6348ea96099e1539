"""The queue: a job is taken once, ends once, and is told to the next worker when its own dies.

Runs on SQLite; on PostgreSQL too where $DOMLORA_TEST_POSTGRES names an empty database (all its tables are dropped).
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domlora.comparison.config import SweepConfig
from domlora.errors import JobError, StoreError
from domlora.jobs.queue import Queue
from domlora.jobs.spec import ProbeRequest, SweepRequest
from domlora.placements.methods import METHODS
from domlora.probes.config import ProbeConfig
from domlora.store import schema
from domlora.store.store import Store
from tests.helpers.stores import REQUEST, ROOT, SWEEP, empty_store


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, home):
    opened = Store(empty_store(request.param))
    yield opened
    opened.close()


def in_the_past(store: Store, seconds: float) -> None:
    """As if every heartbeat had stopped so long ago."""
    with store.database.writing() as connection:
        then = datetime.now(UTC) - timedelta(seconds=seconds)
        connection.execute(schema.jobs.update().values(heartbeat=then))


def test_job_lives_from_queue_to_result(store):
    request = ProbeRequest(model="grüße/模型", task="rows.jsonl", config=ProbeConfig(samples=3), refresh=True)
    job = Queue(store).submit(request)
    assert (job.status, job.request, job.attempts, job.worker) == ("queued", request, 0, None)
    assert abs(datetime.now(UTC) - job.created) < timedelta(minutes=1)
    claimed = Queue(store).claim("host:1", "cuda:0")
    assert (claimed.id, claimed.status, claimed.attempts, claimed.device) == (job.id, "running", 1, "cuda:0")
    assert claimed.started is not None and claimed.heartbeat is not None
    Queue(store).report(job.id, "probing", 2, 3)
    assert Queue(store).beat(job.id)
    running = Queue(store).get(job.id[:8])
    assert (running.stage, running.done, running.total) == ("probing", 2, 3)
    assert Queue(store).finish(job.id, "done", result="abcdef") and Queue(store).get(job.id).ended
    assert (Queue(store).get(job.id).result, Queue(store).get(job.id).error) == ("abcdef", None)
    assert Queue(store).claim("host:1", "cuda:0") is None


def test_jobs_are_listed_newest_first_and_claimed_oldest_first(store):
    ids = [Queue(store).submit(REQUEST).id for _ in range(5)]
    assert [job.id for job in Queue(store).list()] == ids[::-1]
    assert [Queue(store).claim("w", "auto").id for _ in range(3)] == ids[:3]
    assert [job.id for job in Queue(store).list("queued")] == ids[:2:-1]
    assert [job.id for job in Queue(store).list(limit=2)] == ids[:2:-1]


def test_ended_job_is_never_overwritten(store):
    job = Queue(store).submit(REQUEST)
    Queue(store).claim("w", "auto")
    assert Queue(store).finish(job.id, "failed", error="no memory")
    ended = Queue(store).get(job.id)
    assert not Queue(store).finish(job.id, "done", result="x") and not Queue(store).beat(job.id)
    Queue(store).report(job.id, "late", 1, 1)
    assert Queue(store).get(job.id) == ended
    with pytest.raises(JobError, match=r"has ended already \(failed\)"):
        Queue(store).cancel(job.id)


def test_cancel_ends_a_queued_job_and_flags_a_running_one(store):
    queued = Queue(store).cancel(Queue(store).submit(REQUEST).id)
    assert queued.status == "cancelled" and queued.finished is not None
    running = Queue(store).submit(REQUEST)
    Queue(store).claim("w", "auto")
    flagged = Queue(store).cancel(running.id[:6])
    assert (flagged.id, flagged.status, flagged.cancel_requested) == (running.id, "running", True)
    assert flagged.finished is None


def test_unknown_and_running_jobs_are_one_line(store):
    with pytest.raises(JobError, match=r"no job 'feed'"):
        Queue(store).get("feed")
    job = Queue(store).submit(REQUEST)
    with pytest.raises(JobError, match=r"still queued"):
        Queue(store).retry(job.id)
    Queue(store).cancel(job.id)
    again = Queue(store).retry(job.id)
    assert (again.status, again.request) == ("queued", REQUEST) and again.id != job.id


def test_jobs_of_every_kind_share_a_queue(store):
    ids = [Queue(store).submit(request).id for request in (REQUEST, SWEEP, REQUEST)]
    assert [Queue(store).claim("w", "auto").request for _ in ids] == [REQUEST, SWEEP, REQUEST]


def test_job_of_an_unknown_kind_is_one_line(store):
    job = Queue(store).submit(REQUEST)
    with store.database.writing() as connection:
        connection.execute(schema.jobs.update().values(request={"kind": "dream", "model": "a", "task": "b"}))
    with pytest.raises(StoreError, match=rf"job {job.id} was submitted by another version of domlora"):
        Queue(store).get(job.id)


def test_job_for_a_device_waits_for_it(store):
    second = Queue(store).submit(REQUEST.model_copy(update={"device": "cuda:1"}))
    cpu = Queue(store).submit(REQUEST.model_copy(update={"device": "cpu"}))
    assert Queue(store).claim("w", "cuda:0", leave=["cuda:1"]).id == cpu.id
    assert Queue(store).claim("w", "cuda:0", leave=["cuda:1"]) is None
    assert Queue(store).claim("w", "cuda:1", leave=["cuda:0"]).id == second.id


def test_recover_requeues_once_then_fails_and_honours_a_cancel(store):
    job, cancelled, alive = (Queue(store).submit(REQUEST) for _ in range(3))
    for _ in range(3):
        Queue(store).claim("host:1", "auto")
    Queue(store).report(job.id, "probing", 5, 8)
    Queue(store).cancel(cancelled.id)
    assert Queue(store).recover(30) == []
    in_the_past(store, 60)
    Queue(store).beat(alive.id)
    assert {(found.id, found.status) for found in Queue(store).recover(30)} == {
        (job.id, "queued"),
        (cancelled.id, "cancelled"),
    }
    requeued = Queue(store).get(job.id)
    assert (requeued.worker, requeued.heartbeat, requeued.done, requeued.attempts) == (None, None, 0, 1)
    assert Queue(store).claim("host:2", "auto").attempts == 2
    assert not Queue(store).beat(job.id, attempt=1), "the first attempt's process is not the job any more"
    assert not Queue(store).finish(job.id, "failed", error="late", attempt=1)
    in_the_past(store, 60)
    Queue(store).beat(alive.id)
    (failed,) = Queue(store).recover(30)
    assert failed.status == "failed" and "worker (host:2) died" in failed.error and "\n" not in failed.error


def die(store: Store, job, *reports: tuple[str, int]) -> str:
    """One attempt that reports so and loses its worker; what becomes of the job."""
    assert Queue(store).claim("host:1", "auto").id == job.id
    for stage, done in reports:
        Queue(store).report(job.id, stage, done, 60)
    in_the_past(store, 60)
    (found,) = Queue(store).recover(30)
    return found.status


def test_job_that_gets_further_each_time_is_queued_again(store):
    job = Queue(store).submit(SWEEP)
    assert [die(store, job, ("probing", 32), ("training", done)) for done in (5, 9, 30)] == ["queued"] * 3
    assert die(store, job, ("training", 60), ("testing", 2)) == "queued", "a later stage is further too"
    assert die(store, job, ("training", 60), ("testing", 3)) == "queued"
    assert Queue(store).get(job.id).attempts == 5
    assert die(store, job, ("training", 60), ("testing", 3)) == "failed", "twice at the same place"


def test_job_that_gets_no_further_fails(store):
    for reports in ([], [("loading the model", 0)], [("training", 30)]):
        job = Queue(store).submit(SWEEP)
        assert [die(store, job, *reports) for _ in range(2)] == ["queued", "failed"]
    job = Queue(store).submit(SWEEP)
    assert [die(store, job, ("training", done)) for done in (5, 30, 20)] == ["queued", "queued", "failed"]
    assert Queue(store).get(job.id).error.startswith("its worker (host:1) died, as did the one before")


def test_released_job_counts_as_never_started(store):
    job = Queue(store).submit(REQUEST)
    claimed = Queue(store).claim("w", "auto")
    assert Queue(store).release(job.id, claimed.attempts)
    assert (Queue(store).get(job.id).status, Queue(store).get(job.id).attempts) == ("queued", 0)
    Queue(store).claim("w", "auto")
    Queue(store).cancel(job.id)
    assert Queue(store).release(job.id, 1) and Queue(store).get(job.id).status == "cancelled"
    assert not Queue(store).release(job.id, 1)


def test_text_that_databases_refuse_is_stored_readably(store):
    job = Queue(store).submit(REQUEST)
    Queue(store).claim("w", "auto")
    Queue(store).finish(job.id, "failed", error="cannot read \udcff\0.jsonl")
    assert Queue(store).get(job.id).error == "cannot read ? .jsonl"


CLAIMER = """
import sys
from domlora.jobs.queue import Queue
from domlora.store.store import Store
store = Store(sys.argv[2] or None)
sys.stdin.readline()
while job := Queue(store).claim(sys.argv[1], "auto"):
    print(job.id)
    Queue(store).finish(job.id, "done", result=sys.argv[1])
"""


def test_processes_never_share_a_job(store):
    ids = {Queue(store).submit(REQUEST).id for _ in range(50)}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", CLAIMER, f"w{i}", store.url or ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            encoding="utf-8",
        )
        for i in range(3)
    ]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    taken = [worker.communicate()[0].split() for worker in workers]
    assert all(worker.returncode == 0 for worker in workers)
    together = [job for share in taken for job in share]
    assert len(together) == 50 and set(together) == ids
    assert all(job.attempts == 1 for job in Queue(store).list())


common = {
    "model": st.text(),
    "revision": st.none() | st.text(),
    "task": st.text(),
    "device": st.sampled_from(["auto", "cpu", "cuda:1"]),
    "refresh": st.booleans(),
}
probe_configs = st.builds(
    ProbeConfig,
    alpha=st.floats(min_value=1e-300, allow_infinity=False),
    seed=st.integers(0, 2**63),
    samples=st.integers(1, 10**6),
    split=st.text(),
)
sweep_configs = st.builds(
    SweepConfig,
    placements=st.lists(st.text(), min_size=1, unique=True),
    methods=st.lists(st.sampled_from(sorted(METHODS)), min_size=1, unique=True),
    learning_rates=st.lists(st.floats(min_value=1e-300, max_value=9), min_size=1, unique=True),
    budget=st.none() | st.integers(1, 2**40),
    warmup=st.floats(0, 1, exclude_max=True),
    train_rows=st.none() | st.integers(1, 10**6),
)
requests = st.builds(ProbeRequest, config=probe_configs, **common) | st.builds(
    SweepRequest, probe=probe_configs, sweep=sweep_configs, **common
)


@settings(max_examples=30, deadline=None)
@given(request=requests)
def test_any_request_comes_back_as_it_was(request):
    store = Store("sqlite://")
    job = Queue(store).submit(request)
    assert job.request == Queue(store).get(job.id).request == request and type(job.request) is type(request)
    store.close()


OPERATIONS = {
    "submit": lambda store, job: Queue(store).submit(REQUEST),
    "claim": lambda store, job: Queue(store).claim("w", "auto"),
    "report": lambda store, job: Queue(store).report(job, "probing", 1, 2),
    "beat": lambda store, job: Queue(store).beat(job),
    "cancel": lambda store, job: Queue(store).cancel(job),
    "done": lambda store, job: Queue(store).finish(job, "done", result="map"),
    "failed": lambda store, job: Queue(store).finish(job, "failed", error="why"),
    "release": lambda store, job: Queue(store).release(job, 1),
    "die": lambda store, job: Queue(store).recover(-1),  # every heartbeat counts as stale
}


@settings(max_examples=40, deadline=None)
@given(steps=st.lists(st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 2)), max_size=25))
def test_ended_jobs_stay_and_every_job_is_in_one_lawful_state(steps):
    store = Store("sqlite://")
    ids = [Queue(store).submit(REQUEST).id for _ in range(3)]
    ended = {}
    for name, which in steps:
        try:
            OPERATIONS[name](store, ids[which])
        except JobError:
            assert name == "cancel"
        for job in Queue(store).list():
            assert ended.get(job.id, job) == job
            assert job.ended == (job.finished is not None)
            assert (job.status == "running") <= (job.worker is not None and job.heartbeat is not None)
            assert (job.status == "queued") <= (job.worker is None and not job.cancel_requested)
            assert 0 <= job.attempts <= 3, "the one report of 1 is the only progress"
            if job.ended:
                ended[job.id] = job
    store.close()
