"""Where domlora keeps its own files and finds the ones it ships."""

from __future__ import annotations

import os
from pathlib import Path


def home() -> Path:
    """The folder of the store, fetched models, caches and logs: $DOMLORA_HOME, else ~/.domlora."""
    return Path(os.environ.get("DOMLORA_HOME") or "~/.domlora").expanduser()


def sample_data_path() -> Path:
    """The shipped tasks and maps: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(__file__).parent
    installed = package / "sample_data"
    return installed if installed.is_dir() else package.parent / "sample_data"
