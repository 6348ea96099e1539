"""A service can neither hold up nor end what it is told of."""

from __future__ import annotations

import threading
import time

import pytest

from domlora.comparison.run import Metric
from domlora.tracking import sender as sending
from domlora.tracking.sender import Sender
from domlora.tracking.services import Destination
from tests.helpers.runs import A, a_run
from tests.helpers.tracked import Recorder

BOTH = Destination(("tensorboard", "wandb"))
POINT = Metric(A, 1, "train_loss", 2.0)


@pytest.fixture
def opened(monkeypatch):
    """What stands for each service; tests change them before they send."""
    services = {"tensorboard": Recorder(), "wandb": Recorder()}

    def open_tracker(service, run, project):
        return services[service]()

    monkeypatch.setattr(sending, "open_tracker", open_tracker)
    return services


def test_calls_come_in_order_from_one_thread_that_is_not_this_one(opened):
    run = a_run()
    sender = Sender(run, BOTH)
    sender.start(run.variants[0], ())
    sender.points([POINT])
    sender.end(run.variants[0])
    assert sender.close(failed=False) == {"tensorboard": "seen here", "wandb": "seen here"}
    for recorder in opened.values():
        assert recorder.calls == [
            ("start", A, []), ("points", [POINT]), ("end", A, "queued"), ("close", False),
        ]  # fmt: skip
        assert len(recorder.threads) == 1 and threading.get_ident() not in recorder.threads
    assert sender.failures() == []


@pytest.mark.parametrize("where", ["open", "start", "points", "close"])
def test_a_service_that_fails_is_left_aside_with_one_sentence(opened, where):
    opened["wandb"].fails_at, run = where, a_run()
    sender = Sender(run, BOTH)
    sender.start(run.variants[0], ())
    for _ in range(3):
        sender.points([POINT])
    assert sender.close(failed=False) == {"tensorboard": "seen here"}
    assert sender.failures() == [
        f"The curves could not be sent to wandb (RuntimeError: no key\\x1b[31m); nothing measured is lost, and "
        f"`domlora runs send {run.id} --to wandb` sends them."
    ]
    assert sender.failures() == [], "once is enough"
    assert len(opened["tensorboard"].calls) == 5


def test_a_service_that_hangs_holds_nobody_up(opened, monkeypatch):
    monkeypatch.setattr(sending, "PATIENCE", 0.3)
    opened["wandb"].hangs = threading.Event()
    run, began = a_run(), time.monotonic()
    sender = Sender(run, BOTH)
    sender.start(run.variants[0], ())
    assert sender.close(failed=False) == {"tensorboard": "seen here"}
    assert time.monotonic() - began < 5
    (said,) = sender.failures()
    assert "it had not taken everything 0 seconds after the end" in said
    opened["wandb"].hangs.set()


def test_what_waits_for_a_service_that_hangs_does_not_grow_for_ever(opened, monkeypatch):
    monkeypatch.setattr(sending, "MOST_WAITING", 5)
    opened["wandb"].hangs = threading.Event()
    sender = Sender(a_run(), Destination(("wandb",)))
    for _ in range(10):
        sender.points([POINT])
    (said,) = sender.failures()
    assert "it took nothing any more" in said
    opened["wandb"].hangs.set()
    assert sender.close(failed=False) == {}
