"""A comparison in the store as the Compare page finds it: three placements of a shipped map, with losses made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from domlora.comparison.config import SweepConfig, variant_name
from domlora.comparison.placements import place_for
from domlora.comparison.run import Evaluation, Metric, Run, Variant
from domlora.store.store import Store

CONFIG = SweepConfig(
    placements=("dominant", "qv", "all-linear"), learning_rates=(1e-3, 1e-2), seeds=2, rate_seeds=0, steps=20,
    evaluate_every=10,
)  # fmt: skip
VIEWS = (
    "Result", "Curves", "Variants", "Learning rates", "Forgetting", "Answers", "Settings", "Take away", "All runs",
)  # fmt: skip
ROWS = 20


def fill(
    energy, *, steps: int, ended: bool, job: str | None = None, key: str = "ab", config=CONFIG, diverged=()
) -> Run:
    """A run in the store whose losses are 2 less a tenth per placement in order, with noise of a known seed."""
    store, generator = Store(), np.random.default_rng(0)
    placements = tuple(place_for(energy, config))
    variants, points, evaluations = [], [], [Evaluation("base", "test", (2.5,) * ROWS, (0.4,) * ROWS)]
    evaluations.append(Evaluation("base", "chat", (2.0,) * 4, (0.5,) * 4))
    for i, placement in enumerate(placements):
        for rate in config.learning_rates:
            for seed in range(config.seeds):
                name = variant_name(placement.name, "lora", rate, seed)
                lost = name in diverged
                end = 2 - i / 10 + (0.05 if rate == 1e-2 else 0) + seed / 100
                for step in range(0, (steps // 2 if lost else steps) + 1, 10):
                    points += [Metric(name, step, "eval_loss", end + 0.5 * (1 - step / config.steps))]
                status = "diverged" if lost else "done" if ended else "training"
                results = {}
                if status == "done":
                    results = {"eval_loss_before": 2.5, "eval_loss_after": end}
                    losses = tuple(end + generator.normal(0, 0.02, ROWS))
                    evaluations.append(Evaluation(name, "test", losses, (0.5,) * ROWS))
                    evaluations.append(Evaluation(name, "chat", (2.1, 2.2, 2.0, 2.1), (0.5,) * 4))
                variants.append(
                    Variant(name, placement.name, "lora", rate, seed, placement.trainable_parameters,
                            len(placement.modules), status, "the loss was not finite at step 11" if lost else None,
                            results)
                )  # fmt: skip
    run = store.runs.start(
        Run(id="", key=key * 32, model="smollm2-135m", model_source="smollm2-135m", model_revision="r1", task="math",
            task_source="math", task_hash="0" * 64, config=config, placements=placements,
            created=datetime.now(UTC) - timedelta(minutes=len(store.runs.list())), job=job,
            facts={"device": "cpu", "seconds": 120.0, "peak_memory_bytes": 2_000_000_000, "versions": {"peft": "1"}},
            variants=tuple(variants))
    )  # fmt: skip
    store.runs.add_metrics(run.id, points)
    store.runs.add_evaluations(run.id, evaluations)
    return store.runs.finish(run.id) if ended else run
