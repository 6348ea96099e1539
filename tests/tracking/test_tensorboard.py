"""TensorBoard reads back what was measured, with its own reader."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace

import pytest
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from domlora.comparison.run import Metric
from domlora.tracking.finished import send
from domlora.tracking.tensorboard import TensorBoard, folder_name
from tests.helpers.runs import A, a_run
from tests.helpers.tracked import ODD, curve_of, events, scalars, text

FAILURE, SUCCESS = 2, 1  # of tensorboard.hparams.Status


def hyperparameters(folder):
    found = {}
    for tag, content in events(folder).PluginTagToContent("hparams").items():
        found[tag.rpartition("/")[2]] = HParamsPluginData.FromString(content)
    return found


def test_a_finished_comparison_is_read_back(store, finished, home):
    where = send(store, finished, "tensorboard")
    folder = home / "tensorboard" / finished.id
    assert shlex.split(where) == ["tensorboard", "--logdir", str(folder)]
    assert len(list(folder.iterdir())) == 3
    one = folder / "dominant_lr=0.001_seed=0"
    for name in ("train/loss", "train/grad_norm", "train/learning_rate", "eval/loss", "eval/accuracy"):
        assert scalars(one, name) == [(step, pytest.approx(2 - step / 10)) for step in range(6)]
    assert scalars(one, "results/exact_match_after") == [(5, 0.25)]
    assert text(one, "status") == "done"
    told = hyperparameters(one)
    begun = told["session_start_info"].session_start_info.hparams
    assert begun["placement"].string_value == "dominant" and begun["learning_rate"].number_value == 1e-3
    assert told["session_end_info"].session_end_info.status == SUCCESS
    metrics = [info.name.tag for info in told["experiment"].experiment.metric_infos]
    assert "results/eval_loss_after" in metrics and "results/test_accuracy_after" in metrics


def test_a_variant_that_diverged_says_so(store, finished, home):
    send(store, finished, "tensorboard")
    folder = home / "tensorboard" / finished.id / folder_name(ODD)
    steps, values = zip(*scalars(folder, "train/loss"), strict=True)
    assert steps == (0, 1, 2, 3) and math.isnan(values[3])
    assert text(folder, "status") == (r"diverged: its loss was no longer finite at step 3: try \*less\*")
    assert hyperparameters(folder)["session_end_info"].session_end_info.status == FAILURE


def test_the_conclusion_is_text(store, finished, home):
    send(store, finished, "tensorboard")
    folder = home / "tensorboard" / finished.id / "comparison"
    assert "lowest test loss is dominant's" in text(folder, "conclusion")
    assert "the placements differ in size" in text(folder, "warnings")
    assert text(folder, "table").count("\n") == 3


def test_what_is_sent_again_replaces_what_was_there(store, finished, home):
    for _ in range(2):
        send(store, finished, "tensorboard")
    folder = home / "tensorboard" / finished.id
    assert len(scalars(folder / folder_name(A), "train/loss")) == 6
    assert [len(list(one.iterdir())) for one in folder.iterdir()] == [1, 1, 1]
    text(folder / "comparison", "conclusion")  # there is one


def test_steps_after_a_checkpoint_replace_those_of_before(home):
    run = a_run()
    first = TensorBoard(run)
    first.start(run.variants[0], ())
    first.points(curve_of(A, 7))  # and the process is killed
    again = TensorBoard(run)
    again.start(run.variants[0], curve_of(A, 4))
    again.points([Metric(A, step, "train_loss", 9.0) for step in (5, 6, 7, 8)])
    again.end(replace(run.variants[0], status="done", results={"eval_loss_after": 1.0}))
    again.add(run.variants[0], {"exact_match_after": 0.5})
    first.close(failed=True)
    folder = home / "tensorboard" / run.id / folder_name(A)
    values = [pytest.approx(2 - step / 10) for step in range(5)] + [9.0] * 4
    assert scalars(folder, "train/loss") == list(enumerate(values))
    assert scalars(folder, "results/eval_loss_after") == [(8, 1.0)]
    assert scalars(folder, "results/exact_match_after") == [(60, 0.5)]


def test_folders_are_named_as_variants_are_and_never_lead_elsewhere():
    assert folder_name("dominant lr=0.005 seed=1") == "dominant_lr=0.005_seed=1"
    odd = ("../../etc", "a/b", "a b", "a_b|", "a:b", "a;b", ".hidden", "ü" * 400, ODD)
    names = [folder_name(name) for name in odd]
    assert len(set(names)) == len(odd)
    assert not any("/" in name or name.startswith(".") or len(name.encode()) > 200 for name in names)


def test_a_partial_comparison_is_sent_as_far_as_it_has_come(store, home):
    run = store.runs.start(a_run("b"))
    store.runs.add_metrics(run.id, curve_of(A, 3))
    store.runs.set_variant(run.id, A, status="training")
    send(store, store.runs.get(run.id), "tensorboard")
    folder = home / "tensorboard" / run.id
    assert {one.name for one in folder.iterdir()} == {folder_name(A), "comparison"}
    assert len(scalars(folder / folder_name(A), "train/loss")) == 4
    assert "session_end_info" not in hyperparameters(folder / folder_name(A))
