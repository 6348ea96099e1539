"""Settings of a comparison: one rule for alpha, rates that can train, and which seeds choose and judge."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from domlora.comparison.config import CHOOSING, SweepConfig


@pytest.mark.parametrize(("rank", "alpha", "found"), [(8, None, 16), (32, None, 64), (32, 16, 16), (1, 3.5, 3.5)])
def test_alpha_is_twice_the_rank_where_none_is_given(rank, alpha, found):
    assert SweepConfig(rank=rank, alpha=alpha).alpha == found
    assert SweepConfig(**{"rank": rank} | ({} if alpha is None else {"alpha": alpha})).alpha == found
    assert SweepConfig.model_validate(SweepConfig(rank=rank, alpha=alpha).model_dump()).alpha == found


@pytest.mark.parametrize(
    ("rate", "words"), [(0, "trains nothing"), (-1e-3, "trains nothing"), (10, "diverges at once"), (1e9, "diverges")]
)
def test_a_rate_that_cannot_train_says_why(rate, words):
    with pytest.raises(ValidationError, match=words):
        SweepConfig(learning_rates=(rate,))


@pytest.mark.parametrize(
    ("rates", "rate_seeds", "choosing", "variants"),
    [
        ((1e-3,), 1, (), 3),
        ((1e-3, 1e-2), 1, (CHOOSING,), 2 + 3),
        ((1e-3, 1e-2), 2, (CHOOSING, CHOOSING + 1), 4 + 3),
        ((1e-3, 1e-2), 0, (0, 1, 2), 6),
    ],
)
def test_seeds_that_choose_are_others_than_those_that_judge(rates, rate_seeds, choosing, variants):
    config = SweepConfig(learning_rates=rates, seeds=3, rate_seeds=rate_seeds)
    assert (config.choosing, config.judging, config.variants) == (choosing, (0, 1, 2), variants)


@pytest.mark.parametrize("legs", [(60,), (0,), (20, 20), (30, 10), (70,)])
def test_legs_end_one_after_the_other_before_the_last_step(legs):
    with pytest.raises(ValidationError, match="cannot go on to 60"):
        SweepConfig(steps=60, legs=legs)


def test_each_step_belongs_to_one_leg():
    config = SweepConfig(steps=60, legs=(10, 30))
    found = [config.leg_after(step) for step in (0, 9, 10, 29, 30, 59, 60)]
    assert found == [(0, 10), (0, 10), (10, 30), (10, 30), (30, 60), (30, 60), (30, 60)]


def test_all_seeds_share_a_fixed_order():
    assert [SweepConfig(order="fixed").order_of(seed) for seed in (0, 7, CHOOSING)] == [0, 0, 0]
    assert [SweepConfig().order_of(seed) for seed in (0, 7, CHOOSING)] == [0, 7, CHOOSING]
