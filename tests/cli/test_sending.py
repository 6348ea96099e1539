"""`--log-to` and `runs send` as a user meets them."""

from __future__ import annotations

import json
import shlex

import pytest

from domlora.jobs.queue import Queue
from domlora.store.store import Store
from tests.helpers.command import run
from tests.helpers.sweeping import write_task
from tests.helpers.tracked import events, scalars

TINY = ("--placements", "dominant,qv", "--lr", "1e-2", "--steps", 3, "--rank", 2, "--batch-size", 2, "--answers", 0,
        "--forgetting-rows", 0, "--samples", 4, "--seeds", 1, "--validation-rows", 5, "--test-rows", 5)  # fmt: skip


@pytest.fixture
def command(tiny_folder, tmp_path):
    return ("compare", tiny_folder, "--task", write_task(tmp_path / "rows.jsonl"), *TINY)


def test_curves_are_sent_and_where_they_are_is_said_on_stderr(capsys, command, home):
    status, out, err = run(capsys, *command, "--log-to", "tensorboard,tensorboard", "--json")
    assert status == 0, err
    compared = json.loads(out)
    (said,) = (line for line in err.splitlines() if line.startswith("sent to "))
    folder = home / "tensorboard" / compared["run"]
    assert said == f"sent to tensorboard: tensorboard --logdir {shlex.quote(str(folder))}"
    names = {variant["name"].replace(" ", "_") for variant in compared["variants"]}
    assert {one.name for one in folder.iterdir()} == names | {"comparison"}
    assert [step for step, _ in scalars(folder / names.pop(), "train/loss")] == [1, 2, 3]


def test_a_finished_run_is_sent_afterwards(capsys, command, home):
    status, out, err = run(capsys, *command, "--json")
    assert status == 0, err
    compared = json.loads(out)
    assert not (home / "tensorboard").exists()
    status, out, err = run(capsys, "runs", "send", compared["run"][:6], "--to", "tensorboard")
    assert (status, out) == (0, "")
    folder = home / "tensorboard" / compared["run"]
    assert err.strip() == f"sent to tensorboard: tensorboard --logdir {shlex.quote(str(folder))}"
    assert "conclusion/text_summary" in events(folder / "comparison").Tags()["tensors"]
    again = run(capsys, *command, "--log-to", "tensorboard")
    assert again[0] == 0 and f"sent to tensorboard: tensorboard --logdir {folder}" in again[2]
    assert all(len(list(one.iterdir())) == 1 for one in folder.iterdir()), "sent again, it gives way"


def test_a_folder_that_cannot_be_written_ends_a_sending_and_no_comparison(capsys, command, home):
    home.mkdir(parents=True)
    (home / "tensorboard").write_text("no folder", encoding="utf-8")
    status, out, err = run(capsys, *command, "--log-to", "tensorboard")
    assert status == 0 and "Note: The curves could not be sent to tensorboard (" in out and "sent to tensor" not in err
    id = Store().runs.list()[0].id
    status, out, err = run(capsys, "runs", "send", id, "--to", "tensorboard")
    assert (status, out) == (1, "")
    assert err.startswith(f"domlora: run {id} could not be sent to tensorboard (") and err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("compare", "m", "--task", "math", "--log-to", "mlflow"), "curves cannot be sent to 'mlflow': known are"),
        (("compare", "m", "--task", "math", "--log-to", "wandb"), "not installed: pip install 'domlora[wandb]'"),
        (("runs", "send", "ab", "--to", "trackio"), "trackio is not installed: pip install 'domlora[trackio]'"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_one_line_before_anything_is_computed(capsys, monkeypatch, arguments, words):
    monkeypatch.setattr("domlora.tracking.services.find_spec", lambda name: None)
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert words in err and err.count("\n") == 1


def test_a_queued_comparison_keeps_where_it_is_sent(capsys, monkeypatch, command):
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda *_: None)
    status, _, err = run(capsys, *command, "--log-to", "tensorboard", "--log-project", "mine", "--queue")
    assert status == 0, err
    request = Queue(Store()).list()[0].request
    assert (request.log_to, request.log_project) == (("tensorboard",), "mine")
