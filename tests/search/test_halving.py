"""Who goes on after a rung."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from domlora.search.halving import cut

ROWS = np.array([0.1, -0.2, 0.3, 0.0, -0.1, 0.2])


def field(means, spread=0.0):
    """Entries of these mean losses on the same rows; what each does to a row of its own is `spread`."""
    random = np.random.default_rng(0)
    own = spread * random.normal(size=(len(means), len(ROWS)))
    own -= own.mean(axis=1, keepdims=True)
    return {f"e{i}": mean + ROWS + own[i] for i, mean in enumerate(means)}


def test_the_better_half_stays_and_the_odd_one_with_it():
    found = cut(field([3.0, 1.0, 2.0, 5.0, 4.0]), 10)
    assert found.kept == ("e1", "e2", "e0")
    assert found.out == ("e4", "e3")
    assert found.tied == found.untold == ()


def test_what_ties_with_the_last_of_the_better_half_stays():
    losses = field([1.0, 2.0, 2.001, 9.0], spread=0.5)
    found = cut(losses, 10)
    assert found.kept == ("e0", "e1", "e2")
    assert found.tied == ("e2",)
    assert found.out == ("e3",)


def test_ties_are_paired_differences_of_rows():
    """Rows differ by far more than entries do; on the same rows the entries are told apart all the same."""
    losses = field([1.0, 1.1, 1.2, 1.3])
    assert cut(losses, 10).tied == ()
    alone = stats.ttest_ind(losses["e1"], losses["e2"])
    assert alone.pvalue > 0.05


def test_the_interval_is_that_of_a_paired_t_test():
    random = np.random.default_rng(1)
    for _ in range(50):
        losses = {"a": random.normal(size=8), "b": random.normal(0.8, 1, size=8)}
        better, worse = sorted(losses, key=lambda name: losses[name].mean())
        behind = stats.ttest_rel(losses[worse], losses[better]).pvalue < 0.05
        assert (cut(losses, 10).out == (worse,)) == behind


def test_what_ties_and_has_no_room_is_named():
    found = cut(field([1.0, 2.0, 2.001, 2.002], spread=0.5), 1)
    assert found.tied == ("e2",)
    assert found.untold == ("e3",)
    assert found.out == ("e3",)


@pytest.mark.parametrize("ties", [True, False])
def test_without_ties_half_of_them_go(ties):
    losses = field([1.0, 1.0001, 1.0002, 1.0003], spread=0.5)
    assert len(cut(losses, 10, ties=ties).kept) == (4 if ties else 2)


def test_one_and_none():
    assert cut({}, 3).kept == ()
    assert cut(field([1.0]), 3).kept == ("e0",)
