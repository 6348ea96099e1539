"""W&B in offline mode: its files are read back as its own sync reads them."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import replace

import pytest
import wandb

from domlora.comparison.run import Metric
from domlora.errors import TrackingError
from domlora.tracking.finished import send
from domlora.tracking.tracker import service_id
from domlora.tracking.wandb import WeightsAndBiases
from domlora.visible import visible
from tests.helpers.runs import A, a_run
from tests.helpers.stores import run_python
from tests.helpers.tracked import ODD, WandbRun, curve_of


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    for name in ("WANDB_DIR", "WANDB_PROJECT", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    yield
    wandb.teardown()


def test_a_finished_comparison_is_read_back(store, finished, home, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "placements")
    where = send(store, finished, "wandb")
    assert where == f"wandb sync {home}/wandb/{finished.id}/wandb/offline-run-*"
    one = WandbRun(home, A)
    for name in ("train/loss", "train/grad_norm", "train/learning_rate", "eval/loss", "eval/accuracy"):
        assert one.curve(name) == [(step, pytest.approx(2 - step / 10)) for step in range(6)]
    assert one.summary["results/exact_match_after"] == 0.25 and one.summary["status"] == "done"
    assert one.config["placement"] == "dominant" and one.config["learning_rate"] == 1e-3
    (run,) = one.runs
    assert run.run_group == finished.id and run.project == "placements" and run.run_id == service_id(finished, A)
    assert one.exit_code == 0

    lost = WandbRun(home, visible(ODD))
    assert [step for step, _ in lost.curve("train/loss")] == [0, 1, 2, 3]
    assert math.isnan(lost.curve("train/loss")[3][1])
    assert lost.summary["status"] == "diverged: its loss was no longer finite at step 3: try *less*"
    assert lost.exit_code == 1

    whole = WandbRun(home, "comparison")
    assert "lowest test loss is dominant's" in whole.summary["conclusion"]
    assert "the placements differ in size" in whole.summary["warnings"]
    (table,) = home.glob("wandb/**/*.table.json")
    written = json.loads(table.read_text(encoding="utf-8"))
    assert [row[written["columns"].index("contestant")] for row in written["data"]] == ["dominant", "qv"]


KILLED = """
import os, signal, time
from domlora.tracking.wandb import WeightsAndBiases
from tests.helpers.runs import A, a_run
from tests.helpers.stores import run_python
from tests.helpers.tracked import curve_of

tracker = WeightsAndBiases(a_run())
tracker.start(a_run().variants[0], ())
tracker.points(curve_of(A, 7))
time.sleep(1)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("killed", [False, True])
def test_a_comparison_that_goes_on_sends_no_step_twice_and_leaves_none_out(home, killed):
    """Interrupted when a step was trained and not evaluated yet; or killed then."""
    run = a_run()
    if killed:
        process = run_python(KILLED)
        assert process.wait(60) == -signal.SIGKILL
    else:
        first = WeightsAndBiases(run)
        first.start(run.variants[0], ())
        first.points(curve_of(A, 7))
        first.close(failed=True)
    again = WeightsAndBiases(run)
    again.start(run.variants[0], curve_of(A, 4))
    again.points([Metric(A, step, "train_loss", 2 - step / 10) for step in (5, 6, 7)])
    again.points([Metric(A, 7, "eval_loss", 1.0)])
    again.points([Metric(A, step, "train_loss", 2 - step / 10) for step in (8, 9)])
    again.end(replace(run.variants[0], status="done", results={"eval_loss_after": 1.0}))
    again.add(run.variants[0], {"exact_match_after": 0.5})
    found = WandbRun(home, A)
    assert {one.run_id for one in found.runs} == {service_id(run, A)}
    assert sorted(found.curve("train/loss")) == [(step, pytest.approx(2 - step / 10)) for step in range(10)]
    assert found.curve("eval/loss") == [(7, 1.0)]
    assert found.summary["results/eval_loss_after"] == 1.0 and found.summary["results/exact_match_after"] == 0.5


def test_many_variants_grow_side_by_side(home):
    """In one process at a time, point by point."""
    run = a_run()
    variants = [replace(run.variants[0], name=f"dominant lr=0.001 seed={seed}", seed=seed) for seed in range(6)]
    tracker = WeightsAndBiases(run, "other")
    for variant in variants:
        tracker.start(variant, ())
    for step in range(3):
        tracker.points([Metric(variant.name, step, "train_loss", variant.seed + step) for variant in variants])
    for variant in variants:
        tracker.end(replace(variant, status="done"))
    for variant in variants:
        found = WandbRun(home, variant.name)
        assert found.curve("train/loss") == [(step, variant.seed + step) for step in range(3)]
        assert [one.project for one in found.runs] == ["other"]


def test_without_a_key_it_fails_in_one_line_and_asks_nobody(store, finished, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "online")
    wandb.teardown()
    with pytest.raises(TrackingError, match=r"could not be sent to wandb \(UsageError: No API key configured"):
        send(store, finished, "wandb")
