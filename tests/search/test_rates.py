"""The grid of learning rates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domlora.comparison.config import HIGHEST_RATE
from domlora.search.rates import FACTOR, LOWEST_RATE, beyond, neighbours, on_grid, start_rates


def test_rates_have_few_digits():
    assert [on_grid(i) for i in range(-1, 5)] == [0.00025, 0.001, 0.004, 0.016, 0.064, 0.256]


def test_an_adapter_everywhere_starts_around_what_was_measured():
    assert start_rates(2_442_240, 2_442_240) == (0.001, 0.004, 0.016)


def test_a_single_module_starts_higher():
    """On SmolLM2-135M single modules of 6 to 17 thousand parameters did best at 0.016 to 0.064."""
    for parameters in (6_144, 16_896):
        assert {0.016, 0.064} <= set(start_rates(parameters, 2_442_240))


@given(st.integers(1, 10**9), st.integers(1, 10**12))
def test_three_rates_that_can_train_and_that_neighbour_each_other(parameters, everywhere):
    low, middle, high = start_rates(parameters, everywhere)
    assert LOWEST_RATE < low < middle < high < HIGHEST_RATE
    assert neighbours(middle) == (low, middle, high)
    assert high / middle == pytest.approx(FACTOR)


def test_the_next_rate_is_beyond_the_edge_that_the_best_is_at():
    tried = (0.004, 0.016, 0.064)
    assert beyond(0.064, tried) == 0.256
    assert beyond(0.004, tried) == 0.001
    assert beyond(0.016, tried) is None


def test_no_rate_is_beyond_what_can_train():
    highest = next(on_grid(i) for i in range(20) if on_grid(i + 1) >= HIGHEST_RATE)
    assert beyond(highest, (highest / FACTOR, highest)) is None
