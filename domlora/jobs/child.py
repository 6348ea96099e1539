"""`python -m domlora.jobs.child JOB_ID`: one job, computed in a process of its own, so that it may crash or be killed.

In: a claimed job in the store. Out: its progress, its heartbeat and its end in the store; everything printed is the
job's log, to which the worker has tied stdout and stderr. This file knows the job only as a function; it imports no
torch, that function does.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from domlora.errors import DomLoRAError, StoreError
from domlora.jobs.queue import Queue
from domlora.jobs.spec import Job, Outcome, Request
from domlora.progress import Progress
from domlora.store.store import Store

# kind of a request -> "module:function" that computes it and returns the id of its result
KINDS = {
    "probe": "domlora.jobs.execute:run_probe",
    "sweep": "domlora.jobs.execute:run_sweep",
    "find": "domlora.jobs.execute:run_find",
}

# (request, store, progress, id of the job or None outside of one)
JobFunction = Callable[[Any, Store, Progress, str | None], str]

REPORT_SECONDS = 0.5
BEAT_SECONDS = 2.0
ORPHANED = 3  # exit status of a job that ended itself because nobody waits for it any more
MEMORY_HINTS = {
    "probe": "try fewer --samples, a shorter --max-length or bfloat16",
    "sweep": "try a smaller batch, a shorter --max-length or bfloat16",
    "find": "try a smaller batch, a shorter --max-length or bfloat16",
}


class Reporter:
    """Progress on its way to the store: the first and last of each stage, between them one every `REPORT_SECONDS`."""

    def __init__(self, queue: Queue, job_id: str) -> None:
        self._queue, self._job_id = queue, job_id
        self._stage: str | None = None
        self._sent = 0.0
        self._waiting: tuple[str, int, int] | None = None

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._waiting = (stage, done, total)
        edge = stage != self._stage or 0 < total <= done
        if edge or time.monotonic() - self._sent >= REPORT_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Sends what was held back. A store that is busy or full costs a report, not the job."""
        if self._waiting is None:
            return
        try:
            self._queue.report(self._job_id, *self._waiting)
        except StoreError as error:
            print(f"progress not stored: {error}", file=sys.stderr)
        self._stage, self._sent, self._waiting = self._waiting[0], time.monotonic(), None


class Heart(threading.Thread):
    """Beats for the job; ends the process when its worker is gone or the job is no longer this process's own."""

    def __init__(self, queue: Queue, job: Job, parent: int) -> None:
        super().__init__(name="heart", daemon=True)
        self._queue, self._job, self._parent = queue, job, parent
        self._stopped = threading.Event()

    def run(self) -> None:
        while not self._stopped.wait(BEAT_SECONDS):
            if os.getppid() != self._parent:
                self._exit("the worker is gone")
            try:
                alive = self._queue.beat(self._job.id, self._job.attempts)
            except StoreError as error:
                print(f"no heartbeat: {error}", file=sys.stderr)
                continue
            if not alive and not self._stopped.is_set():
                self._exit("the job was ended or given to another worker")

    def stop(self) -> None:
        self._stopped.set()

    def _exit(self, reason: str) -> None:
        print(f"stopped: {reason}", file=sys.stderr, flush=True)
        os._exit(ORPHANED)


def main(argv: Sequence[str] | None = None) -> int:
    """Computes the job and returns the exit status: 0 if it is done, 1 if it failed and the store says why."""
    parser = argparse.ArgumentParser(prog="python -m domlora.jobs.child", description="Computes one claimed job.")
    parser.add_argument("job", metavar="JOB_ID")
    parser.add_argument("--parent", type=int, default=os.getppid(), help="the worker's process: ends with it")
    arguments = parser.parse_args(argv)
    try:
        store = Store()
        return run(store, Queue(store).get(arguments.job), arguments.parent)
    except DomLoRAError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def run(store: Store, job: Job, parent: int) -> int:
    """Computes `job` for the worker `parent`; see `main`."""
    queue = Queue(store)
    heart, reporter = Heart(queue, job, parent), Reporter(queue, job.id)
    heart.start()
    result, error = None, None
    try:
        result = _function(job.request.kind)(_on_device(job), store, reporter, job.id)
    except Exception as caught:
        traceback.print_exc()
        error = describe(caught, job.request.kind)
    reporter.flush()
    heart.stop()
    status: Outcome = "done" if error is None else "failed"
    queue.finish(job.id, status, result=result, error=error, attempt=job.attempts)
    return 0 if error is None else 1


def describe(error: Exception, kind: str) -> str:
    """The one line that says why a job of this kind failed."""
    line = " ".join(next((line for line in str(error).splitlines() if line.strip()), "").split())
    if isinstance(error, DomLoRAError):
        return line
    if _is_out_of_memory(error):
        return f"out of memory: {MEMORY_HINTS[kind]}" + (f" ({line})" if line else "")
    return f"{type(error).__name__}: {line}" if line else type(error).__name__


def _is_out_of_memory(error: Exception) -> bool:
    """Python's own, or torch's, which is known here by its name and words since torch is not imported."""
    names = {kind.__name__ for kind in type(error).__mro__}
    text = str(error).lower()
    words = "out of memory" in text or "can't allocate memory" in text
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or (isinstance(error, RuntimeError) and words)


def _function(kind: str) -> JobFunction:
    module, _, name = KINDS[kind].partition(":")
    return getattr(import_module(module), name)


def _on_device(job: Job) -> Request:
    """The request on the device that its worker gave it, where the request leaves that open."""
    given, wanted = job.device or "auto", job.request.device
    if wanted == "auto" or given.startswith(f"{wanted}:"):  # e.g. cuda, given cuda:1
        return job.request.model_copy(update={"device": given})
    return job.request


if __name__ == "__main__":
    sys.exit(main())
