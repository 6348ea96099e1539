"""What the tests of whole sweeps share: a model and a task with homes of their own, and when two runs ended alike."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from safetensors.torch import load_file

from domlora import progress
from domlora.comparison.config import SweepConfig
from domlora.energy.energy_map import EnergyMap
from domlora.energy.measure import probe
from domlora.models.loading import load_model
from domlora.paths import home
from domlora.store.store import Store
from domlora.tracking.services import NOWHERE
from domlora.training import checkpoints, sweep, train
from domlora.training.asked import ask, plan
from tests.helpers.sweeping import placement

CLOSE = 1e-5
SETTINGS = {
    "rank": 4, "alpha": 8, "learning_rates": (1e-2,), "seeds": 1, "steps": 6, "batch_size": 4, "warmup": 0.2,
    "evaluate_every": 3, "checkpoint_every": 2, "validation_rows": 5, "test_rows": 6, "forgetting_rows": 0,
    "answers": 0,
}  # fmt: skip


class Killed(BaseException):
    """What ends a process at once, for all that the code can do about it."""


class Watch:
    """A progress callback that notes what it hears, and does something at the n-th report of a stage."""

    def __init__(self, at=None, then=None, stage="training"):
        self.heard, self.at, self.then, self.stage = [], at, then, stage

    def __call__(self, stage, done, total):
        self.heard.append((stage, done, total))
        if self.then and stage == self.stage and sum(s == stage for s, _, _ in self.heard) == self.at:
            self.then()


def kill():
    raise Killed


class Place:
    """A model, a task, and a home of its own for each run that is not to know of another."""

    def __init__(self, folder, task, tmp_path, monkeypatch):
        self.model = load_model(folder, dtype="float32", device="cpu")
        self.task = task
        self.energy: EnergyMap = probe(self.model, task, samples=2)
        self._tmp, self._patch, self._homes = tmp_path, monkeypatch, 0
        self.all = placement(self.model.model, "all")
        self.top = placement(self.model.model, "top", [1], ["down"])
        self.low = placement(self.model.model, "low", [0], ["q", "v"])

    def new_home(self):
        self._homes += 1
        self._patch.setenv("DOMLORA_HOME", str(self._tmp / f"home{self._homes}"))

    def run(self, placements, progress=progress.silent, fresh=True, send_to=NOWHERE, **settings):
        """Trains; returns the run and its curves."""
        if fresh:
            self.new_home()
        config = SweepConfig(**SETTINGS | settings, placements=[p.name for p in placements])
        store = Store()
        try:
            made = plan(ask(self.task, config, placements), self.model.local.revision, self.energy)
            run = train.train(self.model, made, store, progress=progress, send_to=send_to)
            return run, store.runs.metrics(run.id), store.runs.evaluations(run.id)
        finally:
            store.close()

    def stored(self):
        """The one run of the present home, finished or not."""
        store = Store()
        (run,) = store.runs.list()
        found = run, store.runs.metrics(run.id), store.runs.evaluations(run.id)
        store.close()
        return found

    def wild(self, name="wild"):
        """A placement that cannot but diverge."""
        return self.top.model_copy(update={"name": name, "alpha": 1e30})


def weights(variant):
    return load_file(Path(variant.adapter) / "adapter_model.safetensors")


def apart(found, wanted):
    assert found.keys() == wanted.keys()
    return max(float((found[k] - wanted[k]).norm() / wanted[k].norm()) for k in wanted)


def curve(metrics, variant, name="train_loss"):
    rows = metrics[(metrics["variant"] == variant) & (metrics["name"] == name)]
    return rows.set_index("step")["value"].to_dict()


def assert_same_end(found, wanted, close=CLOSE, names=None):
    """The same curves, results, rows and weights for these variants (None: all)."""
    (run, metrics, evaluations), (other, other_metrics, other_evaluations) = found, wanted
    if names is None:
        names = [v.name for v in other.variants]
        assert [v.name for v in run.variants] == names
    for frame in (metrics, other_metrics):
        assert not frame.duplicated(["variant", "step", "name"]).any()
    pick = [frame[frame["variant"].isin(names)].reset_index(drop=True) for frame in (metrics, other_metrics)]
    pd.testing.assert_frame_equal(*pick, rtol=close, atol=close)
    by_name, others = {v.name: v for v in run.variants}, {v.name: v for v in other.variants}
    for name in names:
        one, two = by_name[name], others[name]
        assert (one.status, one.note) == (two.status, two.note)
        assert dict(one.results) == pytest.approx(dict(two.results), rel=close, abs=close)
        if two.adapter:
            assert apart(weights(one), weights(two)) < close
    rows = [
        {(e.variant, e.part): e.losses for e in e_s if e.variant in names} for e_s in (evaluations, other_evaluations)
    ]
    assert rows[0].keys() == rows[1].keys()
    for key, losses in rows[1].items():
        assert rows[0][key] == pytest.approx(losses, rel=close)


def cancel(place, name):
    store = Store()
    (run,) = store.runs.list()
    store.runs.cancel_variant(run.id, name)
    store.close()


def checkpoint_of(place):
    (file,) = home().glob(f"runs/*/{checkpoints.FILE}")
    return file


def small_waves(place, monkeypatch):
    """From here on there is room for two single-module variants at a time, and always for one."""
    room = 2 * 4 * 4 * place.low.trainable_parameters
    monkeypatch.setattr(sweep, "free_memory", lambda device: room)
    monkeypatch.setattr(sweep, "OPTIMIZER_FRACTION", 1.0)
