"""Ranks and correlations against scipy, and the interval of a correlation against a simulation with a known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from domlora.statistics import bootstrap, ranks

few_values = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(2, 12)), elements=st.integers(0, 5))


@given(few_values)
def test_ranks_are_scipys_also_with_ties(values):
    np.testing.assert_allclose(ranks.average_ranks(values), stats.rankdata(values, axis=1))


@given(arrays(np.float64, (2, 9), elements=st.integers(0, 6)))
def test_spearman_is_scipys_also_with_ties(pair):
    found = float(ranks.spearman(pair[0], pair[1]))
    if np.ptp(pair[0]) == 0 or np.ptp(pair[1]) == 0:
        assert np.isnan(found)
    else:
        assert found == pytest.approx(stats.spearmanr(pair[0], pair[1]).statistic, abs=1e-12)


@given(arrays(np.float64, 8, elements=st.integers(-100, 100), unique=True))
def test_a_ranking_agrees_with_itself_and_disagrees_with_its_mirror(values):
    assert ranks.spearman(values, values) == pytest.approx(1)
    assert ranks.spearman(values, np.exp(values / 50)) == pytest.approx(1)
    assert ranks.spearman(values, -values) == pytest.approx(-1)


def test_the_interval_of_a_correlation_holds_it_and_stays_in_range():
    draws = np.random.default_rng(0).uniform(0.85, 0.97, 400)
    for rho in (0.98, 1.0, -1.0, 0.9):
        found = ranks.correlation_interval(rho, draws, 16)
        assert -1 <= found.low <= rho <= found.high <= 1 or rho in (1.0, -1.0)
    assert np.isnan(ranks.correlation_interval(np.nan, draws, 16).low)


def test_the_interval_of_rho_covers_the_truth():
    """Two vectors of 60 true means, each measured on 24 samples: the interval must hold the rho of the means."""
    rng = np.random.default_rng(1)
    hits = []
    for trial in range(80):
        means = np.exp(rng.normal(size=60))
        other = means * np.exp(0.7 * rng.normal(size=60))
        truth = stats.spearmanr(means, other).statistic
        draws, measured = [], []
        for side, mean in enumerate((means, other)):
            samples = mean * np.exp(0.5 * rng.normal(size=(24, 60)))
            counts = bootstrap.resample_counts(24, 24, 400, seed=2 * trial + side)
            measured.append(samples.mean(axis=0))
            draws.append(counts @ samples / 24)
        rho = float(ranks.spearman(*measured))
        found = ranks.correlation_interval(rho, ranks.spearman(*draws), 24)
        hits.append(found.low <= truth <= found.high)
    assert np.mean(hits) >= 0.85


def test_the_interval_of_rho_covers_what_fresh_samples_give_though_there_are_eight():
    """A wider interval than 1.96 standard deviations of the resamples, which held in 82 to 90 %."""
    rng = np.random.default_rng(2)
    first = np.exp(rng.normal(size=30))
    second = np.exp(0.5 * np.log(first) + 0.87 * rng.normal(size=30))

    def measured():
        return [
            mean * np.exp(0.7 * rng.normal(size=(8, 1)) + 0.8 * rng.normal(size=(8, 30))) for mean in (first, second)
        ]

    truth = np.mean([ranks.spearman(*(side.mean(axis=0) for side in measured())) for _ in range(600)])
    hits = []
    for trial in range(150):
        sides = measured()
        draws = [bootstrap.resample_counts(8, 8, 300, 2 * trial + i) @ side for i, side in enumerate(sides)]
        rho = float(ranks.spearman(*(side.mean(axis=0) for side in sides)))
        found = ranks.correlation_interval(rho, ranks.spearman(*draws), 8)
        hits.append(found.low <= truth <= found.high)
    assert np.mean(hits) >= 0.88
