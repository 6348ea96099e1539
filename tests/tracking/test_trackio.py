"""Trackio's local store reads back what was measured."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from domlora.comparison.run import Metric
from domlora.tracking.finished import send
from domlora.visible import visible
from tests.helpers.runs import A, a_run
from tests.helpers.tracked import ODD, curve_of

tracked = pytest.importorskip("domlora.tracking.trackio")

ROOT = Path(__file__).parents[2]
# Another process reads: Trackio takes its folder from the environment when it is imported.
READ = """
import json, sys, trackio
from trackio.sqlite_storage import SQLiteStorage
found = {}
for run in trackio.Api().runs(sys.argv[1]):
    logs = SQLiteStorage.get_logs(sys.argv[1], run.name, run_id=run.id)
    found.setdefault(run.name, []).append({"config": run.config, "logs": logs})
print(json.dumps(found))
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A local store of its own, for this process too."""
    from trackio import sqlite_storage, utils

    for name in tracked.ELSEWHERE:
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "trackio"
    monkeypatch.setenv("TRACKIO_DIR", str(path))
    for module in (utils, sqlite_storage):
        for name in ("TRACKIO_DIR", "MEDIA_DIR"):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, path / ("" if name == "TRACKIO_DIR" else "media"))
    return path


def stored(project: str = "domlora") -> dict:
    command = [sys.executable, "-c", READ, project]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=os.environ, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def curve(logs, name):
    return [(row["step"], row[name]) for row in logs if name in row]


def test_a_finished_comparison_is_read_back_and_sent_again_gives_way(store, finished, capsys):
    for _ in range(2):
        assert send(store, finished, "trackio") == "trackio show --project domlora"
    assert capsys.readouterr().out == "", "stdout is for JSON"
    found = stored()
    assert sorted(len(runs) for runs in found.values()) == [1, 1, 1]
    by_title = {name.rpartition(" ")[0]: runs[0] for name, runs in found.items()}
    one = by_title[A]
    for name in ("train/loss", "train/grad_norm", "train/learning_rate", "eval/loss", "eval/accuracy"):
        assert curve(one["logs"], name) == [(step, pytest.approx(2 - step / 10)) for step in range(6)]
    assert curve(one["logs"], "results/exact_match_after") == [(5, 0.25)]
    assert one["config"]["placement"] == "dominant" and one["config"]["_Group"] == finished.id
    lost = curve(by_title[visible(ODD)]["logs"], "train/loss")
    assert [step for step, _ in lost] == [0, 1, 2, 3] and math.isnan(lost[3][1])
    (said,) = curve(by_title[visible(ODD)]["logs"], "status")
    assert said[1]["_value"] == r"diverged: its loss was no longer finite at step 3: try \*less\*"
    (whole,) = by_title["comparison"]["logs"]
    assert "lowest test loss is dominant's" in whole["conclusion"]["_value"]
    assert [row["contestant"] for row in whole["table"]["_value"]] == ["dominant", "qv"]


def test_a_comparison_that_goes_on_has_no_step_twice():
    run = a_run()
    first = tracked.Trackio(run, "mine")
    first.start(run.variants[0], ())
    first.points(curve_of(A, 7))
    first.close(failed=True)
    again = tracked.Trackio(run, "mine")
    again.start(run.variants[0], curve_of(A, 4))
    again.points([Metric(A, step, "train_loss", 9.0) for step in (5, 6)])
    again.end(replace(run.variants[0], status="done", results={"eval_loss_after": 1.0}))
    again.add(run.variants[0], {"exact_match_after": 0.5})
    ((one,),) = stored("mine").values()
    assert curve(one["logs"], "train/loss") == [
        *((step, pytest.approx(2 - step / 10)) for step in range(5)), (5, 9.0), (6, 9.0),
    ]  # fmt: skip
    assert curve(one["logs"], "results/exact_match_after") == [(60, 0.5)]


def test_variants_side_by_side_do_not_end_each_other():
    run = a_run()
    tracker = tracked.Trackio(run, None)
    for variant in run.variants:
        tracker.start(variant, ())
    for step in range(3):
        tracker.points([Metric(variant.name, step, "train_loss", float(step)) for variant in run.variants])
    tracker.close(failed=False)
    found = stored()
    assert len(found) == 2
    for (one,) in found.values():
        assert [step for step, _ in curve(one["logs"], "train/loss")] == [0, 1, 2]


def test_elsewhere_nothing_is_sent_twice(home, monkeypatch):
    """A space or a server takes nothing back; what it gets is noted here instead of sent."""
    monkeypatch.setenv("TRACKIO_SPACE_ID", "me/curves")
    logged = []

    class Elsewhere:
        def log(self, row, step):
            logged.append((step, *row))

        def finish(self):
            pass

    monkeypatch.setattr(tracked.trackio, "init", lambda **settings: Elsewhere())
    run = a_run()
    for before, points in (((), curve_of(A, 7)), (curve_of(A, 4), curve_of(A, 9)[5:])):
        tracker = tracked.Trackio(run)
        tracker.start(run.variants[0], before)
        tracker.points(points)
        tracker.close(failed=True)
    assert logged == [(step, "train/loss") for step in range(10)]
    assert tracker.where == "me/curves"
