"""Who is judged in the end."""

from __future__ import annotations

from dataclasses import replace

from domlora.placements.placement import PlacedModule, Placement
from domlora.placements.rules import Row
from domlora.search.candidates import Candidate
from domlora.search.config import find_config
from domlora.search.finalists import CONTROL, control_of, finalists, settings
from domlora.search.race import Entry, Rung

KINDS = {"q": (8, 8), "up": (8, 32), "down": (32, 8)}
ROWS = [
    Row(f"layers.{layer}.{kind}", "decoder", layer, kind, *size, 1.0)
    for layer in range(6)
    for kind, size in KINDS.items()
]


def placement(name, *modules, rank=4):
    rows = [row for row in ROWS if row.module in modules]
    placed = [
        PlacedModule(**{k: v for k, v in row._asdict().items() if k != "energy"}, rank=rank) for row in rows
    ]  # fmt: skip
    return Placement(name=name, modules=tuple(placed), rank=rank, alpha=2 * rank)


EVERYWHERE = placement("all-linear", *(row.module for row in ROWS))
HALF = placement("half", *(row.module for row in ROWS[:9]))
ONE = placement("one", "layers.3.down")
RANDOM = placement("random-1", "layers.4.down")
CANDIDATES = [
    Candidate(EVERYWHERE, ("vanilla",)), Candidate(HALF, ("",)), Candidate(ONE, ("",)),
    Candidate(RANDOM, ("random",), control=True),
]  # fmt: skip
ENTRIES = [Entry(candidate.name, rate) for candidate in CANDIDATES for rate in (0.004, 0.016)]


def rung(step, *merit, kept=None):
    names = [f"{name} lr=0.016" for name in merit]
    return Rung(step, {name: float(i) for i, name in enumerate(names)}, (), tuple(names[:kept]), (), (), (), ())


def judged(*rungs):
    return finalists(CANDIDATES, ENTRIES, list(rungs), ROWS, 0)


def test_the_leader_the_largest_the_smallest_that_is_left_and_a_control():
    found = judged(rung(4, "half", "one", "all-linear", "random-1"))
    assert [one.placement.name for one in found] == ["half", "one", "all-linear", CONTROL]
    assert found[0].rates == (0.016,)
    assert [one.control for one in found] == [False, False, False, True]


def test_the_largest_is_judged_though_it_fell_out_early():
    found = judged(rung(4, "half", "one", "random-1", "all-linear", kept=2), rung(8, "one", "half"))
    assert [one.placement.name for one in found] == ["one", "half", "all-linear", "random-1"]


def test_a_random_candidate_of_the_leaders_size_is_its_control_at_its_own_rate():
    found = judged(rung(4, "one", "half", "random-1", "all-linear"))
    assert found[-1] == replace(found[-1], placement=RANDOM, rates=(0.016,), control=True)


def test_a_control_that_is_drawn_chooses_among_three_rates():
    (control,) = (one for one in judged(rung(4, "half", "one", "all-linear")) if one.control)
    assert control.rates == (0.004, 0.016, 0.064)
    assert control.placement.trainable_parameters == HALF.trainable_parameters
    assert not {m.module for m in control.placement.modules} & {m.module for m in HALF.modules}


def test_a_control_is_as_large_module_by_module():
    for seed in range(20):
        control = control_of(HALF, ROWS, seed)
        sizes = [sorted(m.in_features + m.out_features for m in p.modules) for p in (HALF, control)]
        assert sizes[0] == sizes[1]
    drawn = {tuple(m.module for m in control_of(ONE, ROWS, seed).modules) for seed in range(20)}
    assert len(drawn) > 3


def test_what_is_everywhere_has_no_control_so_the_next_one_has():
    assert control_of(EVERYWHERE, ROWS, 0) is None
    found = judged(rung(4, "all-linear", "half", "one"))
    (control,) = (one for one in found if one.control)
    assert control.placement.trainable_parameters == HALF.trainable_parameters


def test_finalists_are_judged_by_fresh_seeds_at_the_rate_of_the_race():
    found = judged(rung(4, "half", "one", "all-linear", "random-1"))
    config = settings(find_config({"seeds": 4, "rank": 4}), found, 40, None)
    assert config.judging == (0, 1, 2, 3)
    assert config.steps == 40
    assert config.schedule == "linear"
    assert config.rates_of("half") == (0.016,)
    assert config.choosing_of("half") == ()
    assert config.rates_of(CONTROL) == (0.004, 0.016, 0.064)
    assert config.choosing_of(CONTROL) == (1000,)
