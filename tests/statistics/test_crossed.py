"""Means over seeds and rows: against scipy's tests where they agree, by simulations with a known truth, and laws."""

import numpy as np
import pytest
from scipy import stats

from domlora.statistics import crossed


def world(random, items, seeds, rows, ratio, *, shared=1.0, spread=1.0):
    """Losses without any difference; seeds move a mean difference with `ratio` times the variance that rows do."""
    of_seed = np.sqrt(ratio * seeds / rows)
    return (
        random.normal(0, 1, rows)
        + random.normal(0, 1, (items, 1, rows))
        + of_seed * spread * random.normal(0, 1, (items, seeds, 1))
        + of_seed * shared * random.normal(0, 1, (seeds, 1))
    )


def all_hold(values):
    found = crossed.differences(values)
    return bool(((found.low <= 0) & (found.high >= 0)).all())


# --- what must hold ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("items, seeds, ratio", [(4, 2, 5), (4, 3, 5), (12, 2, 5), (12, 3, 2), (4, 2, 0.2), (3, 2, 5)])
def test_intervals_of_all_pairs_hold_at_once_however_much_seeds_vary(items, seeds, ratio):
    """Resampling held in 60 % of the first case and in 18 % of the third."""
    random = np.random.default_rng(items * seeds)
    held = [all_hold(world(random, items, seeds, 48, ratio)) for _ in range(300)]
    assert 0.92 <= np.mean(held) <= 0.99


def test_two_items_alone_are_as_sure_as_two_seeds_allow():
    random = np.random.default_rng(1)
    assert np.mean([all_hold(world(random, 2, 2, 48, 5)) for _ in range(400)]) >= 0.92


def test_one_item_that_varies_more_over_seeds_is_noticed():
    random = np.random.default_rng(2)
    spread = np.array([4.0, 1, 1, 1])[:, None, None]
    assert np.mean([all_hold(world(random, 4, 5, 48, 1, spread=spread)) for _ in range(300)]) >= 0.92
    found = crossed.differences(world(random, 4, 5, 48, 5, spread=10 * spread))
    wide = found.high - found.low
    assert wide[found.first == 0].min() > 1.2 * wide[found.first != 0].max()


@pytest.mark.parametrize("seeds, ratio", [(1, 0), (2, 0.2), (2, 5), (3, 5), (5, 1)])
def test_the_interval_of_an_items_own_mean_holds_too(seeds, ratio):
    random, held = np.random.default_rng(3), []
    for _ in range(300):
        low, high = crossed.means(world(random, 4, seeds, 48, ratio))
        held.append((low <= 0) & (high >= 0))
    assert np.mean(held) >= 0.925


def test_a_contrast_holds_and_takes_the_variance_of_seeds_from_all_items():
    random, held = np.random.default_rng(4), []
    for _ in range(300):
        found = crossed.contrast(world(random, 6, 2, 48, 5), np.array([1, -1 / 3, -1 / 3, -1 / 3, 0, 0]))
        held.append(found.low <= 0 <= found.high)
    assert np.mean(held) >= 0.93


def test_power_is_kept_a_difference_of_five_standard_errors_is_found_with_two_seeds():
    random, found = np.random.default_rng(5), []
    for _ in range(100):
        values = world(random, 6, 2, 48, 0.5)
        values[0] += 5 * np.sqrt(2 * 1.5 / 48)
        of_first = crossed.differences(values)
        found.append((of_first.low[of_first.first == 0] > 0).all())
    assert np.mean(found) > 0.7


# --- where a textbook has the answer ----------------------------------------------------------------------------------


def test_two_items_on_one_seed_are_the_paired_t_test():
    values = np.random.default_rng(6).normal(0, 1, (2, 1, 30))
    found, expected = crossed.differences(values), stats.ttest_rel(values[0, 0], values[1, 0])
    interval = expected.confidence_interval()
    assert (found.low[0], found.high[0]) == pytest.approx((interval.low, interval.high), rel=1e-3)
    assert found.below[0] == pytest.approx(1 - stats.ttest_rel(*values[:, 0], alternative="less").pvalue)


