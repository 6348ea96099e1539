"""Checkpoints of a sweep: written whole or not at all, read back exactly. Plain tensors and numbers only."""

from __future__ import annotations

import logging
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

FILE = "checkpoint.pt"
log = logging.getLogger(__name__)


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
