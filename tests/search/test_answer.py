"""What a search says."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from domlora.errors import UsageError
from domlora.search.answer import answer_of, make_answer, smallest_as_good
from domlora.store.store import Store
from tests.helpers.runs import a_run
from tests.helpers.searches import a_race, compared, finals, rung

RUNGS = (rung(4, "all-linear", "qv", "dominant", "random-1", kept=2), rung(8, "all-linear", "qv"))


def answered(means, control="random-control", **settings):
    race = a_race(*RUNGS, control=control, final="c" * 12, status="done")
    return make_answer(race, compared(means, **settings))


def test_the_smallest_that_is_as_good_is_chosen():
    answer = answered({"all-linear": 1.000, "qv": 1.004, "random-control": 1.2})
    assert answer.chosen == "qv"
    assert answer.headline.startswith("Adapt qv (8 modules: q and v in layers 0 to 3), rank 8, at a learning rate of")
    assert "as good as all-linear (1.000, difference +0.004" in answer.headline
    assert "with 50 % of its parameters" in answer.headline
    assert answer.placement.name == "qv"
    assert answer.learning_rate == 0.016


def test_who_is_behind_by_more_than_a_twentieth_of_the_gain_is_not_as_good():
    answer = answered({"all-linear": 1.000, "qv": 1.060, "random-control": 1.2})
    assert answer.chosen == "all-linear"
    assert "better than qv (1.060, difference −0.06" in answer.headline


def test_what_is_only_not_told_apart_is_not_as_good():
    """With wide intervals little is known: the best one is named, and that it is not told apart from the others."""
    answer = answered({"all-linear": 1.000, "qv": 1.004, "random-control": 1.2}, noise=1.5)
    assert answer.chosen in ("all-linear", "qv")
    assert "not told apart from" in answer.headline


def test_a_control_is_never_the_answer_and_what_it_shows_is_said():
    answer = answered({"random-control": 0.9, "qv": 1.0, "all-linear": 1.1})
    assert answer.chosen == "qv"
    assert any(
        "Told apart from random modules of its size (random-control): yes, it is worse" in s for s in answer.told
    )
    better = answered({"random-control": 1.2, "qv": 1.0, "all-linear": 1.1})
    assert any("yes, it is better (difference −0.2" in sentence for sentence in better.told)
    same = answered({"random-control": 1.0, "qv": 1.0, "all-linear": 1.1}, noise=0.3)
    assert any(": no (difference" in sentence for sentence in same.told)


def test_where_the_dominant_module_stands_is_always_said():
    out = answered({"all-linear": 1.0, "qv": 1.1})
    assert any("PAGE's dominant module (layers.2.down) is number 3 of 4: out after step 4" in s for s in out.told)
    judged = answered({"all-linear": 1.0, "dominant": 1.3})
    assert any("against it: worse (difference +0.3" in sentence for sentence in judged.told)
    won = answered({"dominant": 1.0, "all-linear": 1.3})
    assert "It is PAGE's dominant module (layers.2.down)." in won.told


def test_no_gain_is_said():
    answer = answered({"all-linear": 2.0, "qv": 2.1, "random-control": 2.2}, noise=0.3)
    assert "is not below the base model's 2.000 beyond its interval" in answer.headline


def test_without_a_control_that_is_said():
    answer = answered({"all-linear": 1.0, "qv": 1.2}, control=None)
    assert any("that its place matters is not shown" in sentence for sentence in answer.told)


def test_while_it_races():
    nothing = make_answer(a_race(), None)
    assert nothing.headline == "Nothing is known yet: 4 placements train in the first rung."
    assert nothing.chosen is None
    assert nothing.placement is None
    racing = make_answer(a_race(RUNGS[0]), None)
    assert racing.headline == (
        "After rung 1 all-linear leads with a validation loss of 1.000 at step 4; 2 of 4 placements are still in the "
        "race."
    )
    table = racing.table.set_index("placement")
    assert table.loc["all-linear", "status"] == "in the race"
    assert table.loc["dominant", "status"] == "out after step 4"
    ended = make_answer(a_race(RUNGS[0], status="done"), None)
    assert ended.headline.startswith("Not judged with fresh starts on test rows, as there was no time for finals: all")


def test_while_the_finals_go_on():
    race = a_race(*RUNGS, control="random-control", final="c" * 12)
    answer = make_answer(race, compared({"all-linear": 1.0, "qv": 1.004}, status="running"))
    assert answer.headline.startswith("The finals go on; so far: Adapt ")


def test_what_fell_out_for_want_of_time_is_said():
    race = a_race(rung(4, "all-linear", "qv", "dominant", kept=2, untold=("dominant",)), status="done")
    assert any("1 entr" in sentence and "want of room" in sentence for sentence in make_answer(race, None).told)


def test_it_is_json():
    answer = answered({"all-linear": 1.0, "qv": 1.004, "random-control": 1.2})
    made = json.loads(json.dumps(answer.to_json()))
    assert made["chosen"] == "qv"
    assert made["lora_config"]["target_modules"] == [f"layers.{i}.{kind}" for i in range(4) for kind in ("q", "v")]
    assert [one["step"] for one in made["race"]["rungs"]] == [4, 8]
    assert made["final"]["best"] == "all-linear"


def test_it_is_read_from_the_store():
    store = Store()
    run, evaluations = finals({"all-linear": 1.0, "qv": 1.004})
    stored = store.runs.start(run)
    store.runs.add_evaluations(stored.id, evaluations)
    race = store.runs.start(a_race(*RUNGS, control=None, final=stored.id, status="done"))
    assert answer_of(store, race).final.run.id == stored.id
    store.runs.remove(stored.id)
    assert answer_of(store, race).final is None


def test_a_comparison_is_no_search():
    store = Store()
    with pytest.raises(UsageError, match=r"is a comparison and no search: `domlora runs show"):
        answer_of(store, store.runs.start(a_run()))


def test_as_good_counts_from_the_upper_end_of_the_interval():
    sizes = {"best": 100, "a": 10, "b": 5}
    assert smallest_as_good("best", {"a": 0.049, "b": 0.051}, sizes, gain=1.0) == "a"
    assert smallest_as_good("best", {"a": 0.049, "b": float("nan")}, sizes, gain=1.0) == "a"
    assert smallest_as_good("best", {"a": 0.001, "b": 0.001}, sizes, gain=-0.5) == "best"


def test_a_rate_at_the_edge_is_said():
    answer = answered({"all-linear": 1.0, "qv": 1.2, "random-control": 1.3})
    assert answer.tried == (0.016,)  # one alone is no edge
    low = rung(4, "all-linear", "qv", kept=2)
    race = a_race(replace(low, losses={"all-linear lr=0.004": 1.2, **low.losses}), final="c" * 12, status="done")
    edge = make_answer(race, compared({"all-linear": 1.0, "qv": 1.2}))
    assert any("Its learning rate is the highest that the race tried" in sentence for sentence in edge.told)
