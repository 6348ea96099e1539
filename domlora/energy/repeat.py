"""The command line that measures a map again, and how any command names a model and a task that it once read.

In: the provenance of a map or a run. Out: words of a command line.
"""

from __future__ import annotations

import shlex
from typing import Protocol

from domlora.data.origin import TaskOrigin
from domlora.energy.energy_map import EnergyMap
from domlora.models.origin import ModelOrigin
from domlora.settings import flag

REPEATED = (
    "probe", "against", "split", "estimator", "reduction", "rank", "alpha", "draws", "max_length", "seed", "dtype",
)  # fmt: skip


class Made(Protocol):
    """What was measured or trained: a map's provenance, a run."""

    @property
    def model(self) -> str: ...
    @property
    def task(self) -> str: ...
    @property
    def model_origin(self) -> ModelOrigin | None: ...
    @property
    def task_origin(self) -> TaskOrigin | None: ...


def subject(made: Made, *command: str) -> list[str]:
    """The command with its model and task, as words."""
    model, task = made.model_origin, made.task_origin
    words = ["domlora", *command, model.named_again if model is not None else made.model]
    if model is not None and model.kind == "hub" and model.revision:
        words += ["--revision", model.revision]
    words += ["--task", task.named_again if task is not None else made.task]
    if task is not None and task.columns_named is not None:
        words += ["--columns", task.columns_named]
    if task is not None and task.system != "keep":
        words += ["--system", task.system]
    return words


def repeat_command(energy: EnergyMap) -> str:
    """The command line that measures a map again."""
    config = energy.provenance.config
    defaults = type(config)()
    words = [*subject(energy.provenance, "probe"), "--samples", str(config.samples)]
    for name in REPEATED:
        if getattr(config, name) != getattr(defaults, name):
            words += [flag(name), str(getattr(config, name))]
    return shlex.join([*words, *(["--rslora"] if config.rslora else [])])
