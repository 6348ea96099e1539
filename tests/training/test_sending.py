"""A sweep and the services it is sent to: what they see is what the store has, and nothing that they do changes it."""

from __future__ import annotations

import math

import pytest

from domlora.comparison.analysis import compare_run
from domlora.paths import home
from domlora.store.store import Store
from domlora.tracking import finished, sender
from domlora.tracking.services import Destination
from domlora.tracking.tensorboard import folder_name
from domlora.tracking.tracker import curve as shown
from tests.helpers.sweep_place import Killed, Watch, assert_same_end, kill, small_waves
from tests.helpers.tracked import Recorder, scalars, text

TENSORBOARD = Destination(("tensorboard",))
SLOW = pytest.mark.slow
WANDB = Destination(("wandb",))


@pytest.fixture
def recorder(monkeypatch):
    """Stands for any service."""
    made = Recorder()
    for module in (sender, finished):
        monkeypatch.setattr(module, "open_tracker", lambda service, run, project: made())
    return made


def assert_all_there(run, metrics):
    """TensorBoard has each point of the store once."""
    folder = home() / "tensorboard" / run.id
    for (variant, name), points in metrics.groupby(["variant", "name"]):
        found = scalars(folder / folder_name(variant), shown(name))
        assert [step for step, _ in found] == list(points["step"])
        for (_, value), wanted in zip(found, points["value"], strict=True):
            if math.isnan(wanted):  # what is not finite the store keeps as not a number
                assert not math.isfinite(value)
            else:
                assert value == pytest.approx(wanted, rel=1e-6)


def test_a_service_sees_what_the_store_has(place):
    watch = Watch()
    run, metrics, evaluations = place.run(
        [place.all, place.top, place.wild()], seeds=2, answers=2, answer_tokens=2, send_to=TENSORBOARD, progress=watch
    )
    assert_all_there(run, metrics)
    folder = home() / "tensorboard" / run.id
    assert len(list(folder.iterdir())) == 7
    for variant in run.variants:
        one = folder / folder_name(variant.name)
        assert text(one, "status").startswith(variant.status)
        for name, value in variant.results.items():
            assert [found for _, found in scalars(one, f"results/{name}")] == [pytest.approx(value)]
    lost = [variant for variant in run.variants if variant.status == "diverged"]
    assert len(lost) == 2
    assert any(
        not math.isfinite(value)
        for name in ("train/loss", "train/grad_norm")
        for _, value in scalars(folder / folder_name(lost[0].name), name)
    )
    words = compare_run(run, evaluations).conclusion
    assert text(folder / "comparison", "conclusion").replace("\\", "") == words
    assert run.facts["sent_to"] == {"tensorboard": f"tensorboard --logdir {folder}"}
    assert watch.heard[-1][0] == "sending the rest"


def test_sending_changes_no_number(place):
    silent = place.run([place.all, place.top])
    sent = place.run([place.all, place.top], send_to=TENSORBOARD)
    assert_same_end(sent, silent, close=1e-12)
    assert sent[0].key == silent[0].key and "sent_to" not in silent[0].facts


@pytest.mark.parametrize("at", [pytest.param(1, marks=SLOW), 4, pytest.param(7, marks=SLOW)])
def test_a_killed_sweep_goes_on_in_the_same_curves(place, at):
    """Before the first checkpoint, between two, after the last step."""
    place.new_home()
    with pytest.raises(Killed):
        place.run([place.all, place.top], progress=Watch(at, kill), fresh=False, send_to=TENSORBOARD)
    run, metrics, _ = place.run([place.all, place.top], fresh=False, send_to=TENSORBOARD)
    assert run.status == "done" and not any("sent" in warning for warning in run.warnings)
    assert_all_there(run, metrics)


def test_a_sweep_that_was_begun_without_a_service_is_sent_from_its_start(place):
    place.new_home()
    with pytest.raises(Killed):
        place.run([place.all], progress=Watch(5, kill), fresh=False)
    run, metrics, _ = place.run([place.all], fresh=False, send_to=TENSORBOARD)
    assert_all_there(run, metrics)


def test_waves_end_one_after_the_other(place, monkeypatch, recorder):
    small_waves(place, monkeypatch)
    run, _, _ = place.run([place.low, place.top, place.all], seeds=2, send_to=WANDB)
    ends = [call[1] for call in recorder.calls if call[0] == "end"]
    starts = [call[1] for call in recorder.calls if call[0] == "start"]
    assert sorted(ends) == sorted(starts) == sorted(variant.name for variant in run.variants)
    sorts = [call[0] for call in recorder.calls]
    assert sorts.index("end") < len(sorts) - 1 - sorts[::-1].index("start"), (
        "the first wave ends before the last begins"
    )
    assert sorts[-2:] == ["conclude", "close"]


def test_the_last_points_of_a_variant_that_diverged_come_before_its_end(place, recorder):
    run, metrics, _ = place.run([place.top, place.wild()], send_to=WANDB)
    (lost,) = (variant.name for variant in run.variants if variant.status == "diverged")
    end = recorder.calls.index(("end", lost, "diverged"))
    told = [p for call in recorder.calls[:end] if call[0] == "points" for p in call[1] if p.variant == lost]
    assert len(told) == (metrics["variant"] == lost).sum() > 0


@pytest.mark.parametrize(
    "where", [pytest.param(name, marks=SLOW) for name in ("open", "points", "end", "conclude")] + ["start", "close"]
)
def test_a_service_that_fails_leaves_a_warning_and_the_same_run(place, recorder, where):
    whole = place.run([place.top, place.low])
    recorder.fails_at = where
    found = place.run([place.top, place.low], send_to=WANDB)
    assert_same_end(found, whole, close=1e-12)
    run = found[0]
    (said,) = (warning for warning in run.warnings if "wandb" in warning)
    assert said == (
        f"The curves could not be sent to wandb (RuntimeError: no key\\x1b[31m); nothing measured is lost, and "
        f"`domlora runs send {run.id} --to wandb` sends them."
    )
    assert "sent_to" not in run.facts


def test_a_run_that_is_complete_is_sent_when_it_is_asked_for_again(place, recorder):
    place.new_home()
    place.run([place.top], fresh=False)
    run, metrics, _ = place.run([place.top], fresh=False, send_to=WANDB)
    assert run.facts["sent_to"] == {"wandb": "seen here"}
    (start,) = (call for call in recorder.calls if call[0] == "start")
    assert len(start[2]) == len(metrics)
    assert [call[0] for call in recorder.calls] == ["start", "end", "conclude", "close"]
    recorder.fails_at = "start"
    run, _, _ = place.run([place.top], fresh=False, send_to=WANDB)
    assert run.status == "done" and any("wandb" in warning for warning in run.warnings)


def test_an_interrupted_sweep_says_so_to_the_service(place, recorder):
    place.new_home()
    with pytest.raises(Killed):
        place.run([place.top], progress=Watch(4, kill), fresh=False, send_to=WANDB)
    assert recorder.calls[-1] == ("close", True)
    assert "conclude" not in [call[0] for call in recorder.calls]
    store = Store()
    assert store.runs.list()[0].status == "running"
    store.close()
