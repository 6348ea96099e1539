"""Maps of PAGE's peers: which end is the better one, in words, placements and intervals; requests, store, commands."""

import json
from typing import get_args

import numpy as np
import pytest

from domlora import load_model, load_task
from domlora.cli.main import main
from domlora.energy import files as energy_files
from domlora.energy.energy_map import EnergyMap
from domlora.energy.measure import probe, probe_many
from domlora.errors import PlacementError, UsageError
from domlora.jobs.execute import run_probe
from domlora.jobs.spec import ProbeRequest
from domlora.placements import place
from domlora.probes.config import ProbeConfig, ProbeName
from domlora.probes.registry import PROBES
from domlora.store.store import Store
from tests.helpers.command import run
from tests.helpers.maps import make_map

NAMES = get_args(ProbeName)


def peer_map(name, scores, sample_scores=None, **provenance):
    """A map of `down` modules with these scores of a probe, one a layer."""
    against = "chat" if name == "interference" else None
    config = ProbeConfig(probe=name, against=against)
    energy = make_map(scores, sample_scores, config=config, **provenance)
    return EnergyMap(energy.modules.drop(columns=["first_token", "prompt", "response"]), energy.provenance)


def silent(stage, done, total):
    """No progress."""


# --- which end is the better one --------------------------------------------------------------------------------------


def test_the_dominant_module_of_plop_is_the_one_with_the_lowest_score():
    energy = peer_map("plop", [2.0, 0.5, 1.0])
    assert energy.dominant["layer"] == 1
    assert list(energy.table["layer"]) == [1, 2, 0]
    assert list(energy.table["rank"]) == [1, 2, 3]
    assert energy.lead == pytest.approx(2)
    assert energy.summary()["dominant"]["layer"] == 1
    assert peer_map("gradient-norm", [2.0, 0.5, 1.0]).dominant["layer"] == 0


def test_resamples_count_how_often_a_module_is_lowest():
    rng = np.random.default_rng(0)
    samples = np.stack([rng.normal(10, 1, 32), rng.normal(5, 1, 32), rng.normal(4, 0.01, 32)])
    assert peer_map("plop", samples.mean(1), samples, samples=32).bootstrap.winner_frequency[2] == 1
    assert peer_map("saliency", samples.mean(1), samples, samples=32).bootstrap.winner_frequency[0] == 1


@pytest.mark.parametrize(("name", "dominant", "least"), [("plop", 1, 0), ("interference", 1, 0), ("fisher", 0, 1)])
def test_placements_follow_what_the_probe_prefers(name, dominant, least):
    energy = peer_map(name, [2.0, 0.5, 1.0, 1.5])
    assert place.place(energy, "dominant").modules[0].layer == dominant
    assert place.place(energy, "least").modules[0].layer == least
    top = place.place(energy, "top-k:2")
    assert {m.layer for m in top.modules} == ({1, 2} if dominant == 1 else {0, 3})


@pytest.mark.parametrize(("names", "allocation"), [(["top-share:0.5"], "equal"), (["top-k:2"], "energy")])
def test_scores_that_are_no_amounts_are_not_shared_out(names, allocation):
    with pytest.raises(PlacementError, match="PLoP gives each module a normalised feature norm, which has no shares"):
        place.place_all(peer_map("plop", [2.0, 0.5, 1.0]), names, allocation=allocation)
    assert place.place_all(peer_map("fisher", [2.0, 0.5, 1.0]), names, allocation=allocation)


def test_no_overlap_at_all_is_the_best_place_not_a_silent_model():
    energy = peer_map("interference", [0.0, 1.0, 2.0])
    assert "Interference prefers model.layers.0" in energy.verdict.sentence
    assert place.place(energy, "dominant").modules[0].layer == 0


# --- words ------------------------------------------------------------------------------------------------------------


