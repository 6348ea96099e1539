"""Names of services are checked before anything is computed; no package is imported for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from domlora.errors import UsageError
from domlora.jobs.spec import SweepRequest
from domlora.tracking import services
from domlora.tracking.services import Destination, destination, installed


def test_each_service_counts_once():
    assert destination(["tensorboard", "wandb", "tensorboard"], "mine") == Destination(("tensorboard", "wandb"), "mine")
    assert not destination([]) and destination(["wandb"])


def test_a_service_that_is_not_known_is_one_line():
    with pytest.raises(UsageError, match="'mlflow': known are tensorboard, trackio, wandb"):
        destination(["mlflow"])


def test_a_package_that_is_missing_is_one_line_with_the_way_out(monkeypatch):
    monkeypatch.setattr(services, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"wandb is not installed: pip install 'domlora\[wandb\]'"):
        destination(["wandb"])


def test_names_cost_no_import():
    code = (
        "import sys, domlora.jobs.spec, domlora.cli.runs; from domlora.tracking.services import installed, SERVICES\n"
        "[installed(name) for name in SERVICES]\n"
        "assert not {'wandb', 'tensorboard', 'trackio', 'torch', 'pandas'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0 and installed("tensorboard")


def test_requests_that_send_nothing_are_written_as_before():
    """A worker of an earlier version takes them."""
    plain = SweepRequest(model="m", task="t")
    for written in (plain.model_dump(), plain.model_dump(mode="json")):
        assert not {"log_to", "log_project"} & written.keys()
    asked = SweepRequest(model="m", task="t", log_to=("wandb",), log_project="mine")
    assert asked.model_dump(mode="json")["log_to"] == ["wandb"]
    assert SweepRequest.model_validate(asked.model_dump(mode="json")) == asked
