"""How far a sweep is, counted in passes of rows, so that the time left is steady from stage to stage. No torch here.

In: a `SweepConfig` and how many rows are held out. Out: the passes of a whole sweep and of a variant up to a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from domlora.comparison.config import SweepConfig
from domlora.training.rows import SweepRows

ANSWER_COST = 4  # passes of a row that answering costs, where evaluating costs one
TRAIN_COST = 3  # passes of a row that training (or measuring its energy) costs, where evaluating costs one
WITHIN_SECONDS = 5.0  # a step of many variants takes minutes


@dataclass
class Meter:
    """Progress of a whole sweep in passes of rows."""

    total: int
    report: Callable[[str, int, int], None]
    done: int = 0
    said: float = field(default_factory=time.monotonic)  # when it was reported last

    def add(self, stage: str, passes: int) -> None:
        self.done, self.said = min(self.total, self.done + passes), time.monotonic()
        self.report(stage, self.done, self.total)

    def within(self, stage: str, passes: int) -> None:
        """As `add` for a part of a step, which is reported only where the step takes long."""
        if time.monotonic() - self.said > WITHIN_SECONDS:
            self.add(stage, passes)
        else:
            self.done = min(self.total, self.done + passes)

    def finish(self) -> None:
        """At the end of everything, also where less was to do than was thought."""
        self.add("finished", self.total)


def total_passes(config: SweepConfig, rows: SweepRows, variants: int) -> int:
    """What `Meter.total` is for training and evaluating so many variants."""
    base = TRAIN_COST * config.energy_samples if config.energy_every else 0  # its energy, before any training
    return base + len(rows.validation) + len(rows.test) + variants * variant_passes(config, rows)


def variant_passes(config: SweepConfig, rows: SweepRows) -> int:
    """Of one variant from its start to its end."""
    return passes_until(config, rows, config.steps, config.steps) + len(rows.validation) + len(rows.test)


def passes_until(config: SweepConfig, rows: SweepRows, trained: int, evaluated: int) -> int:
    """Of one variant that was trained and evaluated up to these steps, without what comes after the last one."""
    between = max(0, min(evaluated, config.steps - 1)) // config.evaluate_every
    energies = sum(0 < step <= evaluated for step in config.energy_steps)
    rows_passed = trained * config.rows_per_step + energies * config.energy_samples
    return TRAIN_COST * rows_passed + between * len(rows.validation)
