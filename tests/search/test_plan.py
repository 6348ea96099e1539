"""How long a race is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domlora.comparison.config import SweepConfig
from domlora.search.plan import ENOUGH, LEAST_STEPS, Pacing, Work, forecast, lay, needed
from domlora.search.race import Lap, Rung

WORK = Work(step=12.0, judged=32, final=128, seeds=3)


def rung(step, running, seconds=0.0):
    names = tuple(f"e{i} lr=0.1" for i in range(running))
    return Rung(step, dict.fromkeys(names, 1.0), (), names, (), (), (), (), seconds)


def test_work_is_counted_as_a_sweep_counts_it():
    work = Work.of(SweepConfig(batch_size=4, accumulation=2), validation=10, test=20, forgetting=5, seeds=3)
    assert work == Work(step=24, judged=10, final=2 * 10 + 20 + 5, seeds=3)


def test_each_rung_has_half_the_entries_and_twice_the_steps():
    plan = forecast(60, 4, 3, WORK, 1.0, 200)
    assert [(r.entries, r.step) for r in plan.rungs] == [(60, 4), (30, 8), (15, 16)]
    assert plan.finals.step == 16
    assert plan.rungs[1].seconds == 30 * (4 * 12 + 32)


def test_few_entries_are_enough():
    assert len(forecast(ENOUGH + 1, 4, 6, WORK, 1.0, 200).rungs) == 1


@settings(max_examples=60, deadline=None)
@given(st.integers(4, 90), st.floats(0.001, 2.0), st.floats(10, 20_000), st.integers(8, 300))
def test_a_plan_fits_into_its_time(entries, pace, seconds, steps):
    plan = lay(entries, WORK, pace, seconds, steps)
    if plan is None:
        assert needed(entries, WORK, pace, steps) > seconds
        return
    assert plan.seconds <= seconds
    assert plan.rungs[0].step >= LEAST_STEPS
    assert plan.finals.step <= steps


def test_more_time_makes_a_longer_race():
    short, long = (lay(60, WORK, 1.0, seconds, 200) for seconds in (14_000, 60_000))
    assert len(long.rungs) >= len(short.rungs)
    assert long.finals.step > short.finals.step


def test_without_an_end_the_finals_have_as_many_steps_as_they_may():
    rules = Pacing(5, 2, WORK, 40, lambda: None, 1.0)
    assert rules.final_steps([rung(10, 8)], 15) == 40


def test_a_race_goes_on_while_a_rung_and_the_finals_fit():
    left = 100_000.0
    rules = Pacing(4, 3, WORK, 200, lambda: left, 1.0)
    done = [rung(4, 60, seconds=60 * (4 * 12 + 32))]
    assert rules.next_step([], 60) == 4
    assert rules.next_step(done, 30) == 8
    left = WORK.rung(30, 4, 8, 0) + WORK.finals(8)  # to the last pass, without any margin
    assert rules.next_step(done, 30) is None


def test_the_pace_is_what_the_last_rung_took():
    done = [rung(4, 60, seconds=60 * (4 * 12 + 32) / 2)]
    assert Pacing(4, 3, WORK, 200, lambda: 1.0, 7.0).pace(done) == pytest.approx(0.5)
    assert Pacing(4, 3, WORK, 200, lambda: 1.0, 7.0).pace([rung(4, 60)]) == 7.0


def test_ties_never_cost_a_rung_or_the_finals():
    """What more entries cost, they cost in all rungs to come: with them the plan still fits."""
    losses = {f"e{i}": np.zeros(4) for i in range(60)}
    for left in (8_000, 9_000, 10_000, 12_000, 20_000):
        rules = Pacing(4, 3, WORK, 200, lambda left=left: left, 1.0)
        more = rules.more([], Lap(losses, 60 * (4 * 12 + 32)), 60, 4)
        assert 0 <= more <= 15
        if more:
            assert forecast(30 + more, 8, 2, WORK, 1.0, 200, 4, more // 2).seconds <= left


def test_a_field_always_shrinks():
    losses = {f"e{i}": np.zeros(4) for i in range(60)}
    assert 30 + Pacing(4, 3, WORK, 200, lambda: None, 1.0).more([], Lap(losses), 60, 4) < 60
