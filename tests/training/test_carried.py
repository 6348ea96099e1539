"""A finished comparison is gone on with: what is there is not trained again, and the end is as if asked at once."""

from __future__ import annotations

import pytest

from domlora.comparison.config import SweepConfig
from domlora.comparison.extension import extended
from domlora.comparison.placements import place_for
from domlora.data.tasks import load_task
from domlora.energy.files import read
from domlora.errors import UsageError
from domlora.paths import sample_data_path
from domlora.placements.place import place_all
from domlora.store.store import Store
from domlora.training import sweep, train
from domlora.training.asked import ask, plan
from tests.helpers.sweep_place import SETTINGS, Killed, Watch, assert_same_end, curve, kill, weights
from tests.helpers.sweeping import write_task

RATES = (1e-3, 3e-2)
FEW = {"answers": 2, "forgetting_rows": 2, "answer_tokens": 4}


@pytest.fixture
def trained(monkeypatch):
    """How many steps each variant took, by name."""
    counts: dict[str, int] = {}
    step = sweep.Live.step

    def counted(self, max_norm):
        counts[self.variant.name] = counts.get(self.variant.name, 0) + 1
        return step(self, max_norm)

    monkeypatch.setattr(sweep.Live, "step", counted)
    return counts


def go_on(place, old, *, progress=lambda *_: None, **added):
    """The larger comparison in the same home."""
    store = Store()
    try:
        asked = ask(place.task, extended(old, added), continues=old)
        made = plan(asked, place.model.local.revision, place.energy)
        run = train.train(place.model, made, store, progress=progress)
        return run, store.runs.metrics(run.id), store.runs.evaluations(run.id)
    finally:
        store.close()


def test_seeds_and_rates_are_added_without_training_what_is_there(place, trained):
    old, _, _ = place.run([place.all, place.low], learning_rates=RATES[:1], seeds=1)
    trained.clear()
    found = go_on(place, old, learning_rates=RATES, seeds=2)
    assert not {v.name for v in old.variants} & trained.keys() or {v.learning_rate for v in found[0].variants} == set(
        RATES
    )
    assert all(count == SETTINGS["steps"] for count in trained.values())
    at_once = place.run([place.all, place.low], learning_rates=RATES, seeds=2)
    assert_same_end(found, at_once, close=1e-4)
    assert found[0].facts["continues"] == old.id and found[0].id != old.id


def test_a_seed_that_is_added_costs_that_seed_alone(place, trained):
    old, _, _ = place.run([place.all, place.low], learning_rates=RATES, seeds=2)
    kept = {v.name: weights(v) for v in old.variants}
    trained.clear()
    found = go_on(place, old, seeds=3)
    assert sorted(name.rpartition("=")[2] for name in trained) == ["2", "2"]
    for variant in found[0].variants:
        if variant.name in kept:
            assert all(tensor.equal(weights(variant)[name]) for name, tensor in kept[variant.name].items())
    assert_same_end(found, place.run([place.all, place.low], learning_rates=RATES, seeds=3), close=1e-5)


def test_answers_and_forgetting_are_carried_over_too(place, monkeypatch):
    old, _, evaluations = place.run([place.all], **FEW)
    store = Store()
    answers = store.runs.answers(old.id)
    store.close()
    run, _, later = go_on(place, old, seeds=2)
    chat = [e for e in later if e.variant == old.variants[0].name and e.part == "chat"]
    assert chat == [e for e in evaluations if e.variant == old.variants[0].name and e.part == "chat"] and chat
    store = Store()
    assert [a for a in store.runs.answers(run.id) if a.variant == old.variants[0].name] == [
        a for a in answers if a.variant == old.variants[0].name
    ]
    store.close()


def test_a_constant_rate_goes_on_as_if_it_had_not_ended(place, trained):
    settings = {"schedule": "constant", "methods": ("lora", "pissa", "lora+")}
    old, _, _ = place.run([place.all, place.low], **settings)
    trained.clear()
    run, metrics, _ = go_on(place, old, steps=9)
    assert set(trained.values()) == {3} and len(trained) == 6
    assert run.config.legs == (6,) and run.config.steps == 9
    whole, other, _ = place.run([place.all, place.low], **settings, steps=9, warmup=1 / 9)
    for name in (v.name for v in whole.variants):
        assert curve(metrics, name) == pytest.approx(curve(other, name), rel=1e-4)
    assert {v.results["steps"] for v in run.variants} == {9}


def test_a_schedule_rises_and_falls_again_in_each_leg(place):
    old, _, _ = place.run([place.all])
    _, metrics, _ = go_on(place, old, steps=12)
    rates = curve(metrics, "all lr=0.01 seed=0", "learning_rate")
    assert [rates[step] for step in range(7, 13)] == pytest.approx([rates[step] for step in range(1, 7)])


def test_what_is_added_with_steps_trains_all_legs(place):
    old, _, _ = place.run([place.all])
    found = go_on(place, old, steps=10, seeds=2)
    rates = {seed: curve(found[1], f"all lr=0.01 seed={seed}", "learning_rate") for seed in (0, 1)}
    assert rates[0] == pytest.approx(rates[1])
    with pytest.raises(UsageError, match="has 10 steps: give a larger number than 8"):
        extended(found[0], {"steps": 8})


def test_steps_that_are_added_survive_a_kill(place):
    old, _, _ = place.run([place.all, place.low])
    whole = go_on(place, old, steps=12)
    store = Store()
    store.runs.remove(whole[0].id)
    store.close()
    with pytest.raises(Killed):
        go_on(place, old, steps=12, progress=Watch(4, kill))
    assert_same_end(go_on(place, old, steps=12), whole, close=1e-5)


def test_random_placements_that_are_added_count_on_and_are_others():
    energy = read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")
    old = place_all(energy, ["dominant", "random"], rank=4)
    config = SweepConfig(**SETTINGS | {"placements": ("dominant", "random", "random:2")})
    placed = place_for(energy, config, [*old, "random:2"])
    assert [placement.name for placement in placed] == ["dominant", "random-1", "random-2", "random-3"]
    assert len({placement.modules[0].module for placement in placed}) == 4


@pytest.mark.parametrize(
    ("added", "words"),
    [({}, "nothing is added"), ({"placements": ("all",)}, "nothing is added"), ({"seeds": 0}, "give a larger number")],
)
def test_an_addition_of_nothing_is_one_line(place, added, words):
    old, _, _ = place.run([place.all])
    with pytest.raises(UsageError, match=words):
        extended(old, added)


def test_other_rows_are_refused(place, tmp_path):
    old, _, _ = place.run([place.all])
    place.task = load_task(str(write_task(tmp_path / "other.jsonl", count=50)))
    with pytest.raises(UsageError, match="which are not what is given now"):
        go_on(place, old, seeds=2)