def test_seeds_alone_are_tukeys_honest_test_after_the_seeds_are_taken_out():
    """Rows that add nothing: the two-way layout of items and seeds, whose error has (items - 1)(seeds - 1) degrees."""
    table = np.random.default_rng(7).normal(0, 1, (5, 4))
    values = np.repeat(table[:, :, None], 40, axis=2)
    left = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0) + table.mean()
    variance = (left**2).sum() / 12
    own = np.maximum((left**2).sum(axis=1) / 3 - variance / 5, 0) * 5 / 3
    assert (crossed.OWN * own < variance).all()  # else an item counts with its own
    half = stats.studentized_range.ppf(0.95, 5, 12) * np.sqrt(variance / 4)
    found = crossed.differences(values)
    assert found.high - found.estimate == pytest.approx(np.full(10, half), rel=1e-3)


def test_many_seeds_are_tukeys_test_of_scipy():
    """With so many seeds it does not matter whether the seeds' common part is taken out."""
    table = np.random.default_rng(8).normal(0, 1, (3, 150))
    found = crossed.differences(np.repeat(table[:, :, None], 2, axis=2))
    expected = stats.tukey_hsd(*table).confidence_interval()
    for i, j, low, high in zip(found.first, found.second, found.low, found.high, strict=True):
        assert (low, high) == pytest.approx((expected.low[i, j], expected.high[i, j]), abs=0.1 * (high - low))


def test_the_mean_of_one_item_on_one_seed_is_the_t_interval_where_rows_are_not_skewed():
    left = np.random.default_rng(9).normal(0, 2, 15)
    values = 3 + np.concatenate([left, -left])[None, None]
    low, high = crossed.means(values)
    assert (low[0], high[0]) == pytest.approx(stats.t.interval(0.95, 29, 3, stats.sem(values[0, 0])))


def test_the_interval_of_a_mean_holds_where_rows_are_skewed():
    """Student's holds in 90 %: the few high losses that a mean depends on are often not among 48 rows."""
    random = np.random.default_rng(19)
    rows = np.exp(random.normal(size=(600, 1, 1, 48)))
    held, students = [], []
    for values in rows:
        low, high = crossed.means(values)
        held.append(low[0] <= np.exp(0.5) <= high[0])
        students.append(abs(values.mean() - np.exp(0.5)) <= stats.t.ppf(0.975, 47) * stats.sem(values[0, 0]))
        mirror_low, mirror_high = crossed.means(-values)
        assert (mirror_low[0], mirror_high[0]) == pytest.approx((-high[0], -low[0]))
    assert np.mean(students) < 0.925
    assert np.mean(held) >= 0.93


# --- laws -------------------------------------------------------------------------------------------------------------


def test_the_order_of_items_seeds_and_rows_does_not_matter():
    random = np.random.default_rng(10)
    values = world(random, 5, 3, 20, 2)
    values[1, 2] = np.nan
    found = crossed.differences(values)
    items, seeds, rows = random.permutation(5), random.permutation(3), random.permutation(20)
    turned = crossed.differences(values[items][:, seeds][:, :, rows])
    for i, j, low, high, below in zip(turned.first, turned.second, turned.low, turned.high, turned.below, strict=True):
        a, b = items[i], items[j]
        (at,) = np.flatnonzero((found.first == min(a, b)) & (found.second == max(a, b)))
        same = (found.low[at], found.high[at], found.below[at])
        assert (low, high, below) == pytest.approx(same if a < b else (-same[1], -same[0], 1 - same[2]))
    straight = np.stack(crossed.means(values))
    assert np.stack(crossed.means(values[items][:, seeds][:, :, rows])) == pytest.approx(straight[:, items])


