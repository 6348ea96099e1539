"""How a comparison would split the rows of a task, as Launch says it, and which energy map it would place by."""

import json

import pytest

from dashboard.shared import task_facts
from domlora.comparison.config import SweepConfig
from domlora.data.tasks import NamedTask
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from domlora.training.rows import choose_rows, training_task
from tests.helpers.maps import make_map
from tests.helpers.pages import page, text
from tests.helpers.sweeping import write_task

FEW = SweepConfig(validation_rows=6, test_rows=8)


@pytest.fixture
def copies(tmp_path):
    """Forty rows, half of which are there twice; one more is nearly equal to another."""
    rows = [{"prompt": f"What do {i} foxes eat?", "completion": f"{i} hens"} for i in range(40)]
    path = tmp_path / "copies.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, *rows[:20]]), encoding="utf-8")
    return NamedTask(str(path))


def test_what_is_held_out_and_left_out_is_said(copies):
    split = task_facts.row_split(copies, FEW)
    chosen = choose_rows(copies.load(), FEW)
    assert split.counts == {name: len(rows) for name, rows in chosen.splits.items()}
    assert split.training == len(chosen.training) and split.notes[:2] == chosen.warnings
    assert split.notes[2] == f"Rows: {chosen.remarks[0].words}."
    assert "training rows equal to a held-out row left out" in split.notes[2]


def test_launch_says_it_before_a_comparison_starts(copies):
    more = {"samples": "8", "validation_rows": "6", "test_rows": "6"}
    app = page("launch", kind="Comparison", model="ref-llama", task="another one", own_task=copies.source, **more)
    assert not app.exception and not app.error
    assert "has no test rows: 6 of its training rows were held out instead." in text(app)
    assert "equal to a held-out row left out" in text(app)


def test_launch_says_that_the_probe_asks_for_held_out_rows(copies):
    app = page("launch", kind="Comparison", model="ref-llama", task="another one", own_task=copies.source)
    app.number_input(key="samples").set_value(60).run()
    assert any(
        "60 probe samples asked for, but" in error.value and "not held out" in error.value for error in app.error
    )


def test_nearly_equal_rows_are_said_at_once_unless_there_are_many(tmp_path, monkeypatch):
    story = "Once there were a fox and a hen and a dog who went to see the old owl on the hill by the sea"
    splits = ["train", "test"] * 9
    rows = [{"prompt": f"{story} {i}", "completion": "the fox", "split": name} for i, name in enumerate(splits)]
    rows += [{"prompt": f"who is {i} of {i + 1}?", "completion": "hen", "split": "validation"} for i in range(9)]
    path = tmp_path / "stories.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = task_facts.row_split(NamedTask(str(path)), FEW).notes
    assert said[-1].startswith("8 of 8 test rows are nearly equal to training rows")
    monkeypatch.setattr(task_facts, "QUICK", 5)
    task_facts.st.cache_data.clear()
    assert "looked for once it runs" in task_facts.row_split(NamedTask(str(path)), FEW).notes[-1]


def test_the_map_of_a_comparison_is_that_of_its_training_rows(tmp_path):
    task = NamedTask(str(write_task(tmp_path / "whole.jsonl")))
    loaded, probe = task.load(), ProbeConfig(samples=4)
    left = training_task(loaded, choose_rows(loaded, FEW))
    whole = make_map([1.0, 2.0], model="own", task_hash=loaded.content_hash, config=probe, key="a" * 64)
    fitting = make_map([2.0, 1.0], model="own", task_hash=left.content_hash, config=probe, key="b" * 64)
    Store().maps.add(whole)
    assert task_facts.map_for("own", task, probe)[1]
    assert not task_facts.map_for("own", task, probe, FEW)[1], "it was measured on rows that are held out"
    Store().maps.add(fitting)
    task_facts.st.cache_data.clear()
    found, fits = task_facts.map_for("own", task, probe, FEW)
    assert fits and found.id == fitting.id
    assert task_facts.map_for("own", task, probe, FEW.model_copy(update={"steps": 7}))[1]
    assert not task_facts.map_for("own", task, probe, FEW.model_copy(update={"data_seed": 7}))[1]


def test_a_task_with_its_own_splits_is_placed_by_the_map_that_is_there():
    found, fits = task_facts.map_for("smollm2-135m", NamedTask("math"), ProbeConfig(), SweepConfig())
    assert fits and found.provenance.task == "math"
