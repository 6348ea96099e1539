"""EnergyMap: what follows from a table, and that a file gives it back."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domlora.energy import files as energy_files
from domlora.errors import DomLoRAError
from domlora.statistics import bootstrap
from tests.helpers.maps import make_map


def test_dominant_share_and_lead():
    energy = make_map([1, 6, 3])
    assert energy.dominant["layer"] == 1
    assert energy.dominant["share"] == pytest.approx(0.6)
    assert energy.lead == pytest.approx(2)
    assert energy.top_share(2) == pytest.approx(0.9)
    assert list(energy.table["rank"]) == [1, 2, 3]


@given(st.integers(1, 50))
def test_effective_modules_counts_equal_modules(count):
    assert make_map([2.0] * count + [0.0] * 3).effective_modules == pytest.approx(count)


@given(st.lists(st.floats(1e-6, 1e6), min_size=1, max_size=30), st.floats(1e-3, 1e3))
def test_scaling_all_energies_changes_no_share(energies, factor):
    scaled = bootstrap.shares(np.array(energies) * factor)
    np.testing.assert_allclose(scaled, bootstrap.shares(np.array(energies)), rtol=1e-9)


@pytest.mark.parametrize(
    ("energies", "level"),
    [([100] + [0.1] * 60, "concentrated"), ([10] * 10 + [0.01] * 60, "moderately concentrated"), ([1] * 40, "diffuse")],
)
def test_verdict_follows_the_effective_number(energies, level):
    energy = make_map(energies)
    assert energy.verdict.level == level
    assert energy.verdict.sentence.lower().startswith(level)


@pytest.mark.parametrize(
    ("energies", "start"),
    [
        ([25] + [1] * 75, "Diffuse but for one module: the energy spreads as over"),
        ([20, 20] + [1] * 60, "Diffuse but for 2 modules: "),
        ([2] + [1] * 75, "Diffuse: "),
        ([1, 6, 3], "Diffuse: "),  # of three modules, more than one stands out
    ],
)
def test_a_diffuse_map_says_what_stands_out_of_it(energies, start):
    assert make_map(energies).verdict.sentence.startswith(start)


def test_silent_model_has_a_verdict_that_says_so():
    assert "No module received any gradient" in make_map([0, 0]).verdict.sentence


def test_bootstrap_interval_holds_the_share_and_knows_a_sure_winner():
    rng = np.random.default_rng(0)
    samples = np.stack([rng.normal(10, 1, 32), rng.normal(5, 1, 32), rng.normal(4.9, 1, 32)])
    energy = make_map(samples.mean(1), samples, samples=32)
    assert np.all(energy.bootstrap.low <= energy.shares)
    assert np.all(energy.shares <= energy.bootstrap.high)
    assert energy.bootstrap.winner_frequency[0] == 1
    assert "dominant in 100% of resamples" in energy.verdict.sentence


def test_bootstrap_is_the_same_every_time():
    samples = np.random.default_rng(1).exponential(size=(5, 8))
    first, second = (make_map(samples.mean(1), samples, samples=8).bootstrap for _ in range(2))
    np.testing.assert_array_equal(first.low, second.low)


def test_mean_gradient_bootstrap_of_orthogonal_gradients_matches_a_loop():
    kernels = np.stack([np.eye(4), 2 * np.eye(4)])
    weights = bootstrap.resample_weights(4, 1000, 0)
    expected = np.percentile([w @ kernels[0] @ w / (w @ kernels.sum(0) @ w) for w in weights], [2.5, 97.5])
    found = bootstrap.bootstrap_of_mean_gradient(kernels)
    assert (found.low[0], found.high[0]) == pytest.approx(tuple(expected))


@pytest.mark.parametrize("suffix", energy_files.SUFFIXES)
def test_file_gives_back_the_whole_map(tmp_path, suffix):
    samples = np.random.default_rng(2).exponential(size=(4, 4)).astype(np.float32)
    energy = make_map(samples.mean(1), samples, warnings=("a note",))
    path = tmp_path / f"map{suffix}"
    energy_files.write(energy, path)
    back = energy_files.read(path)
    assert back.provenance == energy.provenance
    assert list(back.modules["module"]) == list(energy.modules["module"])
    np.testing.assert_allclose(back.shares, energy.shares)
    np.testing.assert_allclose(back.bootstrap.low, energy.bootstrap.low, rtol=1e-6)


def test_json_has_the_keys_of_the_contract():
    data = energy_files.to_json(make_map([1, 2]), lists=False)
    json.dumps(data)
    assert {"model", "task", "samples", "estimator", "reduction", "dominant", "effective_modules", "modules"} <= set(
        data
    )
    assert {"module", "layer", "kind", "share"} <= set(data["dominant"])
    wanted = {"module", "stack", "layer", "kind", "in_features", "out_features", "energy", "share"}
    assert wanted <= set(data["modules"][0])


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.parquet", b"no", "not a readable Parquet"),
        ("a.csv", b"x,y\n1,2\n", "written by `domlora probe --out`"),
        ("a.json", b"{}", "without `modules` and `provenance`"),
        ("a.xlsx", b"", "is written as .parquet, .csv, .json"),
    ],
)
def test_foreign_file_is_one_clear_line(tmp_path: Path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DomLoRAError, match=words) as caught:
        energy_files.read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_an_infinite_lead_is_null_in_json():
    alone = make_map([2.0])
    assert alone.lead == float("inf")
    assert json.loads(json.dumps(energy_files.to_json(alone), allow_nan=False))["lead"] is None
