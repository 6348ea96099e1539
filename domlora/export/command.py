"""The command line that makes a run again: words for a shell, with the options that differ from their defaults."""

from __future__ import annotations

import shlex
from typing import Any

from domlora.comparison.config import SweepConfig
from domlora.comparison.run import Run
from domlora.energy.repeat import subject
from domlora.search.config import OWN, FindConfig
from domlora.search.facts import FIND, SEARCH
from domlora.settings import flag

BEFORE = "RUN"  # stands for the id of a comparison that is gone on with


def compare_commands(run: Run) -> list[list[str]]:
    """`domlora compare MODEL --task TASK ...` as its words; where training was gone on with, a line for each leg.

    Of a search, and of the comparison of its finalists, it is `domlora find ...`. The map that the placements of a
    comparison were chosen by is measured anew with the default number of samples.
    """
    asked = run.facts.get(FIND) or run.facts.get(SEARCH)
    if asked is not None:
        return [_search(run, FindConfig.model_validate(asked["config"]))]
    ends = (*run.config.legs, run.config.steps)
    first = _anew(run, run.config.model_copy(update={"legs": (), "steps": ends[0]}))
    return [first, *(["domlora", "compare", "--add-to", BEFORE, "--steps", str(end)] for end in ends[1:])]


def _search(run: Run, config: FindConfig) -> list[str]:
    usual = FindConfig()
    own = {name: getattr(config, name) for name in OWN}
    words = [word for name, value in own.items() if value != getattr(usual, name) for word in _option(name, value)]
    return [*subject(run, "find"), *words, *_settings(config.training, usual.training)]


def _anew(run: Run, config: SweepConfig) -> list[str]:
    return [*subject(run, "compare"), *_settings(config, SweepConfig())]


def _settings(config: SweepConfig, usual: SweepConfig) -> list[str]:
    """Options for what differs from the usual settings."""
    words = []
    of_rank = SweepConfig(rank=config.rank)  # the usual alpha follows the rank
    for name in SweepConfig.model_fields:
        value = getattr(config, name)
        if value != getattr(of_rank if name == "alpha" else usual, name):
            words += _option(name, value)
    return words


def shell(commands: list[list[str]]) -> str:
    """Lines that a shell reads as the same words."""
    note = [f"# {BEFORE}: the id that the line before has printed"] if len(commands) > 1 else []
    return "\n".join([shlex.join(commands[0]), *note, *map(shlex.join, commands[1:])])


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [flag(name)]
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    # With its sign of equality: a value that begins with a dash is no option then.
    return [f"{flag(name)}={text}"] if text.startswith("-") else [flag(name), text]
