"""How long a race is: rungs of so many steps laid out in the time there is, and laid again as the time goes.

In: how many entries start, what a pass of a row costs, how many seconds are left. Out: a `Plan` before anything is
trained, and `Pacing`, the rules of the race while it runs. Counts in passes of a row, as `training.meter` does; knows
no model, and asks for the time through the clock that it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from domlora.comparison.config import SweepConfig
from domlora.search.race import Rung
from domlora.training.meter import TRAIN_COST

ENOUGH = 8  # entries from which the finalists are taken
FINALISTS = 4
LEAST_STEPS = 4  # of the first rung: warm-up is over by then, and the losses have begun to differ
MOST_RUNGS = 6
RATES_OF_CONTROL = 3  # a control that did not race has its rate chosen before it is judged
JOINING = 0.1  # of the entries of a rung, that is how many are thought to join the next one
KEPT_AT_MOST = 0.75  # of the entries of a rung, however many tie
MARGIN = 0.9  # of the time is planned with


@dataclass(frozen=True)
class Work:
    """What is done, in passes of a row.

    Attributes:
        step: one optimizer step of an entry.
        judged: its evaluation at the end of a rung.
        final: what comes after the training of a finalist.
        seeds: of the finalists.
    """

    step: float
    judged: float
    final: float
    seeds: int

    @classmethod
    def of(cls, config: SweepConfig, validation: int, test: int, forgetting: int, seeds: int) -> Work:
        """Of a training with these settings and so many rows held out."""
        return cls(TRAIN_COST * config.rows_per_step, validation, validation + test + forgetting, seeds)

    def rung(self, entries: int, before: int, step: int, joined: int) -> float:
        """Of a rung in which so many entries train from one step to another, and those that join from the start."""
        return entries * ((step - before) * self.step + self.judged) + joined * before * self.step

    def finals(self, steps: int) -> float:
        """Of training and judging the finalists."""
        return FINALISTS * self.seeds * (steps * self.step + self.final) + RATES_OF_CONTROL * steps * self.step


@dataclass(frozen=True)
class Planned:
    """A rung, or the finals, before it is run."""

    step: int
    entries: int
    seconds: float


@dataclass(frozen=True)
class Plan:
    """What is going to be done, and how long it is thought to take."""

    rungs: tuple[Planned, ...]
    finals: Planned

    @property
    def seconds(self) -> float:
        return sum(rung.seconds for rung in self.rungs) + self.finals.seconds

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "seconds": self.seconds}


def forecast(
    entries: int, first: int, rungs: int, work: Work, pace: float, steps: int, before: int = 0, joined: int = 0
) -> Plan:
    """The race in which each rung has twice the steps of the one before, until few are left or the rungs are done.

    Args:
        first: steps of the first rung.
        rungs: at most.
        pace: seconds of a pass.
        steps: of a finalist at most.
        before, joined: the step that the entries have come to, and how many of them begin anew.
    """
    planned: list[Planned] = []
    running, step = entries, first
    while True:
        planned.append(Planned(step, running, work.rung(running, before, step, joined) * pace))
        joined = math.ceil(running * JOINING)
        running, before, step = (running + 1) // 2 + joined, step, 2 * step
        if len(planned) == rungs or running <= ENOUGH or step > steps:
            break
    last = min(step, steps)
    return Plan(tuple(planned), Planned(last, FINALISTS * work.seeds + RATES_OF_CONTROL, work.finals(last) * pace))


def lay(entries: int, work: Work, pace: float, seconds: float | None, steps: int) -> Plan | None:
    """The plan with the most rungs, and of those with the longest ones, that fits into the time.

    Args:
        seconds: there are; None for no end.

    Returns:
        None if not even one short rung and the finals fit.
    """
    for rungs in range(MOST_RUNGS, 0, -1):
        best = None
        for first in range(LEAST_STEPS, max(steps // 2, LEAST_STEPS) + 1):
            plan = forecast(entries, first, rungs, work, pace, steps)
            if seconds is not None and plan.seconds > MARGIN * seconds:
                break
            if plan.finals.step < first or (best is not None and len(plan.rungs) < len(best.rungs)):
                break
            best = plan
        if best is not None and (len(best.rungs) == rungs or rungs == 1):
            return best
    return None


def needed(entries: int, work: Work, pace: float, steps: int) -> float:
    """Seconds that the shortest race of so many entries takes, with what it is planned with."""
    return forecast(entries, LEAST_STEPS, 1, work, pace, steps).seconds / MARGIN


class Pacing:
    """The rules of a race under time: it goes on while another rung and the finals after it fit into what is left.

    Args:
        first: steps of the first rung.
        steps: of a finalist at most.
        left: seconds that are left, asked whenever that matters; None for no end.
        pace: seconds of a pass, for as long as no rung was timed.
    """

    def __init__(self, first: int, work: Work, steps: int, left: Callable[[], float | None], pace: float = 0.0) -> None:
        self.first, self.work, self.steps, self.left, self._pace = first, work, steps, left, pace

    def next_step(self, done: Sequence[Rung], running: int) -> int | None:
        if not done:
            return self.first
        step = 2 * done[-1].step
        if running <= ENOUGH or step > self.steps:
            return None
        left = self.left()
        if left is not None:
            joined = len(done[-1].joined)
            passes = self.work.rung(running, done[-1].step, step, joined) + self.work.finals(step)
            if passes * self.pace(done) > MARGIN * left:
                return None
        return step

    def most(self, done: Sequence[Rung], running: int, step: int, seconds: float) -> int:
        """As many as the next rung has time for, and always fewer than ran."""
        limit, left = int(KEPT_AT_MOST * running), self.left()
        pace = seconds / self._passes(done, running, step) if seconds > 0 else self.pace(done)
        if left is None or pace <= 0:
            return limit
        after = 2 * step
        room = (MARGIN * left / pace - self.work.finals(after)) / self.work.rung(1, step, after, 0)
        return max(min(int(room), limit), 0)

    def final_steps(self, done: Sequence[Rung], variants: int) -> int:
        """As many steps for so many variants of finalists as there is time for: no fewer than the last rung had."""
        left, pace = self.left(), self.pace(done)
        if left is None or pace <= 0:
            return self.steps
        passes = MARGIN * left / pace / variants
        return max(min(done[-1].step, self.steps), min(self.steps, int((passes - self.work.final) / self.work.step)))

    def rest(self, done: Sequence[Rung], running: int) -> float:
        """Seconds that the rungs to come and the finals are thought to take."""
        first = 2 * done[-1].step if done else self.first
        before, joined = (done[-1].step, len(done[-1].joined)) if done else (0, 0)
        return forecast(running, first, MOST_RUNGS, self.work, self.pace(done), self.steps, before, joined).seconds

    def pace(self, done: Sequence[Rung]) -> float:
        """Seconds of a pass: in the last rung that was timed, else as it was planned with."""
        for i in reversed(range(len(done))):
            if done[i].seconds > 0:
                running = len(done[i].losses) + len(done[i].lost)
                return done[i].seconds / self._passes(done[:i], running, done[i].step)
        return self._pace

    def _passes(self, before: Sequence[Rung], running: int, step: int) -> float:
        """Of a rung with so many entries that ended at a step."""
        last = before[-1] if before else None
        return self.work.rung(running, last.step if last else 0, step, len(last.joined) if last else 0)
