"""A sweep that was killed, or met a full disk, goes on to the same end as one that was left alone."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError

from domlora.errors import ProbeError, SweepError
from domlora.models.loading import load_model
from domlora.paths import home
from domlora.store.store import Store
from domlora.training import checkpoints, lock
from domlora.training.adapters import Adapters
from domlora.training.lock import LOCK
from tests.helpers.sweep_place import Killed, Place, Watch, assert_same_end, checkpoint_of, curve, kill, small_waves
from tests.helpers.waiting import PATIENCE, eventually

SLOW = pytest.mark.slow


@pytest.mark.parametrize("at", [1, pytest.param(2, marks=SLOW), 4, pytest.param(5, marks=SLOW), 7])
def test_a_killed_sweep_goes_on_to_the_same_end(place, at):
    """Before the first step, before and after the first checkpoint, at one, after the last step."""
    methods = ("lora", "dora", "pissa", "eva")
    settings = {"methods": methods, "weight_decay": 0.01}
    whole = place.run([place.all, place.top], **settings)
    place.new_home()
    with pytest.raises(Killed):
        place.run([place.all, place.top], progress=Watch(at, kill), fresh=False, **settings)
    assert place.stored()[0].status == "running"
    assert all(not hasattr(m, "lora_A") for m in place.model.model.modules())
    watch = Watch()
    again = place.run([place.all, place.top], progress=watch, fresh=False, **settings)
    assert again[0].status == "done"
    assert_same_end(again, whole, close=1e-6)
    trained = sum(stage == "training" for stage, _, _ in watch.heard) - 1
    assert trained == 6 - 2 * max(0, (at - 2) // 2), "what was checkpointed is not trained again"


def test_killed_while_adapters_are_written(place, monkeypatch):
    """Those that are done stay done, the others end as they would have."""
    whole = place.run([place.all, place.top, place.low])
    save, saved = Adapters.save, []

    def second_kills(self, adapter, folder):
        if len(saved) == 1:
            raise Killed
        saved.append(folder)
        save(self, adapter, folder)

    place.new_home()
    with monkeypatch.context() as patch:
        patch.setattr(Adapters, "save", second_kills)
        with pytest.raises(Killed):
            place.run([place.all, place.top, place.low], fresh=False)
    assert [v.status for v in place.stored()[0].variants] == ["done", "training", "training"]
    again = place.run([place.all, place.top, place.low], fresh=False)
    assert_same_end(again, whole, close=1e-6)


def test_waves_end_where_one_wave_ends(place, monkeypatch):
    placements = [place.low, place.top, place.all]
    whole = place.run(placements, seeds=2)
    small_waves(place, monkeypatch)
    watch = Watch()
    waves = place.run(placements, seeds=2, progress=watch)
    assert sum(stage == "training" for stage, _, _ in watch.heard) > 3 * 6, "there were several waves"
    assert_same_end(waves, whole)


def test_killed_in_the_second_wave(place, monkeypatch):
    small_waves(place, monkeypatch)
    placements, settings = [place.low, place.top, place.all], {"seeds": 2}
    first = Watch()
    whole = place.run(placements, progress=first, **settings)
    place.new_home()
    killed = Watch(7 + 5, kill)
    with pytest.raises(Killed):
        place.run(placements, progress=killed, fresh=False, **settings)
    statuses = [v.status for v in place.stored()[0].variants]
    assert statuses[:2] == ["done", "done"] and "training" in statuses and "queued" in statuses
    watch = Watch()
    again = place.run(placements, progress=watch, fresh=False, **settings)
    assert_same_end(again, whole, close=1e-6)
    assert max(done for stage, done, _ in watch.heard if stage == "training") > killed.heard[-1][1]
    start = next(done for stage, done, _ in watch.heard if stage == "training")
    assert start >= first.heard[0][1] + first.heard[-1][2] // 6, "what earlier waves did counts as done"


def test_a_variant_that_ended_before_the_checkpoint_stays_ended(place):
    placements = [place.wild(), place.all]
    whole = place.run(placements)
    place.new_home()
    with pytest.raises(Killed):
        place.run(placements, progress=Watch(6, kill), fresh=False)
    assert_same_end(place.run(placements, fresh=False), whole, close=1e-6)


@pytest.mark.parametrize("damage", ["empty", "text", "half", "flipped"])
def test_a_damaged_checkpoint_is_left_aside(place, damage):
    whole = place.run([place.all])
    place.new_home()
    with pytest.raises(Killed):
        place.run([place.all], progress=Watch(5, kill), fresh=False)
    file = checkpoint_of(place)
    content = file.read_bytes()
    flipped = bytearray(content)
    flipped[len(content) // 2] ^= 0xFF
    file.write_bytes(
        {"empty": b"", "text": b"no archive", "half": content[: len(content) // 2]}.get(damage, bytes(flipped))
    )
    again = place.run([place.all], fresh=False)
    assert_same_end(again, whole, close=1e-6)


def test_a_checkpoint_of_another_run_is_never_used(place):
    with pytest.raises(Killed):
        place.run([place.all], progress=Watch(5, kill))
    file = checkpoint_of(place)
    state = torch.load(file, weights_only=True)
    assert checkpoints.read(file, state["key"])["step"] == 2
    assert checkpoints.read(file, "another") is None
    torch.save(state | {"key": "another", "step": 6}, file)
    again = place.run([place.all], fresh=False)
    assert_same_end(again, place.run([place.all]), close=1e-6)


def test_a_run_that_was_removed_begins_anew(place):
    """Though the same request has the same key, and its checkpoint still lies there."""
    with pytest.raises(Killed):
        place.run([place.wild(), place.all], progress=Watch(5, kill))
    checkpoint_of(place)
    store = Store()
    store.runs.remove(store.runs.list()[0].id)
    store.close()
    again = place.run([place.wild(), place.all], fresh=False)
    assert_same_end(again, place.run([place.wild(), place.all]), close=1e-6)


def test_no_checkpoint_is_left_at_the_end(place):
    run, _, _ = place.run([place.all, place.top])
    folder = home() / "runs" / run.id
    assert {path.name for path in folder.iterdir()} == {"adapters", "states", "rows.jsonl", "conversations.jsonl", LOCK}


def test_two_runs_share_no_folder(place):
    one, _, _ = place.run([place.all])
    two, _, _ = place.run([place.all], fresh=False, data_seed=1)
    assert one.id != two.id
    assert Path(one.variants[0].adapter).is_dir() and Path(two.variants[0].adapter).is_dir()
    assert one.variants[0].adapter != two.variants[0].adapter


def test_the_same_comparison_twice_at_a_time_is_trained_once(place, monkeypatch):
    """The second waits, and is then answered from the store."""
    monkeypatch.setattr(lock, "WAIT_SECONDS", 0.02)
    place.new_home()
    heard, results = [], []
    other = Place.__new__(Place)
    other.__dict__.update(place.__dict__, model=load_model(place.model.local.folder, dtype="float32", device="cpu"))

    def second():
        results.append(other.run([place.all], progress=lambda *report: heard.append(report), fresh=False)[0])

    thread = threading.Thread(target=second)

    def begin():
        thread.start()
        eventually(lambda: heard)

    first, metrics, _ = place.run([place.all], progress=Watch(3, begin), fresh=False)
    thread.join(PATIENCE)
    assert results == [first]
    assert {stage for stage, _, _ in heard} == {"waiting for the same comparison in another process"}
    assert list(curve(metrics, "all lr=0.01 seed=0")) == [1, 2, 3, 4, 5, 6]


def test_a_folder_that_cannot_be_made_is_said_in_one_line(place):
    place.new_home()
    home().mkdir(parents=True, exist_ok=True)
    (home() / "runs").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(SweepError, match=r"nothing can be written to .*DOMLORA_HOME"):
        place.run([place.all], fresh=False)


# Full disks, short memory


def test_a_full_disk_at_a_checkpoint_is_a_warning(place, monkeypatch):
    whole = place.run([place.all])

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    found = place.run([place.all])
    assert any("checkpoint of step 2 could not be written (No space left" in w for w in found[0].warnings)
    assert any("last state of all lr=0.01 seed=0 could not be kept (No space left" in w for w in found[0].warnings)
    assert_same_end(found, whole)
    folder = home() / "runs" / found[0].id
    assert {path.name for path in folder.iterdir()} == {"adapters", "states", "rows.jsonl", "conversations.jsonl", LOCK}
    assert not any((folder / "states").iterdir())


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        SafetensorError("I/O error: No space left on device (os error 28)"),
    ],
    ids=["system", "safetensors"],
)
def test_a_full_disk_at_an_adapter_keeps_what_is_done(place, monkeypatch, error):
    whole = place.run([place.all, place.top])
    place.new_home()

    def full(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr("domlora.training.adapters.save_file", full)
        with pytest.raises(
            SweepError, match=r"adapter of all lr=0.01 seed=0 .*No space left.*free some space"
        ) as caught:
            place.run([place.all, place.top], fresh=False)
    assert "\n" not in str(caught.value)
    _, metrics, _ = place.stored()
    assert list(curve(metrics, "all lr=0.01 seed=0")) == [1, 2, 3, 4, 5, 6]
    watch = Watch()
    again = place.run([place.all, place.top], progress=watch, fresh=False)
    assert sum(stage == "training" for stage, _, _ in watch.heard) == 1, "no step is trained again"
    assert_same_end(again, whole, close=1e-6)


def test_no_memory_is_one_line_and_leaves_the_model_alone(place, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    names = set(place.model.model.state_dict())
    with monkeypatch.context() as patch:
        patch.setattr("domlora.training.lockstep._row_results", full)
        with pytest.raises(ProbeError, match="no memory"):
            place.run([place.all])
    assert set(place.model.model.state_dict()) == names
