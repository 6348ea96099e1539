"""A seed is a start and an order of the data; seeds that choose a learning rate are not those that judge it."""

from __future__ import annotations

import pytest

from domlora.comparison.analysis import compare_run
from domlora.comparison.config import CHOOSING
from tests.helpers.sweep_place import Killed, Watch, assert_same_end, curve, kill, weights

RATES = (1e-3, 3e-2)


def test_a_seed_has_an_order_of_its_own_that_all_placements_share(place):
    """At step 1 no adapter changes anything yet, so that the loss of a step tells which rows it read."""
    _, metrics, _ = place.run([place.all, place.top], seeds=3)
    first = {
        (name, seed): curve(metrics, f"{name} lr=0.01 seed={seed}")[1] for name in ("all", "top") for seed in range(3)
    }
    assert all(first["all", seed] == pytest.approx(first["top", seed], rel=1e-5) for seed in range(3))
    assert len({round(first["all", seed], 4) for seed in range(3)}) == 3


def test_a_fixed_order_is_the_same_for_all_seeds_and_said_so(place):
    run, metrics, evaluations = place.run([place.all, place.top], seeds=2, order="fixed")
    first = [curve(metrics, f"all lr=0.01 seed={seed}")[1] for seed in range(2)]
    assert first[0] == pytest.approx(first[1], rel=1e-6)
    assert "one order of the data" in compare_run(run, evaluations).conclusion
    run, _, evaluations = place.run([place.all, place.top], seeds=2)
    assert "2 starts of the adapter with orders of the data" in compare_run(run, evaluations).conclusion


@pytest.mark.parametrize("method", ["pissa", "olora", "eva"])
def test_methods_whose_start_no_seed_changes_differ_by_the_order(place, method):
    run, _, evaluations = place.run([place.all], seeds=2, methods=(method,))
    one, two = (weights(variant) for variant in run.variants)
    assert any(not one[name].equal(two[name]) for name in one)
    assert compare_run(run, evaluations).table["seeds"].tolist() == [2]


def test_what_is_identical_counts_as_one_start(place):
    run, _, evaluations = place.run([place.all, place.top], seeds=2, methods=("pissa", "lora"), order="fixed")
    table = compare_run(run, evaluations).table
    assert table.loc[["all pissa", "all"], "seeds"].tolist() == [1, 2]


def test_the_rate_is_chosen_by_other_seeds_than_those_that_judge_it(place):
    run, _, evaluations = place.run([place.all, place.low], learning_rates=RATES, seeds=2, rate_seeds=2)
    choosing = [v for v in run.variants if v.seed >= CHOOSING]
    judging = [v for v in run.variants if v.seed < CHOOSING]
    assert len(choosing) == 8 and len(judging) == 4 and {v.status for v in run.variants} == {"done"}
    comparison = compare_run(run, evaluations)
    for contestant in comparison.contestants:
        means = {
            rate: sum(
                v.results["eval_loss_after"]
                for v in choosing
                if (v.placement, v.learning_rate) == (contestant.placement, rate)
            )
            for rate in RATES
        }
        assert contestant.learning_rate == min(means, key=means.get)
        assert [(v.learning_rate, v.seed) for v in contestant.variants] == [
            (contestant.learning_rate, s) for s in (0, 1)
        ]
    tested = {e.variant for e in evaluations if e.part == "test"}
    assert tested == {"base", *(v.name for v in judging)}, "test rows are for those that judge"
    assert comparison.table["seeds"].tolist() == [2, 2]


def test_one_rate_needs_no_choice_and_seeds_that_judge_may_choose(place):
    run, _, _ = place.run([place.all], seeds=2)
    assert [v.seed for v in run.variants] == [0, 1]
    run, _, evaluations = place.run([place.all], learning_rates=RATES, seeds=2, rate_seeds=0)
    assert [v.seed for v in run.variants] == [0, 1, 0, 1]
    assert "the same seeds chose the rates" in compare_run(run, evaluations).conclusion


def test_a_run_killed_while_it_judges_ends_as_one_that_was_not(place):
    settings = {"learning_rates": RATES, "seeds": 2}
    whole = place.run([place.all, place.low], **settings)
    with pytest.raises(Killed):
        place.run([place.all, place.low], **settings, progress=Watch(10, kill))
    assert [v.seed for v in place.stored()[0].variants if v.status == "training"] == [0, 1, 0, 1]
    again = place.run([place.all, place.low], **settings, fresh=False)
    assert_same_end(again, whole, close=1e-6)


def test_a_rate_at_which_a_seed_that_judges_diverges_is_not_hidden(place, monkeypatch):
    from domlora.training import sweep

    step = sweep.Live.step

    def lost(self, max_norm):
        norm = step(self, max_norm)
        return float("nan") if self.variant.seed == 1 else norm

    monkeypatch.setattr(sweep.Live, "step", lost)
    run, _, evaluations = place.run([place.all], learning_rates=RATES, seeds=2)
    (contestant,) = compare_run(run, evaluations).contestants
    assert contestant.status == "incomplete"
    assert "1 of 2 seeds that judge: 1 finished, 1 diverged" in contestant.note
