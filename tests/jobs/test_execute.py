"""Comparisons as jobs: probed first, trained, answered from the store, and finished in spite of `kill -9`."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest
from safetensors.torch import load_file

from domlora import progress
from domlora.comparison.config import SweepConfig
from domlora.data.tasks import Task, load_task
from domlora.energy import measure as measuring_maps
from domlora.errors import DomLoRAError, TaskError, UsageError
from domlora.jobs.execute import run_probe, run_sweep
from domlora.jobs.queue import Queue
from domlora.jobs.spec import HeldOut, ProbeRequest, SweepRequest
from domlora.paths import home
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from domlora.training.rows import choose_rows, training_task
from domlora.training.sweep import Sweep
from tests.helpers.sweeping import write_task
from tests.helpers.waiting import eventually

ROOT = Path(__file__).parents[2]
SWEEP = {
    "placements": ["dominant", "all-linear"], "rank": 4, "learning_rates": [1e-2], "seeds": 1, "steps": 4,
    "validation_rows": 5, "test_rows": 6, "checkpoint_every": 2, "forgetting_rows": 0, "answers": 0,
}  # fmt: skip

# A job as any other, but its first attempt goes no further than the tenth step, and waits there to be killed.
CHILD = """
import itertools, signal, sys
from domlora.jobs import child
from domlora.paths import home
from domlora.training.lockstep import Lockstep

backward, count = Lockstep.backward, itertools.count(1)

def held(*arguments):
    if next(count) > 10 and not (home() / "held").exists():
        (home() / "held").touch()
        while True:
            signal.pause()
    return backward(*arguments)

