"""Probabilities, who may be the best, and Pareto fronts, against formulas, loops and simulations with a known truth."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from domlora.statistics import bootstrap, intervals


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


def test_a_probability_is_known_from_no_more_trials_than_there_are_samples():
    counts = bootstrap.resample_counts(10, 10, 1000, seed=0)
    found = intervals.probability(np.arange(1000) % 2 == 0, [counts])  # which no sample moves
    assert (found.low, found.high) == pytest.approx(intervals.wilson_interval(5, 10))
    sure = intervals.probability(np.ones(1000), [counts, bootstrap.resample_counts(20, 20, 1000, seed=1)])
    assert (sure.value, sure.high) == (1, pytest.approx(1))
    assert (sure.low, sure.high) == pytest.approx(intervals.wilson_interval(10, 10))


def test_few_samples_have_students_quantile():
    for n in (2, 3, 8, 32):
        expected = np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1) / stats.norm.ppf(0.975)
        assert intervals.few_samples(n) == pytest.approx(expected, rel=1e-4)
    assert intervals.few_samples(10_000) == pytest.approx(1, abs=1e-3)


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


@given(arrays(float, st.tuples(st.integers(0, 12), st.just(2)), elements=st.sampled_from([0.0, 1.0, 2.0, 3.0, np.nan])))
def test_pareto_front_is_what_brute_force_finds(costs):
    def beaten(item):
        return any(
            all(a <= b for a, b in zip(other, item, strict=True)) and tuple(other) != tuple(item) for other in costs
        )

    expected = [not np.isnan(item).any() and not beaten(item) for item in costs]
    assert list(intervals.pareto_front(costs)) == expected


@given(st.integers(1, 200), st.floats(0, 1))
def test_wilson_interval_is_its_formula(trials, fraction):
    successes = round(fraction * trials)
    z, p = stats.norm.ppf(0.975), successes / trials
    centre, half = p + z**2 / (2 * trials), z * np.sqrt(p * (1 - p) / trials + z**2 / (4 * trials**2))
    scale = 1 + z**2 / trials
    expected = (max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale))
    assert intervals.wilson_interval(successes, trials) == pytest.approx(expected, abs=1e-9)
