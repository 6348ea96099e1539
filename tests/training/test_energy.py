"""Energy maps of a model while its adapters train: the right gradient, at the right steps, once."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from domlora.cli.main import main
from domlora.comparison.config import SweepConfig
from domlora.comparison.run import BASE
from domlora.data.encoding import encode
from domlora.energy.measure import probe
from domlora.errors import ProbeError, TaskError
from domlora.models.census import find_modules
from domlora.probes.page import estimator
from domlora.store.store import Store
from domlora.training.adapters import Adapters
from domlora.training.rows import choose_rows, training_task
from tests.helpers.sweep_place import Killed, Watch, assert_same_end, kill
from tests.helpers.sweeping import plain_losses

EVERY = {"energy_every": 2, "energy_samples": 3}


def maps_of(run):
    """(variant, step) -> map."""
    store = Store()
    found = {(m.trained.variant, m.trained.step): store.maps.get(m.id) for m in store.maps.list(run=run.id)}
    store.close()
    return found


def training_rows(place, run):
    return training_task(place.task, choose_rows(place.task, run.config))


def energies_of(run):
    return {where: energy.modules.set_index("module")["energy"] for where, energy in maps_of(run).items()}


@pytest.mark.parametrize(
    ("every", "steps", "at"), [(0, 6, ()), (2, 6, (0, 2, 4, 6)), (4, 6, (0, 4, 6)), (9, 6, (0, 6)), (1, 2, (0, 1, 2))]
)
def test_energy_is_measured_before_training_every_so_many_steps_and_at_the_end(every, steps, at):
    assert SweepConfig(energy_every=every, steps=steps).energy_steps == at


def test_each_variant_has_a_map_at_each_step_and_the_untouched_model_one(place):
    run, _, _ = place.run([place.all, place.top], **EVERY)
    names = [v.name for v in run.variants]
    assert set(maps_of(run)) == {(BASE, 0), *((name, step) for name in names for step in (2, 4, 6))}
    assert Store().maps.list() == [], "a list of untouched models does not show them"
    provenance = maps_of(run)[names[0], 4].provenance
    assert (provenance.trained.run, provenance.samples, provenance.config.split) == (run.id, 3, "train")
    assert provenance.model_parameters == place.model.model.num_parameters(), "adapters are no part of the model"


def test_the_first_map_is_that_of_a_probe(place):
    run, _, _ = place.run([place.top], **EVERY)
    expected = probe(place.model, training_rows(place, run), samples=3)
    assert energies_of(run)[BASE, 0].to_numpy() == pytest.approx(expected.modules["energy"].to_numpy(), rel=1e-6)


@pytest.mark.parametrize("method", ["lora", "dora", "pissa"])
def test_the_last_map_is_that_of_the_trained_model(place, method):
    """Against full weight gradients of the model with the adapter merged into its weights."""
    run, _, _ = place.run([place.all], methods=(method,), learning_rates=(5e-2,), **EVERY)
    (variant,) = run.variants
    found, untouched = energies_of(run)[variant.name, 6], energies_of(run)[BASE, 0]
    config = maps_of(run)[variant.name, 6].provenance.config
    rows = encode(training_rows(place, run).draw(3, config.seed), place.model.tokenizer, config.max_length).samples
    base = AutoModelForCausalLM.from_pretrained(place.model.local.folder, dtype=torch.float32)
    merged = PeftModel.from_pretrained(base, str(Path(variant.adapter))).merge_and_unload().eval()
    expected = dict.fromkeys(found.index, 0.0)
    for row in rows:
        merged.zero_grad()
        merged.requires_grad_(True)
        plain_losses(merged, [row]).sum().backward()
        for name in expected:
            gradient = merged.get_submodule(name).weight.grad
            scale = config.scaling**2 * config.rank / (3 * gradient.shape[1])
            expected[name] += scale * float(gradient.double().square().sum()) / len(rows)
    assert found.to_numpy() == pytest.approx(np.array([expected[name] for name in found.index]), rel=1e-3)
    assert (found - untouched).abs().max() > 0.02 * untouched.max(), "training has changed something"


def test_training_ends_as_it_does_without(place):
    placements, methods = [place.all, place.top], ("lora", "dora", "pissa")
    plain = place.run(placements, methods=methods)
    measured = place.run(placements, methods=methods, **EVERY)
    assert measured[0].key != plain[0].key
    assert_same_end(measured, plain, close=1e-6)


@pytest.mark.parametrize("at", [1, 3, 6])
def test_a_killed_sweep_ends_with_the_same_maps_and_measures_none_twice(place, monkeypatch, at):
    whole = energies_of(place.run([place.all, place.top], **EVERY)[0])
    place.new_home()
    with pytest.raises(Killed):
        place.run([place.all, place.top], progress=Watch(at, kill, stage="measuring energy"), fresh=False, **EVERY)
    kept = {where: energy.provenance.created for where, energy in maps_of(place.stored()[0]).items()}
    assert len(kept) == at
    measure, count = estimator.measure, []

    def counted(*arguments, **settings):
        count.append(1)
        return measure(*arguments, **settings)

    monkeypatch.setattr(estimator, "measure", counted)
    run, _, _ = place.run([place.all, place.top], fresh=False, **EVERY)
    found = energies_of(run)
    assert found.keys() == whole.keys()
    assert len(count) == len(whole) - len(kept)
    for where, energies in whole.items():
        assert found[where].to_numpy() == pytest.approx(energies.to_numpy(), rel=1e-5)


def test_a_run_that_was_removed_and_begun_anew_is_measured_anew(place):
    run, _, _ = place.run([place.top], **EVERY)
    before = {where: energy.provenance.notes["run_created"] for where, energy in maps_of(run).items()}
    Store().runs.remove(run.id)
    again, _, _ = place.run([place.top], fresh=False, **EVERY)
    after = {where: energy.provenance.notes["run_created"] for where, energy in maps_of(again).items()}
    assert again.id == run.id and before.keys() == after.keys()
    assert set(after.values()) == {again.created.isoformat()} != set(before.values())


def test_a_variant_that_diverges_has_no_map_after_that(place):
    run, _, _ = place.run([place.wild(), place.all], **EVERY)
    wild, other = (v.name for v in run.variants)
    assert run.variants[0].status == "diverged"
    steps = {step for variant, step in maps_of(run) if variant == other}
    assert steps == {2, 4, 6}
    assert not [step for variant, step in maps_of(run) if variant == wild]


def test_an_energy_that_cannot_be_known_is_a_warning_and_training_goes_on(place, monkeypatch):
    def fails(self):
        raise ProbeError("the loss of row 3 is nan: probe in float32")

    monkeypatch.setattr("domlora.training.energy.TrainingEnergy._with_adapter", fails)
    run, _, _ = place.run([place.top], **EVERY)
    assert run.variants[0].status == "done"
    assert any("at step 2 could not be measured: the loss of row 3" in warning for warning in run.warnings)


def test_progress_reaches_its_end_and_no_further(place):
    watch = Watch()
    place.run([place.all, place.top], progress=watch, **EVERY)
    before = [(done, total) for stage, done, total in watch.heard if stage != "finished"]
    assert before[-1][0] == before[-1][1], "nothing is left when all is done"
    assert sum(stage == "measuring energy" for stage, _, _ in watch.heard) == 1 + 2 * 3


def test_more_energy_samples_than_rows_is_one_line(place):
    with pytest.raises(TaskError, match="1000 training rows, but rows has 49 that are not held out: lower"):
        place.run([place.top], energy_every=2, energy_samples=1000)


def test_the_command_line_measures_and_removes(place, tiny_folder, tmp_path, capsys):
    place.new_home()
    main(
        ["compare", str(tiny_folder), "--task", str(tmp_path / "rows.jsonl"), "--placements", "dominant",
         "--lr", "1e-2", "--seeds", "1", "--steps", "4", "--rank", "4", "--samples", "4", "--validation-rows", "4",
         "--test-rows", "4", "--answers", "0", "--forgetting-rows", "0", "--energy-every", "2", "--energy-samples",
         "3", "--json"]
    )  # fmt: skip
    json.loads(capsys.readouterr().out)
    (run,) = Store().runs.list()
    assert {m.trained.step for m in Store().maps.list(run=run.id)} == {0, 2, 4}
    main(["runs", "remove", run.id])
    assert Store().maps.list(run=run.id) == []
    assert len(Store().maps.list()) == 1, "the map that placements were chosen by stays"


def test_adapters_are_as_they_were_after_a_measurement(place):
    """No weight of an adapter is left frozen, none has a gradient."""
    modules = find_modules(place.model.model).modules
    rows = encode(place.task.draw(2, 0), place.model.tokenizer, 64).samples
    with Adapters(place.model.model, "base") as adapters:
        adapter = adapters.attach(place.all, "lora", 0)
        with adapters.only(adapter):
            estimator.measure(place.model.model, modules, rows, place.energy.provenance.config)
        assert all(p.requires_grad and p.grad is None for p in adapter.parameters)
