"""This machine's worker: is one alive, start one if not, and where its jobs write their logs.

A worker holds a lock on a file in `home()` for its life, and the lock goes when the process does, however it ends: no
process numbers are kept that could lie. Who submits a job calls `ensure_worker` and need not wait for anything.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path

from domlora import errors, paths
from domlora.errors import JobError
from domlora.training.lock import is_locked

IDLE_SECONDS = 600  # a worker that `ensure_worker` started goes when it had nothing to do for so long
LOCK_PATIENCE = 0.3  # seconds: longer than `worker_alive` ever holds the lock
LOG_TAIL_BYTES = 256 * 1024


def ensure_worker(store_url: str | None = None) -> None:
    """Starts a detached worker unless one is alive for this home and store. Call it after each submit.

    The lock is taken here and handed to the new process, so that of many callers at once one starts a worker.

    Raises:
        JobError: the process cannot be started.
    """
    try:
        lock = take_lock(store_url)
        if lock is None:
            return
        try:
            command = [sys.executable, "-m", "domlora.jobs.worker", "--idle-exit", str(IDLE_SECONDS)]
            with open(_logs() / "worker.log", "ab") as log:
                process = subprocess.Popen(
                    [*command, "--lock-fd", str(lock)],
                    pass_fds=[lock],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment(store_url),
                    start_new_session=True,
                )
        finally:
            os.close(lock)
    except OSError as error:
        raise JobError(f"the worker could not be started ({error}): run `domlora worker` in a terminal") from error
    threading.Thread(target=process.wait, daemon=True).start()  # else it stays a zombie of a long-lived caller


def worker_alive(store_url: str | None = None) -> bool:
    """Whether a worker of this home serves this store."""
    return is_locked(_lock_path(store_url))


def take_lock(store_url: str | None = None) -> int | None:
    """Becomes the one worker of this home and store: an open file to keep, or None if there is one already.

    Raises:
        OSError: the lock file cannot be made.
    """
    path = _lock_path(store_url)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(descriptor)
                return None
            time.sleep(0.02)
        except BaseException:
            os.close(descriptor)
            raise


def log_path(job_id: str) -> Path:
    """The file that takes what a job prints.

    Raises:
        JobError: not a job's full id (ids also come from links, and must not lead to other files).
    """
    if not re.fullmatch(r"[0-9a-f]{1,32}", job_id):
        raise JobError(f"{job_id!r} is no job id: `domlora jobs list` lists them")
    return _logs() / f"{job_id}.log"


def log_tail(job_id: str, lines: int) -> str:
    """The last lines of a job's log as a terminal would show them; empty where there is none on this machine."""
    try:
        with open(log_path(job_id), "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"(the log cannot be read: {error})"
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]  # a progress bar's last state
    while shown and not shown[-1]:
        shown.pop()
    return "\n".join(shown[-lines:]) if lines > 0 else ""


def environment(store_url: str | None = None) -> dict[str, str]:
    """The environment of a worker or a job: the same home, the same store, the same domlora, prompt output."""
    variables = os.environ | {"PYTHONUNBUFFERED": "1"}
    if store_url is not None:
        variables["DOMLORA_STORE"] = store_url
    root = Path(errors.__file__).resolve().parents[1]
    if root.name not in ("site-packages", "dist-packages"):  # a checkout: found from any working folder
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    return variables


def _logs() -> Path:
    folder = paths.home() / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _lock_path(store_url: str | None) -> Path:
    """One lock for the home's own store, another for each further store that is served from this home."""
    url = store_url or os.environ.get("DOMLORA_STORE")
    name = "worker.lock" if not url else f"worker-{hashlib.sha256(url.encode()).hexdigest()[:8]}.lock"
    return paths.home() / name
