"""How alike maps are: against loops over resamples, and by laws that hold for all maps."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from domlora.matrix.agreement import Agreement, between_models, between_tasks
from domlora.matrix.matrix import Columns, Matrix
from domlora.matrix.sides import RANKED, on_common_depth
from tests.helpers.matrix_maps import KINDS, around, make_map, peak

FUSED = ("qkv", "o", "up", "down")
NUMBERS = ("rho", "rho_low", "rho_high", "winner_probability", "overlap", "overlap_low", "overlap_high")
energies = arrays(np.float64, (2, 6, 14), elements=st.floats(0.01, 100))


def on_two_tasks(each, **second) -> Agreement:
    return between_tasks(Matrix([make_map(each[0]), make_map(each[1], task="code", **second)]), "alpha", top_k=3)


def same(one: Agreement, other: Agreement) -> None:
    for name in (*NUMBERS, "winner"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-6, atol=1e-9, err_msg=name)


@settings(max_examples=25, deadline=None)
@given(energies)
def test_every_map_agrees_with_itself_and_agreement_is_symmetric_and_in_range(each):
    found = on_two_tasks(each)
    for name in NUMBERS:
        values = getattr(found, name)
        np.testing.assert_array_equal(np.diag(values), 1)
        np.testing.assert_array_equal(values, values.T)
    known = ~np.isnan(found.rho_low)  # equal energies, here or in a resample, have no ranking
    assert (found.rho_low[known] <= found.rho[known] + 1e-9).all()
    assert (found.rho[known] <= found.rho_high[known] + 1e-9).all()
    assert (found.overlap_low <= found.overlap).all()
    assert (found.overlap <= found.overlap_high).all()


def test_the_order_of_modules_in_a_map_changes_nothing():
    each = np.stack([around(np.arange(1, 15), seed=0), around(np.arange(14, 0, -1), seed=1)])
    order = np.random.default_rng(0).permutation(14)
    same(on_two_tasks(each), on_two_tasks(each, order=order))


def test_scaling_a_map_changes_nothing():
    each = np.stack([around(np.arange(1, 15), seed=0), around(np.arange(14, 0, -1), seed=1)])
    same(on_two_tasks(each), on_two_tasks(each * [[[1.0]], [[1000.0]]]))


def test_numbers_between_tasks_are_those_of_loops():
    rng = np.random.default_rng(4)
    each = [around(np.exp(rng.normal(size=14)), samples=10, spread=0.5, seed=seed) for seed in (1, 2)]
    matrix = Matrix([make_map(each[0]), make_map(each[1], task="code")])
    found = between_tasks(matrix, "alpha", top_k=3)
    means = [rows.mean(axis=0) for rows in each]
    assert found.rho[0, 1] == pytest.approx(stats.spearmanr(*means).statistic)
    tops = [set(np.argsort(-mean)[:3]) for mean in means]
    assert found.overlap[0, 1] == len(tops[0] & tops[1]) / 3
    assert found.winner[0, 1] == (means[0].argmax() == means[1].argmax())
    rhos, shared, agreed = [], [], []
    counts = [matrix.draws("alpha", task).counts for task in ("math", "code")]
    for draw in range(1000):
        drawn = [np.repeat(rows, count[draw], axis=0).mean(axis=0) for rows, count in zip(each, counts, strict=True)]
        rhos.append(stats.spearmanr(*drawn).statistic)
        tops = [set(np.argsort(-mean)[:3]) for mean in drawn]
        shared.append(len(tops[0] & tops[1]) / 3)
        agreed.append(drawn[0].argmax() == drawn[1].argmax())
    # Student's quantile of 10 samples, and the unbiased variance
    half = stats.t.ppf(0.975, 9) * np.sqrt(10 / 9) * np.arctanh(rhos[:RANKED]).std()
    z = np.arctanh(found.rho[0, 1])
    assert (found.rho_low[0, 1], found.rho_high[0, 1]) == pytest.approx(
        (np.tanh(z - half), np.tanh(z + half)), abs=1e-4
    )
    assert found.winner_probability[0, 1] == pytest.approx(np.mean(agreed))
    low, high = np.percentile(shared, [2.5, 97.5], method="inverted_cdf")
    assert (found.overlap_low[0, 1], found.overlap_high[0, 1]) == (
        min(low, found.overlap[0, 1]),
        max(high, found.overlap[0, 1]),
    )
    assert found.overlap_by_chance[0, 1] == 3 / 14
    assert (found.compared[0, 1], found.kinds[0, 1]) == (14, 7)


def test_two_models_with_equal_maps_agree_in_every_resample_and_two_tasks_only_by_chance():
    means = np.ones(14)
    means[[0, 1]] = 2.0, 1.95
    each = around(means, spread=0.5)
    models = Matrix([make_map(each, "alpha"), make_map(each, "beta")])
    assert between_models(models, "math").winner_probability[0, 1] == 1  # the same rows: drawn together
    tasks = Matrix([make_map(each), make_map(each, task="code")])
    assert between_tasks(tasks, "alpha").winner_probability[0, 1] < 0.9  # rows of two tasks: drawn apart


def test_modules_that_one_task_lacks_are_left_out():
    table = make_map(around(peak(3, 2)), task="code")
    less = type(table)(table.modules.iloc[2:].reset_index(drop=True), table.provenance)
    found = between_tasks(Matrix([make_map(around(peak(3, 2), seed=5)), less]), "alpha")
    assert found.compared[0, 1] == 12
    assert found.winner[0, 1]


def test_a_map_without_single_samples_is_compared_without_intervals():
    found = between_tasks(Matrix([make_map(around(peak(3, 2))), make_map(peak(3, 2), task="code")]), "alpha")
    assert found.winner[0, 1]
    assert not np.isnan(found.rho[0, 1])
    for name in ("rho_low", "winner_probability", "overlap_high"):
        assert np.isnan(getattr(found, name)[0, 1])
    assert json.loads(json.dumps(found.to_json(), allow_nan=False))["rho_low"][0] == [1, None]


def columns(layers, kinds=KINDS) -> Columns:
    return Columns.of(make_map(np.ones(layers * len(kinds)), kinds=kinds))


def test_models_of_equal_depth_are_compared_layer_by_layer():
    grid = on_common_depth(columns(3), columns(3))
    assert len(grid.cells) == 21
    np.testing.assert_allclose(grid.first, grid.second)
    assert ((grid.first == 0) | (grid.first == 1)).all()


def test_a_model_of_twice_the_depth_is_seen_in_pairs_of_layers():
    grid = on_common_depth(columns(4, ("o", "down")), columns(2, ("down", "o")))
    deep = np.array([1.0, 10, 3, 30, 5, 50, 7, 70]) @ grid.first  # o, down of each layer
    assert [cell[1] for cell in grid.cells] == ["o", "o", "down", "down"]
    np.testing.assert_allclose(deep, [2, 6, 20, 60])
    np.testing.assert_allclose(np.array([1.0, 2, 3, 4]) @ grid.second, [2, 4, 1, 3])


@given(st.integers(1, 9), st.integers(1, 9))
def test_the_grid_is_the_mean_over_a_fine_depth(one, other):
    grid = on_common_depth(columns(one, ("down",)), columns(other, ("down",)))
    steps = 5040  # has all numbers to 10 as divisors
    place = (np.arange(steps) + 0.5) / steps
    cells = min(one, other)
    for layers, weights in ((one, grid.first), (other, grid.second)):
        values = np.arange(layers) ** 2.0
        fine = values[(place * layers).astype(int)].reshape(cells, -1).mean(axis=1)
        np.testing.assert_allclose(values @ weights, fine)


def test_a_peak_at_the_same_depth_is_the_same_winner_in_models_of_other_depths():
    maps = [make_map(around(peak(at, layers)), model) for model, layers, at in
            (("shallow", 4, 7 + 6), ("deep", 8, 14 + 6), ("last", 8, 49 + 6))]  # fmt: skip
    found = between_models(Matrix(maps), "math")
    assert found.winner[0, 1]
    assert not found.winner[0, 2]
    assert (found.compared[0, 1], found.compared[1, 2]) == (28, 56)


def test_fused_kinds_are_left_out_and_counted():
    maps = [make_map(around(peak(6, 2)), "split"), make_map(around(peak(3, 2, 4)), "fused", kinds=FUSED)]
    found = between_models(Matrix(maps), "math")
    assert found.kinds.tolist() == [[7, 3], [3, 4]]
    assert found.compared[0, 1] == 6
    assert found.winner[0, 1]


def test_models_without_a_kind_in_common_are_not_compared():
    maps = [
        make_map(around(peak(0, 2)), "alpha"),
        make_map(around(peak(0, 2, 2)), "mamba", kinds=("ssm.in", "ssm.out")),
    ]
    found = between_models(Matrix(maps), "math")
    assert np.isnan(found.rho[0, 1])
    assert np.isnan(found.overlap[0, 1])
    assert not found.winner[0, 1]
    assert found.compared[0, 1] == 0


def test_cells_that_were_not_measured_are_not_labels():
    matrix = Matrix([make_map(peak(0, 2))], models=("alpha", "beta"), tasks=("math", "code"))
    assert between_models(matrix, "math").labels == ("alpha",)
    assert between_models(matrix, "code").labels == ()
    assert between_tasks(matrix, "beta").rho.shape == (0, 0)
