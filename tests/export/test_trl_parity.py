"""The exported TRL script trains the very same thing: same losses step by step, same adapter at the end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from domlora.cli.runs import comparison_of
from domlora.energy.measure import probe
from domlora.export import bundle
from domlora.models.loading import load_model
from domlora.placements.methods import METHODS
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from domlora.training.compare import compare
from tests.helpers.sweeping import write_task

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "methods": list(METHODS), "rank": 4, "learning_rates": [5e-3], "seeds": 1, "steps": 6, "batch_size": 3,
    "accumulation": 2, "schedule": "cosine", "warmup": 0.34, "weight_decay": 0.01, "max_grad_norm": 0.3,
    "validation_rows": 4, "test_rows": 4, "forgetting_rows": 0, "answers": 0,
}  # fmt: skip
CLOSE = 1e-4
RUN_ALL = "import runpy, sys\nfor path in sys.argv[1:]:\n    runpy.run_path(path, run_name='__main__')"


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [{"loss_mean": "sample"}, {"loss_mean": "tokens", "allocation": "energy", "schedule": "linear"}],
    ids=["mean of samples", "mean of tokens with ranks that differ"],
)
def test_the_exported_script_trains_the_very_same_adapter(tmp_path, settings):
    from domlora.data.tasks import load_task

    model, task = (
        load_model("ref-llama", dtype="float32", device="cpu"),
        load_task(str(write_task(tmp_path / "r.jsonl"))),
    )
    store = Store()
    run = compare(
        model, task, ["attention"], energy=probe(model, task, ProbeConfig(samples=4)), store=store,
        **SETTINGS | settings,
    ).run  # fmt: skip
    comparison, folders = comparison_of(store, run, None), {}
    for variant in run.variants:
        folders[variant.name] = tmp_path / variant.method
        bundle.write(bundle.files(run, comparison, variant), folders[variant.name])
    command = [sys.executable, "-c", RUN_ALL, *(str(folder / "train_with_trl.py") for folder in folders.values())]
    alone = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=alone, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = store.runs.metrics(run.id).set_index(["variant", "name", "step"])["value"].sort_index()
    for variant in run.variants:
        out = folders[variant.name] / "out"
        logged = [
            entry
            for entry in json.loads((out / "trainer_state.json").read_text(encoding="utf-8"))["log_history"]
            if "loss" in entry
        ]
        for ours, theirs in (("train_loss", "loss"), ("grad_norm", "grad_norm"), ("learning_rate", "learning_rate")):
            wanted = metrics[variant.name, ours].loc[1:].tolist()
            assert [entry[theirs] for entry in logged] == pytest.approx(wanted, rel=CLOSE, abs=CLOSE), variant.name
        ours, theirs = (
            load_file(folder / "adapter_model.safetensors") for folder in (folders[variant.name] / "adapter", out)
        )
        assert ours.keys() == theirs.keys()
        for name in ours:
            torch.testing.assert_close(theirs[name], ours[name], rtol=CLOSE, atol=CLOSE)
        configs = [
            json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
            for folder in (folders[variant.name] / "adapter", out)
        ]
        for key in ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora"):
            assert configs[0][key] == configs[1][key], (variant.name, key)
    store.close()
