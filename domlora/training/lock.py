"""One process at a time computes a run: a lock on a file in the run's folder, which goes with its process.

No torch here: the dashboard asks whether somebody still computes a run that has no job.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from domlora.errors import SweepError
from domlora.paths import home

LOCK = ".lock"
WAIT_SECONDS = 0.5


def run_folder(run_id: str) -> Path:
    """Where a run keeps its checkpoint and its adapters."""
    return home() / "runs" / run_id


@contextmanager
def alone(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Keeps a run's folder for this process: the same one twice at a time would mix up curves and checkpoints.

    Args:
        waiting: called while another process has it. One that dies gives it up.

    Raises:
        SweepError: no right to write there, or no space.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / LOCK).open("wb")
    except OSError as error:
        reason = error.strerror or error
        raise SweepError(f"nothing can be written to {folder} ({reason}): mend that, or set DOMLORA_HOME") from error
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                waiting()
                time.sleep(WAIT_SECONDS)
        yield


def is_held(run_id: str) -> bool:
    """Whether a process of this machine computes the run now."""
    return is_locked(run_folder(run_id) / LOCK)


def is_locked(path: Path) -> bool:
    """Whether a living process of this machine holds the lock on a file."""
    if not path.exists():
        return False
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