def test_the_verdict_names_a_probe_that_is_not_page():
    samples = np.array([[1.0] * 4, [3.0] * 4, [2.0] * 4])
    plop = peer_map("plop", [1.0, 3.0, 2.0], samples).verdict.sentence
    assert plop == (
        "PLoP prefers model.layers.0.mlp.down_proj: its normalised feature norm, 1, is the lowest of 3 modules "
        "(next: 2), in 100% of resamples."
    )
    weight = peer_map("weight-norm", [1.0, 3.0, 2.0]).verdict.sentence
    assert weight.startswith("Weight norm prefers model.layers.1.mlp.down_proj: its Frobenius norm of the weight, 3")
    assert weight.endswith("is the highest of 3 modules (next: 2), whatever the task.")
    fisher = peer_map("fisher", [1.0, 3.0, 2.0], samples).verdict.sentence
    assert fisher.startswith("Fisher, diffuse: the trace of the empirical Fisher information spreads as over 2.7 of 3")
    assert "model.layers.1.mlp.down_proj leads with 50.0% (95 % interval 50.0% to 50.0%)" in fisher
    assert "effective" not in plop + weight and "%" not in weight


def test_words_of_page_are_as_before():
    sentence = make_map([1, 6, 3]).verdict.sentence
    assert sentence.startswith(
        "Diffuse: the energy spreads as over 2.5 of 3 modules; model.layers.1.mlp.down_proj leads"
    )


def test_a_probe_without_any_score_says_so():
    assert "Saliency" not in peer_map("saliency", [0.0, 0.0]).verdict.sentence
    assert "Activation norm is zero for every module" in peer_map("activation-norm", [0.0, 0.0]).verdict.sentence


# --- measured maps ----------------------------------------------------------------------------------------------------


@pytest.fixture
def loaded(tiny_folder, task_file):
    return load_model(str(tiny_folder)), load_task(str(task_file))


def test_probe_many_returns_a_map_for_each_probe_in_order(loaded, task_file):
    configs = [
        ProbeConfig(probe=name, samples=4, rank=4, against=str(task_file) if name == "interference" else None)
        for name in NAMES
    ]
    maps = probe_many(*loaded, configs)
    assert [m.provenance.config for m in maps] == configs
    assert len({m.id for m in maps}) == len(NAMES)
    of_samples = [name for name in NAMES if PROBES[name].needs != "weights"]
    for energy in maps:
        name, p = energy.provenance.config.probe, energy.provenance
        assert len(energy.modules) == 14
        assert ("max_output" in energy.modules) == ("first_token" in energy.modules) == (name in NAMES[:2])
        assert (energy.bootstrap is not None) == (name in NAMES[:7])
        assert p.notes.get("shared_pass") == (of_samples if name in of_samples else None)
        assert (p.loss is None) == (PROBES[name].needs == "weights")
        assert 0 < p.seconds < 60
    np.testing.assert_allclose(maps[-1].modules["energy"], 4, rtol=1e-4)  # a task against itself
    alone = probe(*loaded, configs[6])
    np.testing.assert_allclose(alone.modules["energy"], maps[6].modules["energy"], rtol=1e-6)
    assert "shared_pass" not in alone.provenance.notes


def test_a_pass_is_shared_by_probes_of_the_same_samples_alone(loaded):
    with pytest.raises(UsageError, match="same seed"):
        probe_many(*loaded, [ProbeConfig(samples=4), ProbeConfig(samples=4, probe="plop", seed=1)])
    with pytest.raises(UsageError, match="at least one"):
        probe_many(*loaded, [])


@pytest.mark.parametrize("suffix", energy_files.SUFFIXES)
def test_files_give_back_a_map_without_a_loss(loaded, tmp_path, suffix):
    energy = probe(*loaded, ProbeConfig(samples=4, probe="spectral"))
    path = tmp_path / f"map{suffix}"
    energy_files.write(energy, path)
    back = energy_files.read(path)
    assert back.provenance == energy.provenance
    assert back.provenance.loss is None
    np.testing.assert_allclose(back.modules["energy"], energy.modules["energy"])


# --- requests ---------------------------------------------------------------------------------------------------------


def request(folder, task, **more):
    config = {"samples": 4, "rank": 4, **more.pop("config", {})}
    return ProbeRequest(model=str(folder), task=str(task), config=ProbeConfig(**config), **more)


