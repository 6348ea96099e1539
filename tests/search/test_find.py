"""Whole searches on a tiny real model."""

from __future__ import annotations

import pytest

from domlora.data.tasks import load_task
from domlora.errors import DomLoRAError, TaskError, UsageError
from domlora.models.loading import load_model
from domlora.ranking import rank
from domlora.search import find as search
from domlora.search.answer import answer_of
from domlora.search.asked import ask
from domlora.search.config import find_config
from domlora.search.facts import FINAL, RUNGS
from domlora.search.race import Rung
from domlora.store.runs import Runs
from domlora.store.store import Store
from domlora.training import checkpoints
from tests.helpers.sweep_place import Killed
from tests.helpers.sweeping import write_task

SETTINGS = {
    "minutes": 0, "steps": 16, "samples": 4, "rank": 2, "batch_size": 2, "validation_rows": 6, "test_rows": 8,
    "forgetting_rows": 2, "keep": ("chat",), "max_length": 64,
}  # fmt: skip


@pytest.fixture
def model(tiny_folder):
    return load_model(tiny_folder, dtype="float32", device="cpu")


@pytest.fixture
def task(tmp_path):
    return load_task(str(write_task(tmp_path / "rows.jsonl")))


def searched(model, task, progress=lambda *_: None, **settings):
    store = Store()
    asked = ask(task, find_config(SETTINGS | settings))
    run = search.find_run(asked, model.local, lambda: model, store, progress=progress)
    return store, run