Lockstep.backward = held
child.BEAT_SECONDS = 0.2
sys.exit(child.main())
"""

WORKER = """
import sys
from domlora.jobs.worker import Worker, serve
from domlora.store.store import Store
worker = Worker(Store(), ["cpu"], child_command=[sys.executable, sys.argv[1]], stale=2.0, poll=0.05, grace=0.5)
sys.exit(serve(worker, idle_exit=1800))
"""


@pytest.fixture
def store(home):
    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def request_for(tiny_folder, tmp_path):
    path = write_task(tmp_path / "rows.jsonl")

    def make(**settings) -> SweepRequest:
        return SweepRequest(
            model=str(tiny_folder), task=str(path), probe=ProbeConfig(samples=2),
            sweep=SweepConfig(**SWEEP | settings), device="cpu",
        )  # fmt: skip

    return make


def curves(store, run_id):
    frame = store.runs.metrics(run_id)
    assert not frame.duplicated(["variant", "step", "name"]).any()
    return frame


def test_a_comparison_probes_stores_the_map_trains_and_returns_the_run(store, request_for):
    heard = []
    run_id = run_sweep(request_for(), store, lambda *report: heard.append(report), None)
    run = store.runs.get(run_id)
    (kept,) = store.maps.list()
    assert run.status == "done" and [v.status for v in run.variants] == ["done", "done"]
    assert run.facts["energy_map"] == kept.id
    assert run.placements[0].modules[0].module == store.maps.get(kept.id).dominant["module"]
    assert all(Path(v.adapter).is_dir() for v in run.variants)
    stages = list(dict.fromkeys(stage for stage, _, _ in heard))
    assert stages == [
        "reading the task", "fetching the model", "loading the model", "probing", "evaluating the base model",
        "training", "evaluating", "finished",
    ]  # fmt: skip
    assert heard[-1][1] == heard[-1][2]


def test_a_second_call_is_answered_from_the_store(store, request_for, monkeypatch):
    first = run_sweep(request_for(), store, progress.silent)
    with monkeypatch.context() as patch:
        patch.setattr("domlora.models.loading.load_local", lambda *_, **__: pytest.fail("the model was loaded"))
        assert run_sweep(request_for(), store, progress.silent) == first
    with monkeypatch.context() as patch:
        patch.setattr(measuring_maps, "probe", lambda *_, **__: pytest.fail("it was probed again"))
        other = run_sweep(request_for(placements=["qv"]), store, progress.silent)
    assert other != first and len(store.maps.list()) == 1


def test_no_map_of_a_comparison_reads_a_row_that_is_held_out(store, request_for, monkeypatch):
    """Neither the one that placements are chosen by, nor those that are measured while adapters train."""
    drawn, honest = [], Task.draw
    monkeypatch.setattr(Task, "draw", lambda self, *how: drawn.append(honest(self, *how)) or drawn[-1])
    request = request_for(validation_rows=12, test_rows=12, energy_every=2, energy_samples=36)
    request = request.model_copy(update={"probe": ProbeConfig(samples=36)})
    run = store.runs.get(run_sweep(request, store, progress.silent))
    task = load_task(request.task)
    chosen = choose_rows(task, request.sweep)
    read = [{sample.row for sample in rows} for rows in drawn]
    assert len(read) >= 2 and all(len(rows) == 36 for rows in read)
    held_out = {sample.row for name in ("validation", "test") for sample in chosen.splits[name]}
    assert len(held_out) == 24 and not held_out & set.union(*read)
    maps = [store.maps.get(run.facts["energy_map"]), *map(store.maps.get, (m.id for m in store.maps.list(run=run.id)))]
    assert {energy.provenance.task_hash for energy in maps} == {training_task(task, chosen).content_hash}
    assert run.task_hash == task.content_hash
    assert maps[0].provenance.remarks[-1].words.startswith("24 rows held out by a comparison, and not read here")


def test_where_nothing_is_held_out_of_the_training_rows_the_map_is_that_of_a_probe(store, request_for, tmp_path):
    path = write_task(tmp_path / "split.jsonl", splits=("train", "validation", "test"))
    request = request_for().model_copy(update={"task": str(path)})
    probed = ProbeRequest(model=request.model, task=str(path), config=request.probe, device="cpu")
    known = run_probe(probed, store, progress.silent)
    run = store.runs.get(run_sweep(request, store, progress.silent))
    assert run.facts["energy_map"] == known and len(store.maps.list()) == 1


def test_a_probe_leaves_alone_what_a_comparison_holds_out(store, request_for):
    request = request_for(validation_rows=9, data_seed=3)
    probed = ProbeRequest(
        model=request.model, task=request.task, config=request.probe, device="cpu", without=HeldOut.by(request.sweep)
    )
    assert ProbeRequest.model_validate_json(probed.model_dump_json()) == probed
    known = run_probe(probed, store, progress.silent)
    run = store.runs.get(run_sweep(request, store, progress.silent))
    assert run.facts["energy_map"] == known and HeldOut.of(run) == probed.without
    plain = probed.model_copy(update={"without": None})
    assert "without" not in plain.model_dump() and run_probe(plain, store, progress.silent) != known


def test_refresh_trains_again(store, request_for, monkeypatch):
    first = store.runs.get(run_sweep(request_for(), store, progress.silent))
    trained = []
    honest = Sweep.run
    monkeypatch.setattr(Sweep, "run", lambda self: trained.append(1) or honest(self))
    again = run_sweep(request_for().model_copy(update={"refresh": True}), store, progress.silent)
    assert again == first.id and trained
    results = dict(store.runs.get(again).variants[0].results)
    assert results == pytest.approx(dict(first.variants[0].results), rel=1e-6)


def test_what_is_wrong_is_said_before_the_model_is_loaded(store, request_for, tmp_path, monkeypatch):
    monkeypatch.setattr("domlora.models.loading.load_local", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(UsageError, match="nonsense"):
        run_sweep(request_for(placements=["nonsense"]), store, progress.silent)
    with pytest.raises(TaskError, match="fewer than one step reads"):
        run_sweep(request_for(batch_size=80), store, progress.silent)
    too_many = request_for().model_copy(update={"probe": ProbeConfig(samples=60)})
    with pytest.raises(TaskError, match=r"60 samples, but rows has \d+ training rows that are not held out: ask"):
        run_sweep(too_many, store, progress.silent)
    held_out = request_for().model_copy(update={"probe": ProbeConfig(samples=2, split="valid")})
    with pytest.raises(UsageError, match="chosen by training rows, and the split 'valid' is held out"):
        run_sweep(held_out, store, progress.silent)
    with pytest.raises(DomLoRAError, match=r"no-such\.jsonl"):
        run_sweep(request_for().model_copy(update={"task": str(tmp_path / "no-such.jsonl")}), store, progress.silent)
    assert store.runs.list() == [] and store.maps.list() == []


def test_a_job_goes_on_with_the_run_of_a_job_that_failed(store, request_for, monkeypatch):
    def die(stage, done, total):
        if stage == "evaluating":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(request_for(evaluate_every=3), store, die, "first")
    (run,) = store.runs.list()
    assert (run.status, run.job) == ("running", "first")
    again = run_sweep(request_for(evaluate_every=3), store, progress.silent, "second")
    assert again == run.id and store.runs.get(again).job == "second"
    assert len(curves(store, again)) == 2 * (4 * 3 + 3 * 2)


@pytest.fixture
def start_worker(tmp_path):
    """Starts worker processes; what is left of them and of their jobs at the end is killed."""
    (tmp_path / "child.py").write_text(CHILD, encoding="utf-8")
    (tmp_path / "worker.py").write_text(WORKER, encoding="utf-8")
    started = []

    def start() -> subprocess.Popen:
        command = [sys.executable, str(tmp_path / "worker.py"), str(tmp_path / "child.py")]
        with open(tmp_path / f"worker{len(started)}.log", "wb") as log:
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            started.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        return started[-1]

    yield start
    for worker in started:
        with suppress(psutil.NoSuchProcess):
            for process in psutil.Process(worker.pid).children():
                process.kill()
        worker.kill()
        worker.wait()


@pytest.mark.slow
def test_after_kill_9_of_the_worker_another_one_ends_with_the_same_numbers(
    store, request_for, start_worker, monkeypatch
):
    request = request_for(steps=24, checkpoint_every=4, evaluate_every=6)
    job = Queue(store).submit(request)
    worker = start_worker()
    eventually((home() / "held").exists)
    (checkpoint,) = home().glob("runs/*/checkpoint.pt")
    child = psutil.Process(worker.pid).children()[0]
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)
    assert checkpoint.exists(), "it was killed in the middle"
    (cut,) = store.runs.list()
    assert cut.status == "running" and {v.status for v in cut.variants} == {"training"}
    reached = curves(store, cut.id)["step"].max()
    assert 4 <= reached < 24

    start_worker()
    ended = eventually(lambda: (now := Queue(store).get(job.id)).ended and now)
    assert (ended.status, ended.result, ended.attempts) == ("done", cut.id, 2), ended.error
    run, metrics = store.runs.get(cut.id), curves(store, cut.id)
    weights = {v.name: load_file(Path(v.adapter) / "adapter_model.safetensors") for v in run.variants}

    monkeypatch.setenv("DOMLORA_HOME", str(home().parent / "undisturbed"))
    other = Store()
    whole = other.runs.get(run_sweep(request, other, progress.silent))
    pd.testing.assert_frame_equal(metrics, curves(other, whole.id), rtol=1e-6, atol=1e-6)
    for one, two in zip(run.variants, whole.variants, strict=True):
        assert dict(one.results) == pytest.approx(dict(two.results), rel=1e-6)
        for name, tensor in load_file(Path(two.adapter) / "adapter_model.safetensors").items():
            assert float((weights[one.name][name] - tensor).norm() / tensor.norm()) < 1e-6
    other.close()
