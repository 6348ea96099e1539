"""Settings, versions and placements as a report lists them. Models and records in, tables and text out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from domlora.comparison.run import Run
from domlora.placements.placement import Placement
from domlora.placements.words import placement_rows
from domlora.report.parts import Table
from domlora.search.facts import SPENT
from domlora.settings import setting
from domlora.wording import duration

TOLD_ELSEWHERE = ("seconds", SPENT, "peak_memory_bytes")  # of a run's facts


def of_settings(config: BaseModel, *names: str) -> dict[str, str]:
    """Settings by their titles, in the words in which a person gives them.

    Args:
        names: which; none stands for all.
    """
    found = {}
    for name in names or type(config).model_fields:
        one, value = setting(type(config), name), getattr(config, name)
        found[one.title] = ("yes" if value else "no") if isinstance(value, bool) else one.in_words(value)
    return found


def of_run(run: Run) -> dict[str, Any]:
    """Where a run came from and what it took."""
    known = run.facts
    seconds = known.get("seconds", known.get(SPENT))
    plain = {
        name.replace("_", " "): value for name, value in known.items()
        if isinstance(value, (str, int, float)) and name not in TOLD_ELSEWHERE
    }  # fmt: skip
    return {
        "run": run.id, "model": run.model, "model source": run.model_source, "model revision": run.model_revision,
        "task": run.task, "task source": run.task_source, "task hash": run.task_hash, **plain,
        "took": None if seconds is None else duration(seconds),
        "peak memory": f"{known['peak_memory_bytes'] / 1e9:.2f} GB" if "peak_memory_bytes" in known else None,
        "versions": versions_in_words(known.get("versions", {})), "job": run.job,
        "begun": f"{run.created:%Y-%m-%d %H:%M} UTC",
        "finished": f"{run.finished:%Y-%m-%d %H:%M} UTC" if run.finished else "not yet", "request": run.key,
    }  # fmt: skip


def versions_in_words(versions: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def placements_table(placements: Sequence[Placement]) -> Table:
    """What each placement is, a row each."""
    rows = placement_rows(placements)
    head = list(rows[0]) if rows else ["placement"]
    cells = [[f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()] for row in rows]
    return Table(head, cells, words=(0, head.index("where")) if rows else (0,))
