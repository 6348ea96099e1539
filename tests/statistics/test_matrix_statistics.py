"""Ranks, correlation and uncertainty across maps, against scipy, loops and simulations with a known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from domlora.statistics import bootstrap, intervals, ranks

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
        found = ranks.correlation_interval(rho, draws)
        assert -1 <= found.low <= rho <= found.high <= 1 or rho in (1.0, -1.0)
    assert np.isnan(ranks.correlation_interval(np.nan, draws).low)


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
        found = ranks.correlation_interval(rho, ranks.spearman(*draws))
        hits.append(found.low <= truth <= found.high)
    assert np.mean(hits) >= 0.85


def test_the_standard_error_of_a_probability_is_its_spread_over_fresh_samples():
    """How often a resampled mean is positive, for samples about zero: over fresh samples that is uniform in 0 to 1."""
    rng = np.random.default_rng(2)
    values, widths, held = [], [], []
    for trial in range(300):
        samples = rng.normal(size=40)
        counts = bootstrap.resample_counts(40, 40, 1000, seed=trial)
        found = intervals.probability(counts @ samples > 0, [counts])
        values.append(found.value)
        widths.append(found.high - found.low)
        held.append(found.low <= 0.5 <= found.high)
    assert np.std(values) == pytest.approx(np.sqrt(1 / 12), rel=0.15)
    assert np.mean(held) >= 0.85  # one half is what the true mean gives
    assert np.mean(widths) > 0.5


def test_a_probability_that_no_sample_moves_has_the_interval_of_its_draws():
    outcome = np.arange(1000) % 2 == 0
    counts = bootstrap.resample_counts(10, 10, 1000, seed=0)
    found = intervals.probability(outcome, [counts])
    assert (found.low, found.high) == pytest.approx(intervals.wilson_interval(500, 1000), abs=0.05)
    sure = intervals.probability(np.ones(1000), [counts])
    assert (sure.value, sure.high) == (1, 1)
    assert (sure.low, sure.high) == pytest.approx(intervals.wilson_interval(1000, 1000))


def test_the_truly_best_is_rarely_excluded_however_many_are_as_good():
    rng = np.random.default_rng(3)
    kept = []
    for trial in range(200):
        samples = rng.normal(size=(32, 20))  # all 20 are equally good: item 0 is as much the best as any
        counts = bootstrap.resample_counts(32, 32, 400, seed=trial)
        kept.append(intervals.could_be_best(samples.mean(axis=0), counts @ samples / 32)[0])
    assert np.mean(kept) >= 0.9


@given(arrays(np.float64, 6, elements=st.floats(-5, 5), unique=True))
def test_the_observed_best_may_always_be_the_best_and_a_clear_one_alone(values):
    draws = values + 1e-9 * np.random.default_rng(0).normal(size=(100, 6))
    able = intervals.could_be_best(values, draws)
    assert able[values.argmax()]
    if np.diff(np.sort(values))[-1] > 1e-6:
        assert able.sum() == 1


def test_kept_draws_cannot_be_changed():
    with pytest.raises(ValueError, match="read-only"):
        bootstrap.resample_weights(4, 10, 0)[0, 0] = 1
