"""How far the curves of a variant were sent to a service that takes no step back.

In: the id of a service's run, and the points that it was given. Out: the last step of each curve, in the next process
that goes on with the training: what is trained once more is not sent twice. A file for each, written as points go out,
since a killed process writes nothing at its end.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from domlora.paths import home


def read(service: str, id: str) -> dict[str, int]:
    """Name of a curve -> the last step that was sent; empty where none was."""
    try:
        return {
            str(name): int(step) for name, step in json.loads(_path(service, id).read_text(encoding="utf-8")).items()
        }
    except (FileNotFoundError, ValueError):  # ValueError: its process died while it wrote
        return {}


def write(service: str, id: str, last: Mapping[str, int]) -> None:
    path = _path(service, id)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(dict(last)), encoding="utf-8")


def _path(service: str, id: str) -> Path:
    return home() / "tracking" / service / f"{id}.json"