def test_also_stores_a_map_each_and_measures_only_what_is_missing(tiny_folder, task_file, monkeypatch):
    from domlora.energy import measure as measuring_maps

    store, asked, real = Store(), [], measuring_maps.probe_many

    def counted(model, task, configs, **more):
        asked.append([config.probe for config in configs])
        return real(model, task, configs, **more)

    monkeypatch.setattr(measuring_maps, "probe_many", counted)
    first = run_probe(request(tiny_folder, task_file, also=("plop", "page", "plop")), store, silent)
    assert store.maps.get(first).provenance.config.probe == "page"
    assert {m.probe for m in store.maps.list()} == {"page", "plop"}
    again = run_probe(request(tiny_folder, task_file, also=("plop", "fisher", "weight-norm")), store, silent)
    assert again == first
    assert asked == [["page", "plop"], ["fisher", "weight-norm"]]
    run_probe(request(tiny_folder, task_file, config={"probe": "fisher"}, also=("page",)), store, silent)
    assert len(asked) == 2
    run_probe(request(tiny_folder, task_file, refresh=True), store, silent)
    assert asked[2:] == [["page"]]


def test_interference_is_measured_anew_when_the_other_task_has_changed(tiny_folder, task_file, tmp_path):
    other = tmp_path / "other.jsonl"
    row = {"messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "the fox"}]}
    other.write_text("\n".join([json.dumps(row)] * 4), encoding="utf-8")
    store = Store()
    asked = request(tiny_folder, task_file, config={"probe": "interference", "against": str(other)})
    first = store.maps.get(run_probe(asked, store, silent))
    assert store.maps.get(run_probe(asked, store, silent)).provenance.created == first.provenance.created
    row["messages"][1]["content"] = "write a short poem please"
    other.write_text("\n".join([json.dumps(row)] * 4), encoding="utf-8")
    second = store.maps.get(run_probe(asked, store, silent))
    assert second.id == first.id
    assert second.provenance.notes["against_hash"] != first.provenance.notes["against_hash"]
    assert not np.allclose(second.modules["energy"], first.modules["energy"])


def test_a_request_from_before_there_were_peers_reads_as_page_alone(tiny_folder, task_file):
    old = {"kind": "probe", "model": "m", "task": "t", "config": {"samples": 3}}
    assert ProbeRequest(**old).configs == (ProbeConfig(samples=3),)


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_each_probe_runs_from_the_command_line(capsys, tiny_folder, task_file, name):
    more = ("--against", task_file) if name == "interference" else ()
    command = ("probe", tiny_folder, "--task", task_file, "--samples", 4, "--rank", 4, "--probe", name, *more)
    status, out, err = run(capsys, *command)
    assert status == 0, err
    assert PROBES[name].title in out or name == "page"
    assert "nan" not in out.split()
    shown = json.loads(run(capsys, *command, "--json")[1])
    assert shown["provenance"]["config"]["probe"] == name
    best = [m["energy"] for m in shown["modules"]]
    assert best == sorted(best, reverse=PROBES[name].prefers == "high")
    listed = run(capsys, "maps")[1]
    assert name in listed.splitlines()[1].split()


def test_other_probes_come_along(capsys, tiny_folder, task_file):
    command = ("probe", tiny_folder, "--task", task_file, "--samples", 4, "--rank", 4, "--also", "plop, saliency")
    assert run(capsys, *command)[0] == 0
    listed = json.loads(run(capsys, "maps", "--json")[1])
    assert {m["probe"] for m in listed} == {"page", "plop", "saliency"}


def test_bad_probes_are_usage_errors(capsys, tiny_folder, task_file):
    command = ("probe", tiny_folder, "--task", task_file, "--samples", 4)
    status, _, err = run(capsys, *command, "--probe", "interference")
    assert (status, "name the other with --against" in err) == (2, True)
    assert run(capsys, *command, "--also", "interference")[0] == 2
    assert run(capsys, *command, "--against", "chat")[0] == 2
    with pytest.raises(SystemExit) as caught:
        main(["probe", str(tiny_folder), "--task", str(task_file), "--also", "nonsense"])
    assert caught.value.code == 2
    assert "no probe is called 'nonsense'" in capsys.readouterr().err
