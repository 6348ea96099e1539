"""`domlora.compare`: from a model, a task and placements to a comparison that the store keeps."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from domlora import progress
from domlora.comparison.config import SweepConfig
from domlora.data.tasks import builtin_tasks, load_task
from domlora.energy import measure as measuring_maps
from domlora.energy.measure import probe
from domlora.errors import DomLoRAError, PlacementError, TaskError, UsageError
from domlora.export.recipe import Recipe
from domlora.export.trl import script
from domlora.generation import answers
from domlora.jobs.execute import run_sweep
from domlora.jobs.spec import SweepRequest
from domlora.models.loading import load_model
from domlora.placements.place import place, place_all
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from domlora.training import train
from domlora.training.asked import ask, plan
from domlora.training.compare import compare
from domlora.training.rows import choose_rows, encode_rows, training_task
from domlora.training.sweep import Sweep
from tests.helpers.sweeping import placement, write_sums, write_task

SETTINGS = {
    "rank": 4, "alpha": 8, "learning_rates": [1e-2], "seeds": 1, "steps": 3, "batch_size": 4, "validation_rows": 5,
    "test_rows": 6, "forgetting_rows": 0, "answers": 0,
}  # fmt: skip
PROBE = ProbeConfig(samples=2)


@pytest.fixture(scope="session")
def folder(tokenizer, tmp_path_factory):
    """A random Llama of five blocks: enough for controls to be drawn from."""
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=5, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=len(tokenizer), max_position_embeddings=256,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("models") / "five-blocks"
    LlamaForCausalLM(config).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


@pytest.fixture
def model(folder):
    return load_model(folder, dtype="float32", device="cpu")


@pytest.fixture
def task(tmp_path):
    return load_task(str(write_task(tmp_path / "rows.jsonl")))


@pytest.fixture
def sums(tmp_path):
    return load_task(str(write_sums(tmp_path / "sums.jsonl")))


@pytest.fixture
def energy(model, task):
    return probe(model, task, PROBE)


@pytest.fixture
def store():
    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def no_training(monkeypatch):
    """From here on, training anything is an error."""

    def forbid():
        monkeypatch.setattr(Sweep, "run", lambda self: pytest.fail("it was trained"))

    return forbid


def test_names_and_placements_are_compared_side_by_side(model, task, energy, store):
    own = place(energy, "down", rank=2)
    before = {name: t.clone() for name, t in model.model.state_dict().items()}
    found = compare(
        model, task, ["dominant", own, "random:2"], energy=energy, store=store,
        **SETTINGS | {"learning_rates": [1e-3, 1e-2], "seeds": 2},
    )  # fmt: skip
    assert {c.placement for c in found.contestants} == {"dominant", "down", "random-1", "random-2"}
    assert len(found.variants) == 4 * 2 * 2 and {v.status for v in found.variants} == {"done"}
    assert found.best in found.table.index and found.part == "test" and found.rows == 6
    parameters = {v.placement: v.trainable_parameters for v in found.variants}
    assert parameters["down"] == own.trainable_parameters
    assert parameters["random-1"] == parameters["dominant"], "controls have the size of what they control"
    assert found.table["loss"].notna().all() and (found.table["loss"] < found.table["loss_before"]).all()
    after = model.model.state_dict()
    assert after.keys() == before.keys() and all(torch.equal(after[name], t) for name, t in before.items())


def test_a_run_says_where_it_came_from(model, task, energy, store):
    run = compare(model, task, ["dominant", "qv"], energy=energy, store=store, **SETTINGS).run
    assert run == store.runs.get(run.id)
    facts = run.facts
    assert (facts["train_rows"], facts["validation_rows"], facts["test_rows"]) == (49, 5, 6)
    assert facts["energy_map"] == energy.id and facts["forgetting_tasks"] == []
    assert facts["device"] == "cpu" and facts["dtype"] == "float32" and facts["architecture"] == "LlamaForCausalLM"
    assert facts["seconds"] > 0 and facts["peak_memory_bytes"] > 1e6
    assert set(facts["versions"]) == {"torch", "transformers", "peft", "domlora"}
    assert run.status == "done" and run.finished > run.created
    assert (run.model, run.task, run.task_hash) == (model.name, task.name, task.content_hash)
    assert run.config.placements == ("dominant", "qv")
    assert any("held out" in warning for warning in run.warnings)


def test_the_same_request_is_answered_from_the_store(model, task, energy, store, no_training):
    first = compare(model, task, ["dominant", "qv"], energy=energy, store=store, **SETTINGS)
    no_training()
    again = compare(model, task, ["dominant", "qv"], energy=energy, store=store, **SETTINGS)
    by_config = compare(
        model, task, ["dominant", "qv"], SweepConfig(**SETTINGS), energy=energy, store=store
    )  # fmt: skip
    assert again.run == by_config.run == first.run
    assert again.table.equals(first.table)


@pytest.mark.parametrize("change", [{"data_seed": 1}, {"steps": 4}, {"learning_rates": [2e-2]}, {"rank": 2}])
def test_another_request_is_trained(model, task, energy, store, change):
    first = compare(model, task, ["dominant"], energy=energy, store=store, **SETTINGS).run
    second = compare(model, task, ["dominant"], energy=energy, store=store, **SETTINGS | change).run
    assert first.id != second.id and first.variants[0].results != second.variants[0].results
    assert len(store.runs.list()) == 2


def test_the_energy_map_is_measured_where_none_is_given(model, task, store):
    found = compare(model, task, ["dominant"], store=store, **SETTINGS)
    wanted = probe(model, training_task(task, choose_rows(task, found.run.config)))
    assert found.run.facts["energy_map"] == wanted.id
    assert found.run.placements[0].modules[0].module == wanted.dominant["module"]


def test_a_map_of_few_training_rows_reads_all_of_them(model, store, tmp_path):
    few = load_task(str(write_task(tmp_path / "few.jsonl", count=30)))
    run = compare(model, few, ["dominant"], store=store, **SETTINGS).run
    assert store.maps.get(run.facts["energy_map"]).provenance.samples == run.facts["train_rows"] == 19


def test_a_map_that_is_given_is_used_as_it_is(model, task, energy, store):
    run = compare(model, task, ["dominant"], energy=energy, store=store, **SETTINGS).run
    assert run.facts["energy_map"] == energy.id and energy.provenance.task_hash == task.content_hash
    assert len(store.maps.list()) == 1


def test_the_map_that_names_were_read_against_is_kept(model, task, energy, store, monkeypatch):
    measured = compare(model, task, ["dominant"], store=store, **SETTINGS).run
    assert store.maps.get(measured.facts["energy_map"]).provenance.config == ProbeConfig()
    given = compare(model, task, ["dominant"], energy=energy, store=store, **SETTINGS).run
    kept = store.maps.get(given.facts["energy_map"])
    assert kept.provenance == energy.provenance and kept.id != measured.facts["energy_map"]
    monkeypatch.setattr(measuring_maps, "probe", lambda *_, **__: pytest.fail("it was probed again"))
    other = compare(model, task, ["qv"], store=store, **SETTINGS).run
    assert other.facts["energy_map"] == measured.facts["energy_map"]


def test_a_run_knows_where_its_model_and_rows_lie(model, task, energy, store, folder, tmp_path):
    run = compare(model, task, ["dominant"], energy=energy, store=store, **SETTINGS).run
    assert run.model_origin.named_again == str(folder.resolve())
    assert run.task_origin.named_again == str(tmp_path / "rows.jsonl")
    assert "origins" not in run.facts
    text = script(Recipe.of_run(run, run.variants[0]))
    assert str(folder.resolve()) in text and str(tmp_path / "rows.jsonl") in text


def test_python_and_a_job_mean_the_same_by_the_same_names(model, task, store, no_training, folder, tmp_path):
    """`random` must not draw what another name holds, here as there; then one answers for the other."""
    energy = probe(model, training_task(task, choose_rows(task, SweepConfig(**SETTINGS))), PROBE)
    kind, layer = energy.dominant["kind"], energy.dominant["layer"]
    held = [f"{kind}@{other}" for other in range(5) if other != layer][:2]
    names = ["random:2", "dominant", *held]  # of five modules of this kind, exactly two are left to draw
    store.maps.add(energy)
    found = compare(model, task, names, energy=energy, store=store, **SETTINGS).run
    no_training()
    request = SweepRequest(
        model=str(folder), task=str(tmp_path / "rows.jsonl"), probe=PROBE, device="cpu",
        sweep=SweepConfig(**SETTINGS | {"placements": names}),
    )  # fmt: skip
    assert run_sweep(request, store, progress.silent) == found.id


# Requests that cannot be meant


def test_placements_that_are_the_same_are_refused(model, task, energy, store):
    def refused(*placements):
        with pytest.raises(DomLoRAError) as caught:
            compare(model, task, placements, energy=energy, store=store, **SETTINGS)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    qv = place(energy, "qv", rank=4, alpha=8)
    assert "qv is named twice" in refused("qv", "qv")
    assert "qv is named twice" in refused("qv", qv)
    other_name = qv.model_copy(update={"name": "mine"})
    assert "are the same placement" in refused("qv", other_name)
    listed = place_all(energy, ["same-kind"], rank=4, alpha=8)[-1]
    assert f"2 placements are called {listed.name}" in refused("same-kind", qv.model_copy(update={"name": listed.name}))
    assert store.runs.list() == []


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"learning_rates": [0.0]}, "learning_rates: a learning rate of 0 trains nothing"),
        ({"learning_rates": [-1e-3]}, "learning_rates: a learning rate of -0.001"),
        ({"steps": 0}, "steps: "),
        ({"stepz": 5}, "stepz: "),
        ({"methods": ["lora", "vera"]}, "methods.1: "),
    ],
)
def test_settings_that_cannot_be_meant_are_one_line(model, task, energy, store, settings, words):
    with pytest.raises(UsageError) as caught:
        compare(model, task, ["qv"], energy=energy, store=store, **SETTINGS | settings)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_requests_fail_before_anything_is_measured(model, task, store, monkeypatch):
    monkeypatch.setattr(measuring_maps, "probe", lambda *_, **__: pytest.fail("it was probed"))
    with pytest.raises(UsageError, match="nonsense"):
        compare(model, task, ["nonsense"], store=store, **SETTINGS)
    with pytest.raises(UsageError, match="placements"):
        compare(model, task, [], store=store, **SETTINGS)
    with pytest.raises(UsageError, match="not both"):
        compare(model, task, ["qv"], SweepConfig(), store=store, steps=3)


def test_a_task_without_enough_rows_leaves_the_store_alone(model, energy, store, tmp_path):
    few = load_task(str(write_task(tmp_path / "few.jsonl", count=8)))
    with pytest.raises(TaskError, match="fewer than one step reads"):
        compare(model, few, ["qv"], energy=energy, store=store, **SETTINGS | {"batch_size": 16})
    assert store.runs.list() == []


def test_a_rank_above_a_module_is_refused(model, task, energy, store):
    with pytest.raises(PlacementError, match="rank 40 is larger than"):
        compare(model, task, ["qv"], energy=energy, store=store, **SETTINGS | {"rank": 40})


# Forgetting and answers


def test_forgetting_is_measured_on_the_other_tasks(model, task, energy, store):
    settings = SETTINGS | {"forgetting_rows": 3, "max_length": 250, "seeds": 2, "learning_rates": [1e-3, 1e-2]}
    watch = []
    found = compare(
        model, task, ["dominant", "all-linear"], energy=energy, store=store,
        progress=lambda *report: watch.append(report), **settings,
    )  # fmt: skip
    others = found.run.facts["forgetting_tasks"]
    assert others and set(others) <= set(builtin_tasks())
    kept = store.runs.evaluations(found.run.id)
    for name in others:
        who = {e.variant for e in kept if e.part == name}
        chosen = {v.name for c in found.contestants for v in c.variants}
        assert who == {"base", *chosen} and len(chosen) == 4, "at the chosen rates alone"
        base, *tuned = sorted((e for e in kept if e.part == name), key=lambda e: e.variant != "base")
        assert all(len(e.losses) == len(base.losses) and e.losses != base.losses for e in tuned)
    assert set(found.forgetting["task"]) == set(others)
    done = [d for _, d, _ in watch]
    assert done == sorted(done) and done[-1] == watch[-1][2]
    assert "measuring forgetting" in {stage for stage, _, _ in watch}


def test_the_task_itself_is_not_one_of_the_others(model, energy, store):
    code = load_task("code")
    found = compare(
        model, code, ["dominant"], energy=energy, store=store,
        **SETTINGS | {"forgetting_rows": 2, "max_length": 250},
    )  # fmt: skip
    assert "code" not in found.run.facts["forgetting_tasks"]


def test_answers_before_and_after_are_kept_and_checked(model, sums, store):
    found = compare(
        model, sums, ["dominant", "qv"], energy=probe(model, sums, PROBE), store=store,
        **SETTINGS | {"answers": 3, "answer_tokens": 5, "seeds": 2},
    )  # fmt: skip
    said = store.runs.answers(found.run.id)
    first_seeds = {"dominant lr=0.01 seed=0", "qv lr=0.01 seed=0"}
    assert {a.variant for a in said} == {"base", *first_seeds}
    for name in ("base", *first_seeds):
        rows = [a for a in said if a.variant == name]
        assert [a.row for a in rows] == [0, 1, 2]
        assert all(a.prompt.endswith("<|assistant|>") and "####" in a.reference for a in rows)
        assert all(a.correct is not None for a in rows)
    for variant in found.variants:
        assert ("exact_match_after" in variant.results) == (variant.name in first_seeds)
    assert set(found.answers["measure"]) == {"exact_match"} and set(found.answers["rows"]) == {3}


def test_exact_match_is_the_fraction_of_right_answers(model, sums, store, monkeypatch):
    """Here the base is always wrong, and what was trained is right on the first row only."""
    calls = []

    def speak(model, tokenizer, samples, **_):
        calls.append(1)
        right = [sample.messages[-1].content for sample in samples]
        return ["no idea"] * len(right) if len(calls) == 1 else [right[0], *["#### -1"] * (len(right) - 1)]

    monkeypatch.setattr(answers, "generate", speak)
    found = compare(
        model, sums, ["dominant"], energy=probe(model, sums, PROBE), store=store, **SETTINGS | {"answers": 4}
    )
    results = found.variants[0].results
    assert (results["exact_match_before"], results["exact_match_after"]) == (0, 0.25)
    assert results["exact_match_rows"] == 4


def test_rows_without_an_answer_are_answered_and_not_judged(model, task, energy, store):
    found = compare(
        model, task, ["dominant"], energy=energy, store=store, **SETTINGS | {"answers": 2, "answer_tokens": 3}
    )
    said = store.runs.answers(found.run.id)
    assert len(said) == 4 and {a.correct for a in said} == {None}
    assert not any(name.startswith("exact_match") for name in found.variants[0].results)


def test_what_is_answered_with_is_what_was_saved(model, sums, store, monkeypatch):
    """Greedy answers of the saved adapter, loaded by PEFT as a user loads it, are those in the store."""
    from peft import PeftModel

    found = compare(
        model, sums, ["all-linear"], energy=probe(model, sums, PROBE), store=store,
        **SETTINGS | {"answers": 2, "answer_tokens": 6, "steps": 12, "learning_rates": [5e-2]},
    )  # fmt: skip
    (variant,) = found.variants
    said = {a.row: a.text for a in store.runs.answers(found.run.id) if a.variant == variant.name}
    base = {a.row: a.text for a in store.runs.answers(found.run.id) if a.variant == "base"}
    assert said != base, "it learned something"
    plain = PeftModel.from_pretrained(load_model(model.local.folder).model, variant.adapter).eval()
    rows = choose_rows(sums, found.run.config)
    chosen = encode_rows(sums, rows, model.encode, found.run.config).answered
    assert answers.generate(plain, model.tokenizer, chosen, max_new_tokens=6) == [said[0], said[1]]


# Ends before the end


def test_killed_while_answering_it_goes_on_without_training(model, sums, store, monkeypatch):
    settings = SETTINGS | {"answers": 2, "answer_tokens": 3}
    energy = probe(model, sums, PROBE)

    def fail(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(answers, "generate", fail)
        with pytest.raises(KeyboardInterrupt):
            compare(model, sums, ["dominant"], energy=energy, store=store, **settings)
    (run,) = store.runs.list()
    assert run.status == "running" and run.variants[0].status == "done"
    assert not any("lora" in name for name, _ in model.model.named_modules())
    with monkeypatch.context() as patch:
        patch.setattr("domlora.training.lockstep.Lockstep.backward", lambda *_: pytest.fail("it was trained again"))
        found = compare(model, sums, ["dominant"], energy=energy, store=store, **settings)
    assert found.run.status == "done" and len(store.runs.answers(run.id)) == 4


def test_refresh_trains_again_and_ends_the_same(model, task, energy, store):
    config = SweepConfig(**SETTINGS | {"placements": ["qv"]})
    places = [place(energy, "qv", rank=4, alpha=8)]
    made = plan(ask(task, config, places), model.local.revision, energy)
    first = train.train(model, made, store)
    again = train.train(model, made, store, refresh=True)
    assert again.id == first.id and again.created > first.created
    assert dict(again.variants[0].results) == pytest.approx(dict(first.variants[0].results))


def test_all_diverged_is_said(model, task, energy, store):
    wild = placement(model.model, "wild", [1], ["down"]).model_copy(update={"alpha": 1e30})
    found = compare(model, task, [wild], energy=energy, store=store, **SETTINGS | {"forgetting_rows": 2, "answers": 2})
    assert found.best is None and found.run.status == "done"
    assert found.variants[0].note and "try a learning rate below" in found.variants[0].note
    assert found.table["note"].notna().all()
    assert len(store.runs.metrics(found.run.id)) > 0
    assert dataclasses.is_dataclass(found)
