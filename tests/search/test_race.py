"""The race, on a track that trains nothing and knows all losses."""

from __future__ import annotations

import numpy as np
import pytest

from domlora.search import race
from domlora.search.race import Entry, Lap, Rung

ROWS = np.linspace(-0.5, 0.5, 8)


class Track:
    """Losses by a rule; counts what it was asked."""

    def __init__(self, loss):
        self.loss, self.asked = loss, []

    def advance(self, entries, step):
        self.asked.append((step, [entry.name for entry in entries]))
        found = {entry.name: self.loss(entry, step) for entry in entries}
        return Lap({name: value + ROWS for name, value in found.items() if value is not None}, 1.0)


class Rules:
    """So many rungs of twice the steps each, with room for so many more."""

    def __init__(self, rungs=3, more=2):
        self.rungs, self.room = rungs, more

    def next_step(self, done, running):
        return 4 * 2 ** len(done) if len(done) < self.rungs else None

    def more(self, done, lap, running, step):
        return self.room


def entries(placements=4, rates=(0.004, 0.016, 0.064)):
    return [Entry(f"p{i}", rate) for i in range(placements) for rate in rates]


def by_placement(entry, step):
    """The lower the number the better, 0.016 the best rate, all told apart."""
    return int(entry.placement[1:]) + abs(np.log(entry.rate / 0.016)) / 10


def test_the_better_half_goes_on():
    track = Track(by_placement)
    done = list(race.run(entries(), track, Rules(rungs=2, more=0)))
    assert [step for step, _ in track.asked] == [4, 8]
    assert len(track.asked[1][1]) == 6
    assert {name.split()[0] for name in track.asked[1][1]} == {"p0", "p1"}
    assert next(iter(done[-1].losses)) == "p0 lr=0.016"


def test_a_rate_beyond_the_edge_joins():
    """So that no placement loses for want of a rate: also one of the worse half, after the first rung."""
    track = Track(lambda entry, step: int(entry.placement[1:]) - np.log(entry.rate) / 10)
    done = list(race.run(entries(2), track, Rules(rungs=2, more=4)))
    assert done[0].joined == (Entry("p0", 0.256), Entry("p1", 0.256))
    assert "p1 lr=0.256" in track.asked[1][1]


def test_a_rate_that_diverged_was_tried():
    track = Track(lambda entry, step: None if entry.rate > 0.05 else -entry.rate)
    done = list(race.run(entries(2), track, Rules(rungs=1, more=4)))
    assert done[0].lost == ("p0 lr=0.064", "p1 lr=0.064")
    assert done[0].joined == ()


def test_all_may_diverge():
    done = list(race.run(entries(2), Track(lambda entry, step: None), Rules()))
    assert len(done) == 1
    assert not done[0].losses
    assert len(done[0].lost) == 6


def test_a_race_that_is_gone_on_with_ends_as_one_that_was_not_interrupted():
    whole = list(race.run(entries(), Track(by_placement), Rules()))
    for known in range(len(whole)):
        track = Track(by_placement)
        rest = list(race.run(entries(), track, Rules(), whole[:known]))
        assert [*whole[:known], *rest] == whole
        assert len(track.asked) == len(whole) - known


def test_a_rung_is_json():
    done = list(race.run(entries(2), Track(lambda e, s: int(e.placement[1:]) - e.rate), Rules(rungs=2, more=4)))
    assert [Rung.from_json(rung.to_json()) for rung in done] == done


def test_who_came_further_is_better():
    done = list(race.run(entries(), Track(by_placement), Rules(rungs=2, more=0)))
    best = race.best_rates(entries(), done)
    assert list(best) == ["p0", "p1", "p2", "p3"]
    assert best["p0"][1].step == 8
    assert best["p3"][1].step == 4
    assert best["p3"][0].rate == 0.016


def test_which_rates_were_tried():
    done = list(race.run(entries(1), Track(lambda e, s: -e.rate), Rules(rungs=2, more=4)))
    assert race.tried_rates("p0", entries(1), done) == (0.004, 0.016, 0.064, 0.256)


@pytest.mark.parametrize("noise", [0.0, 1.0])
def test_rungs_record_who_went(noise):
    random = np.random.default_rng(0)
    track = Track(lambda entry, step: by_placement(entry, step) + noise * random.normal())
    for rung in race.run(entries(), track, Rules(more=2)):
        assert set(rung.kept) | set(rung.out) == set(rung.losses)
        assert not set(rung.kept) & set(rung.out)
        assert list(rung.losses.values()) == sorted(rung.losses.values())
