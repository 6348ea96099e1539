"""Checkpoints of a sweep: written whole or not at all, read back exactly. Plain tensors and numbers only."""

from __future__ import annotations

import fcntl
import logging
import os
import pickle
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from domlora.errors import SweepError

FILE = "checkpoint.pt"
LOCK = ".lock"
WAIT_SECONDS = 0.5
log = logging.getLogger(__name__)


@contextmanager
def alone(folder: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Keeps a sweep's folder for this process: the same sweep twice at a time would mix up curves and checkpoints.

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


def write(folder: Path, state: dict[str, Any]) -> str | None:
    """Replaces the checkpoint of a sweep.

    Returns:
        None, or why it could not be written: the checkpoint before is then still there, and the sweep may go on.
    """
    temporary = folder / (FILE + ".new")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(folder / FILE)
    except (OSError, RuntimeError) as error:  # torch's own writer reports a full disk as RuntimeError
        temporary.unlink(missing_ok=True)
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error).splitlines()[0]
        log.warning("checkpoint not written (%s)", reason)
        return reason
    return None


def read(folder: Path, key: str) -> dict[str, Any] | None:
    """The checkpoint of the sweep with this key, or None where there is none that can be used."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with zipfile.ZipFile(path) as archive:  # torch.load does not look at the checksums
            damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"the checksum of {damaged} is wrong")
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, ValueError, zipfile.BadZipFile, pickle.UnpicklingError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        log.warning("the checkpoint %s cannot be read and is left aside: %s", path, reason)
        return None
    return state if state.get("key") == key else None


def remove(folder: Path) -> None:
    """After the last step: the adapters themselves are kept elsewhere."""
    (folder / FILE).unlink(missing_ok=True)
