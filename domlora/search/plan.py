"""How long a race is: rungs of so many steps laid out in the time there is, and laid again as the time goes.

In: how many entries start, what a pass of a row costs, how many seconds are left. Out: a `Plan` before anything is
trained, and `Pacing`, the rules of the race while it runs. Counts in passes of a row, as `training.meter` does; knows
no model, and asks for the time through the clock that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from domlora.comparison.config import SweepConfig
from domlora.search.halving import better_half
from domlora.search.race import Lap, Rung
from domlora.training.meter import TRAIN_COST

ENOUGH = 8  # entries from which the finalists are taken
FINALISTS = 4
LEAST_STEPS = 4  # of the first rung: warm-up is over by then, and the losses have begun to differ
LEAST_FINAL = 8  # steps of a finalist: twice those of the shortest race, or its finals would say little beyond it
MOST_RUNGS = 6
EVALUATIONS = 2  # of a finalist on validation rows, for its curve: nothing is chosen by them
RATES_OF_CONTROL = 3  # a control that did not race has its rate chosen before it is judged
MOST_GOING_ON = 0.75  # of the entries of a rung, whatever ties
MARGIN = 0.95  # of the time is worked with
FOR_HALVING = 0.9  # of that is planned for rungs that keep the better half; the rest is for ties and new rates


@dataclass(frozen=True)
class Work:
    """What is done, in passes of a row.

    Attributes:
        step: one optimizer step of an entry.
        judged: its evaluation at the end of a rung, and attaching and keeping it.
        final: what a finalist is judged by, while it trains and afterwards.
        seeds: of the finalists.
    """

    step: float
    judged: float
    final: float
    seeds: int

    @classmethod
    def of(
        cls, config: SweepConfig, validation: int, test: int, forgetting: int, seeds: int, around: float = 0.0
    ) -> Work:
        """Of a training with these settings and so many rows held out.

        Args:
            around: what it costs to attach and to keep an adapter, in passes.
        """
        final = EVALUATIONS * validation + test + forgetting + around
        return cls(TRAIN_COST * config.rows_per_step, validation + around, final, seeds)

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


def least_final(raced: int, most: int) -> int:
    """Steps of a finalist at least: as many as the race had, and no fewer than `LEAST_FINAL`, but at most so many."""
    return min(max(raced, LEAST_FINAL), most)


def forecast(
    entries: int, first: int, rungs: int, work: Work, pace: float, steps: int, before: int = 0, joined: int = 0
) -> Plan:
    """The race in which each rung has twice the steps of the one before, until few are left or the rungs are done.

    Its finals have as many steps as its last rung, `LEAST_FINAL` at least: more, where there is time for more.

    Args:
        first: steps of the first rung.
        rungs: at most.
        pace: seconds of a pass.
        steps: of a finalist at most.
        before, joined: the step that the entries have come to, and how many of them begin anew.
    """
    planned: list[Planned] = []
    running, step = entries, first
    while len(planned) < rungs and step <= steps and (running > ENOUGH or not planned):
        planned.append(Planned(step, running, work.rung(running, before, step, joined) * pace))
        running, joined, before, step = better_half(running), 0, step, 2 * step
    last = least_final(before, steps)
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
            if seconds is not None and plan.seconds > FOR_HALVING * MARGIN * seconds:
                break
            if len(plan.rungs) < rungs:
                break
            best = plan
        if best is not None:
            return best
    return None


def needed(entries: int, work: Work, pace: float, steps: int) -> float:
    """Seconds that the shortest race of so many entries takes, with what it is planned with."""
    return forecast(entries, LEAST_STEPS, 1, work, pace, steps).seconds / (FOR_HALVING * MARGIN)


class Pacing:
    """The rules of a race under time: it goes on while another rung and the finals after it fit into what is left.

    Args:
        first: steps of the first rung.
        rungs: that are planned; further ones are run where there is time.
        steps: of a finalist at most.
        left: seconds that are left, asked whenever that matters; None for no end.
        pace: seconds of a pass, for as long as no rung was timed.
    """

    def __init__(
        self, first: int, rungs: int, work: Work, steps: int, left: Callable[[], float | None], pace: float = 0.0
    ) -> None:
        self.first, self.rungs, self.work, self.steps, self.left, self._pace = first, rungs, work, steps, left, pace

    def next_step(self, done: Sequence[Rung], running: int) -> int | None:
        if not done:
            return self.first
        step = 2 * done[-1].step
        if running <= ENOUGH or step > self.steps:
            return None
        left = self.left()
        if left is not None:
            joined = len(done[-1].joined)
            passes = self.work.rung(running, done[-1].step, step, joined)
            passes += self.work.finals(least_final(step, self.steps))
            if passes * self.pace(done) > MARGIN * left:
                return None
        return step

    def more(self, done: Sequence[Rung], lap: Lap, running: int, step: int) -> int:
        """As many as there is time for beside all rungs to come and the finals, half of them from their start.

        So ties and new rates lengthen a race, and never end it before its last rung.
        """
        half, left = better_half(len(lap.losses)), self.left()
        limit = max(int(MOST_GOING_ON * running) - half, 0)
        pace = lap.seconds / self._passes(done, running, step) if lap.seconds > 0 else self.pace(done)
        if left is None or pace <= 0:
            return limit
        rungs = max(self.rungs - len(done) - 1, 0)

        def fits(more: int) -> bool:
            plan = forecast(half + more, 2 * step, rungs, self.work, pace, self.steps, step, more // 2)
            return plan.seconds <= MARGIN * left

        return next((more for more in range(limit, 0, -1) if fits(more)), 0)

    def final_steps(self, done: Sequence[Rung], variants: int) -> int:
        """As many steps for so many variants of finalists as there is time for: no fewer than are planned."""
        left, pace = self.left(), self.pace(done)
        if left is None or pace <= 0:
            return self.steps
        passes = MARGIN * left / pace / variants
        least = least_final(done[-1].step, self.steps)
        return max(least, min(self.steps, int((passes - self.work.final) / self.work.step)))

    def rest(self, done: Sequence[Rung], running: int) -> float:
        """Seconds that the rungs to come and the finals are thought to take."""
        first = 2 * done[-1].step if done else self.first
        before, joined = (done[-1].step, len(done[-1].joined)) if done else (0, 0)
        rungs = 0 if done and running <= ENOUGH else max(self.rungs - len(done), 0)
        return forecast(running, first, rungs, self.work, self.pace(done), self.steps, before, joined).seconds

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
