"""Measures the shipped maps, `maps/MODEL-TASK.parquet`, with the tool itself: every built-in model on every task.

python sample_data/make_maps.py
"""

from __future__ import annotations

import sys
from pathlib import Path

from domlora import load_model, load_task, probe
from domlora.data.tasks import builtin_tasks
from domlora.energy import files as energy_files
from domlora.models.catalogue import BUILTIN_MODELS

MAPS = Path(__file__).parent / "maps"

if __name__ == "__main__":
    for model_name in BUILTIN_MODELS:
        model = load_model(model_name)
        for task_name in builtin_tasks():
            energy = probe(model, load_task(task_name), samples=32)
            energy_files.write(energy, MAPS / f"{model_name}-{task_name}.parquet")
            print(model_name, task_name, energy.verdict.sentence, file=sys.stderr)
