"""Where training goes on: the checkpoint of a sweep, and the last state of each variant that has ended.

Written whole or not at all, read back exactly. Plain tensors and numbers only.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch

FILE = "checkpoint.pt"  # of a sweep, in the folder of its run
LONGEST_NAME = 120  # of a file; file systems end at 255 bytes
log = logging.getLogger(__name__)


def state_of(folder: Path, variant: str) -> Path:
    """Where the last state of a variant lies in the folder of its run."""
    return folder / "states" / f"{folder_name(variant)}.pt"


def folder_name(variant: str) -> str:
    """A variant's name as a file's: `dominant lr=0.005 seed=1` -> `dominant_lr=0.005_seed=1`; a long one shortened."""
    name = re.sub(r"[^\w.=@+-]+", "_", variant)
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 9]}-{hashlib.sha256(variant.encode()).hexdigest()[:8]}"


def write(path: Path, state: dict[str, Any]) -> str | None:
    """Replaces a checkpoint or a state.

    Returns:
        None, or why it could not be written: the one before is then still there, and the sweep may go on.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch's own writer reports a full disk as RuntimeError
        temporary.unlink(missing_ok=True)
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error).splitlines()[0]
        log.warning("%s not written (%s)", path.name, reason)
        return reason
    return None


def read(path: Path, key: str) -> dict[str, Any] | None:
    """What was written under this key (of a run, or a variant's name); None where there is none that can be used."""
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
