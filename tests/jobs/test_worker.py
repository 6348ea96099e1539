"""Jobs in real processes: they end, fail, are cancelled and survive the death of whoever runs them.

The job function is a stand-in: the request's `model` says how it behaves.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from domlora.errors import JobError, ProbeError, StoreError
from domlora.jobs import child as child_module
from domlora.jobs import local
from domlora.jobs.child import Reporter, describe
from domlora.jobs.queue import Queue
from domlora.jobs.spec import ProbeRequest, SweepRequest
from domlora.jobs.worker import Worker
from domlora.store.store import Store
from tests.helpers.waiting import PATIENCE, eventually

ROOT = Path(__file__).parents[2]

CHILD = """
import os, signal, sys, time
from pathlib import Path
from domlora.errors import TaskError
from domlora.jobs import child
from domlora.jobs.queue import Queue

def wait_for_the_end():
    while True:
        signal.pause()

def compute(request, store, progress, job_id):
    assert Queue(store).get(job_id).request.model == request.model
    print("computing", request.model, "on", request.device)
    marker = Path(os.environ["DOMLORA_HOME"]) / "started"
    if request.model == "slow-at-first" and not marker.exists():
        marker.touch()
        wait_for_the_end()
    if request.model == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if request.model in ("slow", "stubborn"):
        progress("probing", 1, 8)
        wait_for_the_end()
    if request.model == "further-each-time":  # as a sweep that goes on from its checkpoint
        marker.touch()
        before = len(marker.read_text())
        marker.write_text("x" * (before + 1))
        progress("training", before + 1, 4)
        if before < 3:
            wait_for_the_end()
    if request.model == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if request.model == "crash":
        os.abort()
    if request.model == "vanish":
        os._exit(0)
    if request.model == "mistake":
        raise TaskError("rows.jsonl: no rows to learn from")
    if request.model == "bug":
        raise KeyError("lm_head\\nand more")
    if request.model == "memory":
        raise MemoryError
    if request.model == "meets another":
        deadline = time.monotonic() + 180
        while time.monotonic() < deadline and not met(store, request.model):
            time.sleep(0.02)
    for done in range(9):
        progress("probing", done, 8)
    return f"{request.model}@{request.device}"

def met(store, model):  # two jobs of this model have started
    return sum(job.request.model == model and job.started is not None for job in Queue(store).list()) > 1