def test_what_is_added_to_a_row_or_a_seed_of_all_items_does_not_change_a_difference():
    random = np.random.default_rng(11)
    values = world(random, 4, 3, 20, 2)
    moved = values + 9 * random.normal(size=(1, 1, 20)) + 9 * random.normal(size=(1, 3, 1))
    one, other = crossed.differences(values), crossed.differences(moved)
    assert np.stack([one.low, one.high]) == pytest.approx(np.stack([other.low, other.high]))
    own, own_moved = crossed.means(values), crossed.means(moved)
    assert (own_moved[1] - own_moved[0] > 2 * (own[1] - own[0])).all()  # an item's own mean does depend on them


def test_scale_and_sign_go_through():
    values = world(np.random.default_rng(12), 4, 2, 20, 2)
    one, other = crossed.differences(values), crossed.differences(-3 * values)
    assert other.low == pytest.approx(-3 * one.high)
    assert other.below == pytest.approx(1 - one.below)


def test_sureness_agrees_with_the_interval_of_two_items():
    random = np.random.default_rng(13)
    for _ in range(50):
        values = world(random, 2, 2, 20, 1)
        values[0] -= random.normal(0, 5)
        found = crossed.differences(values)
        assert (found.high[0] < 0) == (found.below[0] > 0.975)
        assert (found.low[0] > 0) == (found.below[0] < 0.025)


# --- what is missing --------------------------------------------------------------------------------------------------


def test_one_row_says_nothing_of_the_spread():
    found = crossed.differences(np.random.default_rng(14).normal(0, 1, (3, 2, 1)))
    assert np.isfinite(found.estimate).all()
    assert np.isnan([found.low, found.high, found.below]).all()
    assert np.isnan(crossed.means(np.ones((2, 2, 1)))).all()


def test_a_missing_seed_is_left_out_of_its_pairs_only():
    random = np.random.default_rng(15)
    values = world(random, 4, 3, 48, 1)
    whole = crossed.differences(values)
    values[0, 2] = np.nan
    found = crossed.differences(values)
    assert list(found.seeds) == [2, 2, 2, 3, 3, 3]
    assert found.estimate[0] == pytest.approx((values[0, :2] - values[1, :2]).mean())
    assert found.estimate[3:] == pytest.approx(whole.estimate[3:])
    held = []
    for _ in range(300):
        values = world(random, 4, 3, 48, 5)
        values[0, 2] = np.nan
        held.append(all_hold(values))
    assert np.mean(held) >= 0.92


def test_an_item_with_one_seed_borrows_the_others_variance_over_seeds():
    random, held = np.random.default_rng(16), []
    for _ in range(300):
        values = world(random, 4, 3, 48, 5)
        values[0, 1:] = np.nan
        held.append(all_hold(values))
    assert np.mean(held) >= 0.92
    lone = world(random, 2, 2, 48, 5)
    lone[1, 1] += 5
    lone[0, 1] = np.nan  # one item alone has two seeds: what they do to it counts in full
    found, rows_only = crossed.differences(lone), crossed.differences(lone[:, :1])
    assert found.high[0] - found.low[0] > 2 * (rows_only.high[0] - rows_only.low[0])


def test_items_without_a_common_seed_are_not_compared():
    values = np.random.default_rng(17).normal(0, 1, (3, 2, 10))
    values[0, 0] = values[1, 1] = np.nan
    found = crossed.differences(values)
    assert list(zip(found.first, found.second, strict=True)) == [(0, 2), (1, 2)]
    assert np.isnan(crossed.contrast(values, np.array([1.0, -1.0, 0.0])).value)


def test_items_that_are_equal_on_every_row_have_an_interval_of_no_width():
    found = crossed.differences(np.ones((2, 1, 30)))
    assert (found.low[0], found.high[0], found.below[0]) == (0, 0, 0.5)


def test_nothing_gives_nothing():
    assert len(crossed.differences(np.empty((0, 0, 0))).estimate) == 0
    assert len(crossed.differences(np.ones((1, 2, 3))).estimate) == 0
