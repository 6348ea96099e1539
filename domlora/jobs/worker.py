"""The worker: takes queued jobs from the store, one a device, and sees each through in a child process.

In: a store and devices. Out: every job that it claimed has ended, or is back in the queue. The worker computes nothing
and imports no torch, so that it outlives whatever a job does. `python -m domlora.jobs.worker` runs it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from domlora.errors import DomLoRAError, JobError, StoreError
from domlora.jobs import local
from domlora.jobs.child import MEMORY_HINTS
from domlora.jobs.queue import Queue
from domlora.jobs.spec import Job, Outcome
from domlora.store.store import Store

CHILD_COMMAND = (sys.executable, "-m", "domlora.jobs.child")
STALE_SECONDS = 60.0  # a running job without a heartbeat for so long has lost its worker

log = logging.getLogger("domlora.worker")


@dataclass
class Running:
    """A job and the process that computes it; `ending` is when it was asked to end."""

    job: Job
    process: subprocess.Popen[bytes]
    ending: float | None = None


class Worker:
    """Runs the store's jobs, one child process a device at a time.

    Args:
        store: where jobs are queued and ended.
        devices: what to serve at once: `["auto"]`, `["cuda:0", "cuda:1"]`.
        child_command: the process of a job; `JOB_ID --parent PID` is added.
        stale: seconds without a heartbeat after which another worker's job is taken back.
        poll: seconds between two looks at children and queue.
        grace: seconds between asking a child to end and killing it.
    """

    def __init__(
        self,
        store: Store,
        devices: Sequence[str] = ("auto",),
        *,
        child_command: Sequence[str] = CHILD_COMMAND,
        stale: float = STALE_SECONDS,
        poll: float = 0.3,
        grace: float = 5.0,
    ) -> None:
        if not devices or len(set(devices)) < len(devices):
            raise JobError(f"a worker serves one or more different devices, not {', '.join(devices) or 'none'}")
        self.store, self.queue = store, Queue(store)
        self.name = f"{socket.gethostname()}:{os.getpid()}"
        self.stopped = False
        self._slots: dict[str, Running | None] = dict.fromkeys(devices)
        self._command = tuple(child_command)
        self._stale, self._poll, self._grace = stale, poll, grace
        self._recovered = float("-inf")
        self._trouble: str | None = None

    def run(self, idle_exit: float | None = None) -> None:
        """Serves until SIGTERM, SIGINT or `stop`, or until it had nothing to do for `idle_exit` seconds.

        Whatever still runs then is ended and queued again.
        """
        busy = time.monotonic()
        with _on_signal(self.stop):
            try:
                while not self.stopped:
                    self._step()
                    if any(self._slots.values()):
                        busy = time.monotonic()
                    elif idle_exit is not None and time.monotonic() - busy >= idle_exit:
                        return
                    time.sleep(self._poll)
            finally:
                self._give_back()

    def stop(self) -> None:
        """Makes `run` end soon."""
        self.stopped = True

    def _step(self) -> None:
        """One look at everything. A store that fails is named in the log, and asked again at the next look."""
        try:
            self._recover()
            for device, running in self._slots.items():
                if running is None or self._watch(running):
                    self._slots[device] = self._launch(device)
            if self._trouble:
                log.info("the store works again")
            self._trouble = None
        except DomLoRAError as error:
            if str(error) != self._trouble:
                log.error("%s", error)
            self._trouble = str(error)

    def _recover(self) -> None:
        """Takes back the jobs of dead workers; first beats for its own, in case this machine was asleep."""
        if time.monotonic() - self._recovered < min(10.0, self._stale / 2):
            return
        for running in filter(None, self._slots.values()):
            self.queue.beat(running.job.id, running.job.attempts)
        for job in self.queue.recover(self._stale):
            log.warning("job %s had lost its worker: now %s", job.id, job.status)
        self._recovered = time.monotonic()

    def _launch(self, device: str) -> Running | None:
        """Claims a job for a free device and starts its process."""
        job = self.queue.claim(self.name, device, leave=[other for other in self._slots if other != device])
        if job is None:
            return None
        try:
            with open(local.log_path(job.id), "ab") as output:
                output.write(f"attempt {job.attempts} by {self.name} on {device}, {job.started}\n".encode())
                output.flush()
                process = subprocess.Popen(
                    [*self._command, job.id, "--parent", str(os.getpid())],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    env=local.environment(self.store.url),
                    start_new_session=True,  # Ctrl-C is for the worker, and a kill reaches what a job has started
                )
        except OSError as error:
            self.queue.finish(job.id, "failed", error=f"the job's process could not be started: {error}")
            return None
        log.info("job %s started on %s, process %d", job.id, device, process.pid)
        return Running(job, process)

    def _watch(self, running: Running) -> bool:
        """Ends what is to be cancelled, and records what ended by itself. True once the device is free."""
        code = running.process.poll()
        if code is not None:
            self._conclude(running, code)
            return True
        job = self.queue.get(running.job.id)
        if job.cancel_requested or not self._owns(running, job):
            if running.ending is None:
                log.info("job %s is to end", job.id)
                running.ending = time.monotonic()
                _signal(running.process, signal.SIGTERM)
            elif time.monotonic() - running.ending > self._grace:
                _signal(running.process, signal.SIGKILL)
        return False

    def _conclude(self, running: Running, code: int) -> None:
        """Records the end of a job whose process ended without doing so."""
        job = self.queue.get(running.job.id)
        if self._owns(running, job):
            status: Outcome = "cancelled" if job.cancel_requested else "failed"
            error = None if job.cancel_requested else _reason(code, job)
            self.queue.finish(job.id, status, error=error, attempt=running.job.attempts)
            job = self.queue.get(job.id)
        log.info("job %s: %s%s", job.id, job.status, f", {job.error}" if job.error else "")

    def _owns(self, running: Running, job: Job) -> bool:
        """Whether the store still says that this worker runs the job, in this attempt."""
        return job.status == "running" and (job.worker, job.attempts) == (self.name, running.job.attempts)

    def _give_back(self) -> None:
        """Ends all children and queues their jobs again."""
        left = [running for running in self._slots.values() if running is not None]
        for running in left:
            _signal(running.process, signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        for running in left:
            with suppress(subprocess.TimeoutExpired):
                running.process.wait(max(0.0, deadline - time.monotonic()))
            _signal(running.process, signal.SIGKILL)
            running.process.wait()
            try:
                if self.queue.release(running.job.id, running.job.attempts):
                    log.info("job %s given back", running.job.id)
            except StoreError as error:
                log.error("job %s could not be given back, the next worker will find it: %s", running.job.id, error)
        self._slots = dict.fromkeys(self._slots)


def parser() -> argparse.ArgumentParser:
    """The options of `domlora worker`."""
    found = argparse.ArgumentParser(prog="domlora worker", description="Computes the queued jobs of the store.")
    found.add_argument(
        "--device", action="append", metavar="DEVICE", help="serve this device; may be repeated (default: auto)"
    )
    found.add_argument(
        "--idle-exit", type=float, metavar="SECONDS", help="end after so long without a job (default: never)"
    )
    found.add_argument("--lock-fd", type=int, help=argparse.SUPPRESS)  # the lock that `ensure_worker` hands over
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """`domlora worker`: 0 when it was stopped or had nothing left to do, 1 if it cannot serve."""
    arguments = parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(message)s")
    try:
        store = Store()
        return serve(Worker(store, arguments.device or ["auto"]), arguments.idle_exit, arguments.lock_fd)
    except DomLoRAError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def serve(worker: Worker, idle_exit: float | None = None, lock: int | None = None) -> int:
    """Runs the worker under the lock of this home (or under `lock`, an open file that holds it already).

    Raises:
        JobError: another worker of this home serves the store.
    """
    url = worker.store.url
    lock = local.take_lock(url) if lock is None else lock
    if lock is None:
        raise JobError("a worker of this home serves the store already, and takes all jobs: end it to start another")
    while True:
        log.info("worker %s serves", worker.name)
        worker.run(idle_exit)
        os.close(lock)
        # Who submitted a job while we still held the lock relied on us.
        if worker.stopped or not worker.queue.list("queued", limit=1):
            return 0
        lock = local.take_lock(url)
        if lock is None:
            return 0


@contextmanager
def _on_signal(stop: Any) -> Iterator[None]:
    kinds = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(kind, lambda *_: stop()) for kind in kinds]
    try:
        yield
    finally:
        for kind, handler in zip(kinds, before, strict=True):
            signal.signal(kind, handler)


def _signal(process: subprocess.Popen[bytes], kind: signal.Signals) -> None:
    """To the child and what it has started; without effect once it has been waited for."""
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, kind)


def _reason(code: int, job: Job) -> str:
    if code == -signal.SIGKILL:
        return f"the job's process was killed by signal 9 (out of memory? {MEMORY_HINTS[job.request.kind]})"
    if code < 0:
        return f"the job's process was killed by signal {-code} ({signal.Signals(-code).name}): see the job's log"
    last = local.log_tail(job.id, 1) if code else ""
    return f"the job's process ended with status {code} but without a result: {last or 'see its log'}"


if __name__ == "__main__":
    sys.exit(main())
