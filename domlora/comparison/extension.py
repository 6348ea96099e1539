"""A finished comparison that is gone on with: more placements, methods, rates, seeds or steps, nothing else changed.

In: the settings of a run and what is to be added. Out: the settings of the larger comparison. What both have in common
is not trained again (`training.carried`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from domlora.comparison.config import SweepConfig
from domlora.comparison.run import Run
from domlora.errors import UsageError
from domlora.placements.placement import Placement

LISTS = ("placements", "methods", "learning_rates")  # what is added to these comes behind what is there
COUNTS = ("seeds", "rate_seeds", "steps")  # these are given as what they shall be
ADDED = LISTS + COUNTS


def extended(run: Run, added: Mapping[str, Any]) -> SweepConfig:
    """The settings of a run with more of `ADDED`.

    Args:
        added: names of `ADDED` -> further items, or the new and larger number.

    Raises:
        UsageError: nothing is added, a number is smaller than it was, or the run cannot be gone on with.
    """
    old = run.config
    if old.race:
        raise UsageError(f"run {run.id} is the race of a search, which ends by itself: add to the run of its finals")
    if run.status != "done":
        raise UsageError(f"run {run.id} has not ended: the same comparison again goes on with it")
    if old.own_rates and set(added.get("learning_rates", ())) - set(old.learning_rates):
        raise UsageError(f"the placements of run {run.id} have rates of their own: add placements, seeds or steps")
    changes: dict[str, Any] = {}
    for name in LISTS:
        more = [item for item in added.get(name, ()) if item not in getattr(old, name)]
        if more:
            changes[name] = (*getattr(old, name), *more)
    for name in COUNTS:
        number, there = added.get(name, getattr(old, name)), getattr(old, name)
        if number < there:
            raise UsageError(f"run {run.id} has {there} {name.replace('_', ' ')}: give a larger number than {number}")
        if number > there:
            changes[name] = number
    if not changes:
        raise UsageError(
            f"nothing is added to run {run.id}: name placements, methods or rates that it lacks, or more seeds or steps"
        )
    if "steps" in changes:
        if old.minutes is not None:
            raise UsageError(f"run {run.id} was limited in time, so its variants ended at different steps: start anew")
        changes["legs"] = (*old.legs, old.steps)
    try:
        return SweepConfig(**old.model_dump() | changes)
    except ValidationError as error:
        first = error.errors()[0]
        raise UsageError(f"run {run.id} cannot be gone on with so: {first['msg']}") from error


def placements_of(run: Run, config: SweepConfig) -> tuple[str | Placement, ...]:
    """What the larger comparison compares: the placements that the run has, as they are, and the names that are added.

    Raises:
        UsageError: these settings are not those of the run and more of `ADDED`.
    """
    if extended(run, {name: getattr(config, name) for name in ADDED}) != config:
        raise UsageError(f"these settings do not go on with run {run.id}: they change what cannot be added to it")
    return (*run.placements, *(name for name in config.placements if name not in run.config.placements))
