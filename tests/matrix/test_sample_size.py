"""How many samples a stable answer needs: closed forms for one sample, known truths, and the bootstrap at all."""

from itertools import permutations

import numpy as np
import pytest
from scipy import stats

from domlora.errors import UsageError
from domlora.matrix.sample_size import enough, sample_curve
from tests.helpers.matrix_maps import around, make_map, peak


def test_one_sample_agrees_as_often_as_single_samples_have_the_winner_of_all():
    each = around(peak(3, 2, height=1.3), samples=16, spread=0.5)
    energy = make_map(each)
    row = sample_curve(energy, [1], resamples=20_000).iloc[0]
    whole = each.mean(axis=0)
    assert row.agreement == pytest.approx(np.mean(each.argmax(axis=1) == whole.argmax()), abs=0.02)
    assert row.rho == pytest.approx(np.mean([stats.spearmanr(one, whole).statistic for one in each]), abs=0.02)
    top = set(np.argsort(-whole)[:5])
    shared = [len(top & set(np.argsort(-one)[:5])) / 5 for one in each]
    assert row.overlap == pytest.approx(np.mean(shared), abs=0.02)
    pairs = [one.argmax() == other.argmax() for one, other in permutations(each, 2)]
    assert row["repeat"] == pytest.approx(np.mean(pairs), abs=0.02)


def test_all_samples_agree_as_often_as_the_bootstrap_says_and_not_trivially():
    each = around(peak(3, 2, height=1.1), samples=16, spread=0.4)
    energy = make_map(each)
    curve = sample_curve(energy, [16])
    frequency = energy.bootstrap.winner_frequency[energy.table.index[0]]
    assert curve["agreement"].item() == pytest.approx(frequency, abs=0.06)
    assert curve["agreement"].item() < 1
    assert np.isnan(curve["repeat"].item())


def test_disjoint_subsets_repeat_each_other_as_often_as_fresh_samples_would():
    """Mean of `repeat` over many maps of 12 samples against winners of two fresh sets of 3 samples."""
    means = peak(3, 2, height=1.2)
    known = [sample_curve(make_map(around(means, 12, 0.4, seed)), [3], 200)["repeat"].item() for seed in range(60)]
    fresh = [around(means, 3, 0.4, seed).mean(axis=0).argmax() for seed in range(1000, 3000)]
    truth = np.mean([one == other for one, other in zip(fresh[::2], fresh[1::2], strict=True)])
    assert np.mean(known) == pytest.approx(truth, abs=0.08)


def test_a_sure_winner_needs_one_sample_and_a_tie_more_than_there_are():
    sure = sample_curve(make_map(around(peak(3, 2))))
    assert (sure["agreement"] == 1).all()
    assert enough(sure) == 1
    tie = around(peak(3, 2), samples=32, spread=0.8)
    tie[:, 4] = 0.99 * tie[::-1, 3]
    undecided = sample_curve(make_map(tie))
    assert enough(undecided) is None
    assert list(undecided["samples"]) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    assert ((undecided["low"] <= undecided["agreement"]) & (undecided["agreement"] <= undecided["high"])).all()


def test_enough_is_where_agreement_stays_and_not_where_it_first_touches():
    curve = sample_curve(make_map(around(peak(3, 2), samples=4)), [1, 2, 3, 4]).assign(agreement=[0.96, 0.9, 0.95, 1.0])
    assert enough(curve) == 3
    assert enough(curve, level=0.99) == 4
    assert enough(curve.assign(agreement=0.5)) is None


def test_a_curve_is_the_same_every_time():
    energy = make_map(around(peak(3, 2, height=1.2), spread=0.5))
    assert sample_curve(energy).equals(sample_curve(energy))


def test_mean_gradient_maps_have_a_curve_too():
    gradients = np.random.default_rng(0).normal(size=(14, 8, 5)) + peak(2, 2)[:, None, None]
    kernels = np.einsum("mie,mje->mij", gradients, gradients)
    energy = make_map((gradients.mean(axis=1) ** 2).sum(axis=1), kernels=kernels, samples=8, reduction="mean_gradient")
    assert enough(sample_curve(energy)) == 1


def test_without_single_samples_there_is_no_curve():
    assert sample_curve(make_map(peak(3, 2), samples=8)) is None
    assert sample_curve(make_map(around(peak(3, 2), samples=1))) is None


def test_no_samples_is_no_number_of_samples():
    with pytest.raises(UsageError, match="each number is 1 at least"):
        sample_curve(make_map(around(peak(3, 2))), [0, 2])