@pytest.fixture(scope="module")
def whole_search(tiny_folder, tmp_path_factory):
    """The home of one whole search, and its id."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOMLORA_HOME", str(home))
        patch.delenv("DOMLORA_STORE", raising=False)
        model = load_model(tiny_folder, dtype="float32", device="cpu")
        _, run = searched(model, load_task(str(write_task(home / "rows.jsonl"))))
    return home, run.id


@pytest.fixture
def found(whole_search, monkeypatch):
    """The store that holds it, and its run."""
    home, id = whole_search
    monkeypatch.setenv("DOMLORA_HOME", str(home))
    store = Store()
    return store, store.runs.get(id)


def test_a_search_from_end_to_end(found):
    store, run = found
    answer = answer_of(store, run)
    assert run.status == "done"
    assert answer.final is not None
    assert answer.final.run.status == "done"
    assert answer.chosen in answer.final.table.index
    assert answer.headline.startswith(f"Adapt {answer.chosen}")
    assert answer.placement.lora_config().target_modules
    rungs = answer.rungs
    assert len(rungs) >= 2
    assert [rung.step for rung in rungs] == sorted({rung.step for rung in rungs})
    assert len(rungs[-1].losses) < len(rungs[0].losses)
    assert set(answer.final.forgetting["task"]) == {"chat"}
    assert answer.final.table["seeds"].max() == 3
    assert len(store.runs.list()) == 2


def test_the_race_reads_no_test_row(found):
    store, run = found
    assert {one.part.partition("@")[0] for one in store.runs.evaluations(run.id)} == {"validation"}
    assert all("test_loss_after" not in variant.results for variant in run.variants)
    assert {variant.seed for variant in run.variants}.isdisjoint(answer_of(store, run).final.run.config.judging)


def test_curves_go_on_from_rung_to_rung(found):
    """Who stayed to the end has trained every step once, and was judged at the end of each rung."""
    _, run = found
    last, steps = Store().runs.metrics(run.id), [rung["step"] for rung in run.facts[RUNGS]]
    stayed = [v for v in run.variants if v.results["steps"] == steps[-1]]
    assert stayed
    for variant in stayed:
        own = last[last["variant"] == variant.name]
        assert own[own["name"] == "train_loss"]["step"].tolist() == list(range(1, steps[-1] + 1))
        judged = set(own[own["name"] == "eval_loss"]["step"])
        assert {0, steps[-1]} <= judged <= {0, *steps}


def test_a_race_ranks_the_probes_that_proposed(found, model, task):
    """Its single modules at the end of the first rung, where all had as many steps."""
    store, run = found
    assert rank.qualifies(run)
    maps = [store.maps.get(one.id) for one in rank.fitting(run, store.maps.list())]
    ranking = rank.rank(run, store.runs.evaluations(run.id), maps)
    first = Rung.from_json(run.facts[RUNGS][0])
    assert ranking.run.config.steps == first.step
    assert ranking.part == "validation"
    for _, module in ranking.modules.iterrows():
        losses = [loss for name, loss in first.losses.items() if name.startswith(f"{module['placement']} lr=")]
        assert module["loss"] == pytest.approx(min(losses))
    assert set(ranking.scores) >= {"page", "saliency", "plop"}


def test_the_same_search_is_answered_from_the_store(found, model, task):
    _, run = found

    def never():
        raise AssertionError("nothing is to be loaded")

    again = search.find_run(ask(task, find_config(SETTINGS)), model.local, never, Store())
    assert again == run


@pytest.mark.slow
@pytest.mark.parametrize("at", [45])
def test_a_killed_search_goes_on_to_the_same_answer(found, model, task, at, tmp_path, monkeypatch):
    whole = answer_of(*found)
    monkeypatch.setenv("DOMLORA_HOME", str(tmp_path / "other"))
    heard = []

    def kill(stage, done, total):
        heard.append(stage)
        if len(heard) == at:
            raise Killed

    with pytest.raises(Killed):
        searched(model, task, progress=kill)
    again = answer_of(*searched(model, task))
    assert [rung.losses for rung in again.rungs] == [rung.losses for rung in whole.rungs]
    assert again.chosen == whole.chosen
    assert again.headline == whole.headline


def test_minutes_are_kept(model, task):
    """With a clock that runs: a plan for some seconds does not take a minute."""
    store, run = searched(model, task, minutes=0.15, steps=200)
    answer = answer_of(store, run)
    assert answer.final is not None
    assert run.facts["seconds"] < 45


def test_too_little_time_says_how_much_is_needed(model, task):
    with pytest.raises(UsageError, match="minutes are too little for one rung and its finals here") as caught:
        searched(model, task, minutes=1e-3)
    assert "\n" not in str(caught.value)
    assert not Store().runs.list()


def test_all_that_diverges_is_one_line(model, task, monkeypatch):
    monkeypatch.setattr(search.SweepTrack, "_losses", lambda self, entries, names: {})
    for _ in range(2):  # asked again it is no other answer
        with pytest.raises(DomLoRAError, match="all candidates diverged at all rates"):
            searched(model, task)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"keep": ("no-such-task",)}, "no-such-task"),
        ({"validation_rows": 10_000, "train_rows": 10_000}, "training rows asked for"),
    ],
)
def test_what_cannot_be_had_is_said_before_a_model_is_loaded(task, settings, words):
    with pytest.raises(TaskError, match=words):
        ask(task, find_config(SETTINGS | settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"placements": ("qv",)}, "find decides it by itself"),
        ({"stepz": 3}, "is no setting of find"),
        ({"seeds": 2}, "seeds: .*greater than or equal to 3"),
        ({"minutes": -1}, "minutes: .*greater than or equal to 0"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_settings_that_cannot_be(settings, words):
    with pytest.raises(UsageError, match=words):
        find_config(settings)


def test_a_cancelled_entry_falls_out_and_the_race_goes_on(model, task, monkeypatch):
    monkeypatch.setattr("domlora.training.sweep.REPORT_SECONDS", 0.0)  # looks for cancelled ones at every step
    store, told = Store(), []

    def cancel(stage, done, total):
        if stage.startswith("rung 1") and not told:
            (run,) = store.runs.list()
            told.append(run.variants[0].name)
            store.runs.cancel_variant(run.id, told[0])

    run = search.find_run(ask(task, find_config(SETTINGS)), model.local, lambda: model, store, progress=cancel)
    assert run.status == "done"
    assert next(v for v in run.variants if v.name == told[0]).status == "cancelled"
    assert told[0].removesuffix(" seed=1000") in run.facts[RUNGS][0]["lost"]


@pytest.mark.slow
@pytest.mark.parametrize(("where", "at"), [("go_on", 2), ("remove", 1)])
def test_killed_between_rungs_it_goes_on_to_the_same_answer(found, model, task, where, at, tmp_path, monkeypatch):
    """As it notes a rung, as it goes on with one, and when one is done but its checkpoint still lies there."""
    whole = answer_of(*found)
    monkeypatch.setenv("DOMLORA_HOME", str(tmp_path / "other"))
    owner = checkpoints if where == "remove" else Runs
    real, calls = getattr(owner, where), []

    def kill(*arguments, **named):
        calls.append(1)
        if len(calls) == at:
            raise Killed
        return real(*arguments, **named)

    monkeypatch.setattr(owner, where, kill)
    with pytest.raises(Killed):
        searched(model, task)
    monkeypatch.setattr(owner, where, real)
    again = answer_of(*searched(model, task))
    assert [rung.losses for rung in again.rungs] == [rung.losses for rung in whole.rungs]
    assert again.headline == whole.headline


def test_a_rung_that_is_not_run_any_more_leaves_the_race_as_the_last_one_had_it(model, task, monkeypatch):
    """Killed in the second rung, and gone on with when there is no time for it."""
    heard = []

    def kill(stage, done, total):
        heard.append(stage.startswith("rung 2"))
        if sum(heard) == 3:
            raise Killed

    with pytest.raises(Killed):
        searched(model, task, progress=kill)
    monkeypatch.setattr(search.Pacing, "next_step", lambda self, done, running: None)
    store, run = searched(model, task)
    (first,) = run.facts[RUNGS]
    assert run.config.steps == first["step"]
    assert {v.status for v in run.variants if not v.results.get("steps", 0) < first["step"]} == {"done"}
    assert store.runs.metrics(run.id)["step"].max() == first["step"]


def test_finals_are_left_out_where_the_time_is_over(model, task, monkeypatch):
    monkeypatch.setattr(search._Search, "_final_settings", lambda self, judged, done: None)
    store, run = searched(model, task)
    answer = answer_of(store, run)
    assert answer.final is None
    assert run.status == "running"
    assert "the same search again goes on with them" in run.warnings[-1]
    assert FINAL not in run.facts
    monkeypatch.undo()
    store, run = searched(model, task)
    assert run.status == "done"
    assert answer_of(store, run).chosen is not None