child.KINDS.update(probe="__main__:compute", sweep="__main__:compute")
child.BEAT_SECONDS = 0.2
sys.exit(child.main())
"""

WORKER = """
import logging, sys
from domlora.jobs.worker import Worker, serve
from domlora.store.store import Store
logging.basicConfig(level=logging.INFO)
worker = Worker(Store(), child_command=[sys.executable, sys.argv[1]], stale=1.5, poll=0.05, grace=0.5)
sys.exit(serve(worker, idle_exit=float(sys.argv[2])))
"""


@pytest.fixture
def store(home):
    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def child_script(tmp_path):
    path = tmp_path / "child.py"
    path.write_text(CHILD, encoding="utf-8")
    return str(path)


@pytest.fixture
def start_worker(tmp_path, child_script):
    """Starts worker processes; what is left of them and of their jobs at the end is killed."""
    script = tmp_path / "worker.py"
    script.write_text(WORKER, encoding="utf-8")
    started = []

    def start(idle_exit: float = 10 * PATIENCE) -> subprocess.Popen:
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        log = open(tmp_path / f"worker{len(started)}.log", "wb")  # noqa: SIM115
        with log:
            command = [sys.executable, str(script), child_script, str(idle_exit)]
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for worker in started:
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(worker.pid).children():
                process.kill()
        worker.kill()
        worker.wait()


def submit(store: Store, model: str, device: str = "auto"):
    return Queue(store).submit(ProbeRequest(model=model, task="math", device=device))


def until(store: Store, job, status: str):
    return eventually(lambda: (now := Queue(store).get(job.id)).status == status and now)


def work(store: Store, child_script: str, devices=("auto",)) -> None:
    """Runs a worker in this process until the queue is empty."""
    Worker(store, devices, child_command=[sys.executable, child_script], poll=0.02).run(idle_exit=0.1)


def only_child(worker: subprocess.Popen) -> psutil.Process:
    (child,) = psutil.Process(worker.pid).children()
    return child


def test_jobs_end_with_a_result_or_with_one_line_that_says_why(store, child_script):
    names = ["quick", "mistake", "bug", "memory", "killed", "crash", "vanish"]
    ids = {name: submit(store, name).id for name in names}
    work(store, child_script)
    jobs = {name: Queue(store).get(job_id) for name, job_id in ids.items()}
    assert (jobs["quick"].status, jobs["quick"].result, jobs["quick"].error) == ("done", "quick@auto", None)
    assert (jobs["quick"].stage, jobs["quick"].done, jobs["quick"].total) == ("probing", 8, 8)
    errors = {name: job.error for name, job in jobs.items() if name != "quick"}
    assert all(jobs[name].status == "failed" for name in errors)
    assert errors == {
        "mistake": "rows.jsonl: no rows to learn from",
        "bug": "KeyError: 'lm_head\\nand more'",
        "memory": "out of memory: try fewer --samples, a shorter --max-length or bfloat16",
        "killed": "the job's process was killed by signal 9 (out of memory? try fewer --samples, a shorter "
        "--max-length or bfloat16)",
        "crash": "the job's process was killed by signal 6 (SIGABRT): see the job's log",
        "vanish": "the job's process ended with status 0 but without a result: see its log",
    }
    assert all(job.finished and job.worker == f"{os.uname().nodename}:{os.getpid()}" for job in jobs.values())
    log = local.log_tail(ids["bug"], 100)
    assert log.startswith("attempt 1") and "computing bug" in log and "Traceback" in log and "KeyError" in log


def test_devices_run_side_by_side_each_with_the_jobs_meant_for_it(store, child_script):
    jobs = [
        submit(store, "meets another"), submit(store, "meets another"), submit(store, "quick", "cpu"),
        submit(store, "quick", "cuda:1"), submit(store, "quick", "cuda"),
    ]  # fmt: skip
    work(store, child_script, ["cuda:0", "cuda:1"])
    done = [Queue(store).get(job.id) for job in jobs]
    assert all(job.status == "done" for job in done)
    assert done[1].started < done[0].finished, "the second device did not wait for the first"
    assert all(job.result.endswith(f"@{job.device}") for job in (done[0], done[1], done[3], done[4]))
    assert (done[2].result, done[3].result) == ("quick@cpu", "quick@cuda:1")
    for device in ("cuda:0", "cuda:1"):
        times = sorted((job.started, job.finished) for job in done if job.device == device)
        assert all(end <= start for (_, end), (start, _) in pairwise(times)), "one at a time"


def test_cancel_ends_a_running_job_and_leaves_the_worker_at_work(store, start_worker):
    worker = start_worker()
    job = submit(store, "slow")
    eventually(lambda: Queue(store).get(job.id).done == 1)
    child = only_child(worker)
    Queue(store).cancel(job.id)
    cancelled = until(store, job, "cancelled")
    assert cancelled.finished is not None and cancelled.error is None and not child.is_running()
    assert until(store, submit(store, "quick"), "done")


def test_cancel_ends_a_job_that_ignores_sigterm(store, start_worker):
    start_worker()
    job = submit(store, "stubborn")
    eventually(lambda: Queue(store).get(job.id).done == 1)
    Queue(store).cancel(job.id)
    until(store, job, "cancelled")


def test_job_whose_process_is_killed_fails_with_the_reason(store, start_worker):
    worker = start_worker()
    job = submit(store, "slow")
    eventually(lambda: Queue(store).get(job.id).done == 1)
    only_child(worker).kill()
    assert "killed by signal 9 (out of memory? try fewer --samples" in until(store, job, "failed").error


def test_sweep_that_runs_out_of_memory_is_told_what_helps_a_sweep(store, child_script):
    names = ["memory", "killed"]
    ids = [Queue(store).submit(SweepRequest(model=name, task="math")).id for name in names]
    work(store, child_script)
    hint = "try a smaller batch, a shorter --max-length or bfloat16"
    assert [Queue(store).get(id).error for id in ids] == [
        f"out of memory: {hint}",
        f"the job's process was killed by signal 9 (out of memory? {hint})",
    ]


def test_job_of_a_killed_worker_is_finished_by_the_next_and_leaves_no_orphan(store, start_worker, home):
    first = start_worker()
    job = submit(store, "slow-at-first")
    eventually((home / "started").exists)
    child = only_child(first)
    assert local.worker_alive()
    first.kill()
    first.wait()
    assert not local.worker_alive()
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert Queue(store).get(job.id).status == "running", "nobody has noticed yet"
    start_worker()
    done = until(store, job, "done")
    assert (done.result, done.attempts) == ("slow-at-first@auto", 2)
    assert "the worker is gone" in local.log_tail(job.id, 100)


def test_sweep_is_taken_up_for_as_long_as_it_gets_further(store, start_worker, home):
    job = Queue(store).submit(SweepRequest(model="further-each-time", task="math"))
    for step in (1, 2, 3):
        worker = start_worker()
        eventually(lambda step=step: Queue(store).get(job.id).done == step)
        worker.kill()
        worker.wait()
    start_worker()
    done = until(store, job, "done")
    assert (done.result, done.attempts) == ("further-each-time@auto", 4)


@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT])
def test_stopped_worker_gives_its_job_back(store, start_worker, kind):
    worker = start_worker()
    job = submit(store, "slow")
    eventually(lambda: Queue(store).get(job.id).done == 1)
    child = only_child(worker)
    worker.send_signal(kind)
    assert worker.wait(PATIENCE) == 0
    left = Queue(store).get(job.id)
    assert (left.status, left.attempts, left.worker, left.error) == ("queued", 0, None, None)
    assert not child.is_running()


def test_worker_outlives_a_locked_store(store, start_worker, tmp_path, monkeypatch):
    monkeypatch.setattr("domlora.store.database.BUSY_SECONDS", 0)
    submit(store, "quick")
    (tmp_path / "worker.py").write_text(
        "import domlora.store.database as d; d.BUSY_SECONDS = 0\n" + WORKER, encoding="utf-8"
    )
    with store.database.writing():
        worker = start_worker()
        eventually(lambda: "locked by another process" in (tmp_path / "worker0.log").read_text(encoding="utf-8"))
        assert worker.poll() is None
    until(store, Queue(store).list()[0], "done")
    assert "the store works again" in (tmp_path / "worker0.log").read_text(encoding="utf-8")


def test_idle_worker_goes_and_a_second_one_is_refused(store, start_worker, tmp_path):
    first = start_worker()
    eventually(local.worker_alive)
    second = start_worker()
    assert second.wait(PATIENCE) == 1
    assert "serves the store already" in (tmp_path / "worker1.log").read_text(encoding="utf-8")
    first.terminate()
    assert first.wait(PATIENCE) == 0
    idle = start_worker(idle_exit=0.2)
    assert idle.wait(PATIENCE) == 0 and not local.worker_alive()
    assert " serves" in (tmp_path / "worker2.log").read_text(encoding="utf-8")


def test_ensure_worker_starts_one_worker_however_many_call(store):
    job = Queue(store).submit(ProbeRequest(model="nowhere", task="/nowhere/rows.jsonl"))
    code = "from domlora.jobs.local import ensure_worker; ensure_worker(); ensure_worker()"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    callers = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(4)]
    assert [caller.wait(PATIENCE) for caller in callers] == [0] * 4
    assert local.worker_alive(), "from the moment that ensure_worker returns"
    failed = until(store, job, "failed")  # by the real job function: such a task does not exist
    assert "/nowhere/rows.jsonl" in failed.error and "\n" not in failed.error
    worker = psutil.Process(int(failed.worker.rpartition(":")[2]))
    try:
        mine = [p for p in psutil.process_iter() if _serves(p, os.environ["DOMLORA_HOME"])]
        assert mine == [worker]
        assert os.getsid(worker.pid) == worker.pid, "it does not end with the terminal"
        local.ensure_worker()
        worker.terminate()
        eventually(lambda: not local.worker_alive())
        log = (local.log_path("0").parent / "worker.log").read_text(encoding="utf-8")
        assert log.count(" serves") == 1
    finally:
        with suppress(psutil.NoSuchProcess):
            worker.kill()


def _serves(process: psutil.Process, home: str) -> bool:
    try:
        return "domlora.jobs.worker" in process.cmdline() and process.environ().get("DOMLORA_HOME") == home
    except psutil.Error:
        return False


def test_each_store_of_a_home_has_a_worker_of_its_own(home):
    lock = local.take_lock("sqlite:////elsewhere.db")
    assert local.worker_alive("sqlite:////elsewhere.db") and not local.worker_alive()
    assert local.take_lock("sqlite:////elsewhere.db") is None
    os.close(lock)
    assert not local.worker_alive("sqlite:////elsewhere.db")


def test_log_tail_shows_what_a_terminal_would(home):
    assert local.log_tail("abc123", 5) == ""
    path = local.log_path("abc123")
    path.write_bytes(b"x" * 300_000 + b"\nfirst\n10%\r50%\r100%\nsecond \xff\r\n\n")
    assert local.log_tail("abc123", 2) == "100%\nsecond \ufffd"
    assert local.log_tail("abc123", 0) == ""
    for odd in ("../domlora", "", "abc/def", "ABC\n"):
        with pytest.raises(JobError, match="is no job id"):
            local.log_tail(odd, 5)


class Recorder:
    """Takes reports as a store does, or fails as a full one does."""

    def __init__(self, full: bool = False) -> None:
        self.reports: list[tuple[str, int, int]] = []
        self.full = full

    def report(self, job_id: str, stage: str, done: int, total: int) -> None:
        if self.full:
            raise StoreError("the disk is full")
        self.reports.append((stage, done, total))


def test_progress_is_thinned_but_keeps_the_first_and_last_of_a_stage(monkeypatch):
    monkeypatch.setattr(child_module, "time", SimpleNamespace(monotonic=lambda: 100.0))  # a clock that stands still
    recorder = Recorder()
    report = Reporter(recorder, "job")
    report("loading", 0, 0)
    for done in range(1, 1001):
        report("probing", done, 1000)
    report("writing", 0, 0)
    report("writing", 1, 0)
    report.flush()
    assert recorder.reports == [
        ("loading", 0, 0), ("probing", 1, 1000), ("probing", 1000, 1000), ("writing", 0, 0), ("writing", 1, 0),
    ]  # fmt: skip


def test_progress_that_cannot_be_stored_does_not_end_the_job(capsys):
    report = Reporter(Recorder(full=True), "job")
    report("probing", 0, 8)
    assert "the disk is full" in capsys.readouterr().err


def test_reasons_are_one_line():
    class OutOfMemoryError(RuntimeError):
        """Named as torch's."""

    assert describe(ProbeError("the loss is\n not finite"), "probe") == "the loss is"
    assert describe(OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "probe").startswith(
        "out of memory: try"
    )
    assert describe(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "sweep").startswith(
        "out of memory"
    )
    assert describe(RuntimeError("\n\nshapes differ\nhere"), "sweep") == "RuntimeError: shapes differ"
    assert describe(ValueError(), "probe") == "ValueError"


@pytest.mark.parametrize("devices", [[], ["cuda:0", "cuda:0"]])
def test_worker_needs_different_devices(store, devices):
    with pytest.raises(JobError, match="one or more different devices"):
        Worker(store, devices)
