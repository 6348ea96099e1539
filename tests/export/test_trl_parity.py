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
from domlora.data.tasks import load_task
from domlora.energy.measure import probe
from domlora.export import bundle
from domlora.export.recipe import Recipe
from domlora.export.trl import SCRIPT
from domlora.models.loading import load_model
from domlora.placements.methods import METHODS
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from domlora.training.compare import compare
from tests.helpers.sweeping import write_task

SETTINGS = {
    "methods": list(METHODS), "rank": 4, "learning_rates": [5e-3], "seeds": 1, "steps": 6, "batch_size": 3,
    "accumulation": 2, "schedule": "cosine", "warmup": 0.34, "weight_decay": 0.01, "max_grad_norm": 0.3,
    "validation_rows": 4, "test_rows": 4, "forgetting_rows": 0, "answers": 0,
}  # fmt: skip
CASES = {
    "mean of samples": {"loss_mean": "sample", "seeds": 2, "methods": ["lora", "olora", "dora", "lora+"]},
    "mean of tokens with ranks that differ": {"loss_mean": "tokens", "allocation": "energy", "schedule": "linear"},
    "two legs": {
        "methods": ["lora", "lora+"], "legs": (3,), "schedule": "linear", "gradient_checkpointing": True,
    },
    "ended early": {
        "methods": ["lora"], "patience": 1, "evaluate_every": 1, "learning_rates": [0.04], "steps": 12,
    },
}  # fmt: skip
CLOSE = 1e-4
RUN_ALL = "import runpy, sys\nfor path in sys.argv[1:]:\n    runpy.run_path(path, run_name='__main__')"


def read(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_exported_script_trains_the_very_same_adapter(case, tmp_path):
    model = load_model("ref-llama", dtype="float32", device="cpu")
    task, store = load_task(str(write_task(tmp_path / "rows.jsonl"))), Store()
    energy = probe(model, task, ProbeConfig(samples=4))
    run = compare(model, task, ["attention"], energy=energy, store=store, **SETTINGS | CASES[case]).run
    comparison, folders = comparison_of(store, run, None), {}
    for number, variant in enumerate(run.variants):
        folders[variant.name] = tmp_path / str(number)
        bundle.write(bundle.files(run, comparison, variant), folders[variant.name])
    command = [sys.executable, "-c", RUN_ALL, *(str(folder / SCRIPT) for folder in folders.values())]
    alone = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=alone, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    metrics = store.runs.metrics(run.id).set_index(["variant", "name", "step"])["value"].sort_index()
    store.close()
    taken = {variant.name: Recipe.of_run(run, variant).taken_at for variant in run.variants}
    assert (min(taken.values()) < run.config.steps) == (case == "ended early")
    for variant in run.variants:
        name, ours, theirs = variant.name, folders[variant.name] / "adapter", folders[variant.name] / "out"
        logged = [entry for entry in read(theirs / "trainer_state.json")["log_history"] if "loss" in entry]
        for curve, key in (("train_loss", "loss"), ("grad_norm", "grad_norm"), ("learning_rate", "learning_rate")):
            wanted = metrics[name, curve].loc[1 : taken[name]].tolist()
            assert [entry[key] for entry in logged] == pytest.approx(wanted, rel=CLOSE, abs=CLOSE), (name, curve)
        first, second = (load_file(folder / "adapter_model.safetensors") for folder in (ours, theirs))
        assert first.keys() == second.keys()
        for key, tensor in first.items():
            torch.testing.assert_close(second[key], tensor, rtol=CLOSE, atol=CLOSE, msg=f"{name}: {key}")
        settings, again = read(ours / "adapter_config.json"), read(theirs / "adapter_config.json")
        for key in ("r", "lora_alpha", "rank_pattern", "alpha_pattern", "use_rslora", "use_dora"):
            assert settings[key] == again[key], (name, key)
