"""Trains and evaluates the variants of one comparison, or goes on with it, and keeps all of it in the store.

In: a loaded model and a `Plan`: task, chosen rows, placements, a `SweepConfig`. Out: a finished `Run`. A run that was
interrupted goes on from its last checkpoint; one that is complete is answered from the store.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import torch

from domlora.comparison.config import SweepConfig, variant_name
from domlora.comparison.placements import left_out
from domlora.comparison.run import Evaluation, Metric, Run, Variant
from domlora.comparison.selection import OWN_PARTS, still_to_judge
from domlora.data.encoding import EncodedSample
from domlora.data.tasks import Task, builtin_tasks, load_task
from domlora.errors import TaskError
from domlora.models.device import device_name, peak_memory
from domlora.models.ends import find_ends
from domlora.models.loading import LoadedModel
from domlora.placements.ends import tied_words
from domlora.placements.placement import Placement
from domlora.progress import Progress, silent
from domlora.store.runs import Runs
from domlora.store.store import Store
from domlora.tracking.services import NOWHERE, Destination
from domlora.training.after import evaluate_chosen
from domlora.training.asked import Plan
from domlora.training.carried import ROWS, carry, check_same
from domlora.training.energy import TrainingEnergy
from domlora.training.kept_rows import keep
from domlora.training.lock import alone, run_folder
from domlora.training.meter import ANSWER_COST, Meter, total_passes
from domlora.training.rows import SweepRows, encode_rows
from domlora.training.sending import send_known, sent
from domlora.training.sweep import Sweep
from domlora.version import __version__


def train(
    model: LoadedModel,
    plan: Plan,
    store: Store,
    *,
    job: str | None = None,
    refresh: bool = False,
    progress: Progress = silent,
    send_to: Destination = NOWHERE,
) -> Run:
    """Trains and evaluates a run, or goes on with it, or returns it if the store has it complete.

    Args:
        job: id of the job that computes it.
        refresh: train again even if the store has the run.
        send_to: services that are told too.

    Raises:
        DomLoRAError: as `domlora.training.asked.run_of`.
    """
    started = time.perf_counter()
    task, config = plan.task, plan.config
    rows = encode_rows(task, plan.rows, model.encode, config)
    others = _other_tasks(task, model, config)
    old = plan.continues
    if old is not None:
        check_same(old, plan.rows.content_hash, model.local.revision, task.content_hash, model.dtype)
    run = new_run(model, plan, rows, others, job)
    folder = run_folder(run.id)
    with alone(folder, lambda: progress("waiting for the same comparison in another process", 0, 0)):
        run = store.runs.start(run, replace=refresh)
        if run.status == "done":
            return send_known(run, store, send_to)
        if model.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(model.device)
        meter = Meter(_passes(run, rows, others), progress)
        log = StoreLog(store.runs, run.id)
        by_name = {placement.name: placement for placement in plan.placements}
        # A run that was removed and begun anew must not go on from the checkpoint of the old one.
        name = f"{plan.key} {run.created.isoformat()}"
        if (reason := keep(run.id, rows.train, rows.conversations)) is not None:
            log.warn(f"The training rows could not be kept for later export ({reason}).")
        measured = plan.energy.provenance.config
        energies = TrainingEnergy(model, plan.training, run, measured, store) if config.energy_every else None
        with sent(log, run, store, send_to, lambda: progress("sending the rest", 0, 0)) as told:
            sweep = Sweep(model, rows, by_name, config, told, folder, name, meter, energies)
            while True:
                if old is not None:
                    carry(store, old, store.runs.get(run.id))
                sweep.run()
                judging = still_to_judge(store.runs.get(run.id), store.runs.evaluations(run.id))
                if not judging:
                    break
                store.runs.add_variants(run.id, judging)
            evaluate_chosen(model, store.runs, run.id, rows, others, meter)
            meter.finish()
            spent = float(run.facts.get("seconds", 0.0)) + time.perf_counter() - started
            store.runs.finish(run.id, {"seconds": spent, "peak_memory_bytes": peak_memory(model.device)})
        return store.runs.get(run.id)


def new_run(
    model: LoadedModel, plan: Plan, rows: SweepRows, others: Mapping[str, Sequence[EncodedSample]], job: str | None
) -> Run:
    """The run as it begins: nothing trained yet."""
    return Run(
        id=plan.key[:12],
        key=plan.key,
        model=model.name,
        model_source=model.local.source,
        model_revision=model.local.revision,
        task=plan.task.name,
        task_source=plan.task.source,
        task_hash=plan.task.content_hash,
        config=plan.config,
        placements=plan.placements,
        created=datetime.now(UTC),
        job=job,
        facts={
            "device": device_name(model.device),
            "dtype": model.dtype,
            "architecture": model.architecture,
            "model_parameters": model.model.num_parameters(),
            "train_rows": len(rows.train),
            "validation_rows": len(rows.validation),
            "test_rows": len(rows.test),
            "energy_map": plan.energy.id,
            ROWS: plan.rows.content_hash,
            **({"continues": plan.continues.id} if plan.continues is not None else {}),
            "training_hash": plan.training.content_hash,
            "forgetting_tasks": list(others),
            **({"remarks": [remark.words for remark in rows.remarks]} if rows.remarks else {}),
            "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft")}
            | {"domlora": __version__},
        },
        warnings=(
            *rows.warnings,
            *left_out(plan.energy, plan.placements),
            *tied_words(plan.placements, find_ends(model.model)),
        ),
        variants=tuple(variants_of(plan.placements, plan.config)),
        model_origin=model.local.origin,
        task_origin=plan.task.origin,
    )


@dataclass(frozen=True)
class StoreLog:
    """A `SweepLog` that writes into the store."""

    runs: Runs
    run: str

    def variants(self) -> Sequence[Variant]:
        return self.runs.get(self.run).variants

    def variant(self, name: str, **changes: Any) -> None:
        self.runs.set_variant(self.run, name, **changes)

    def metrics(self, points: Sequence[Metric]) -> None:
        self.runs.add_metrics(self.run, points)

    def evaluations(self, made: Sequence[Evaluation]) -> None:
        self.runs.add_evaluations(self.run, made)

    def warn(self, *warnings: str) -> None:
        self.runs.set_facts(self.run, warnings=warnings)

    def rewind(self, step: int, names: Sequence[str]) -> None:
        self.runs.rewind(self.run, step, names)

    def cancelled(self) -> frozenset[str]:
        return self.runs.cancelled(self.run)


def variants_of(placements: Sequence[Placement], config: SweepConfig) -> Iterator[Variant]:
    """Every placement with every method, learning rate and seed that chooses one; those that judge come afterwards."""
    for placement in placements:
        for method in config.methods:
            for rate in config.rates_of(placement.name):
                for seed in config.choosing_of(placement.name) or config.judging:
                    yield Variant(
                        name=variant_name(placement.name, method, rate, seed),
                        placement=placement.name,
                        method=method,
                        learning_rate=rate,
                        seed=seed,
                        trainable_parameters=placement.parameters(method),
                        modules=len(placement.modules),
                    )


def _other_tasks(task: Task, model: LoadedModel, config: SweepConfig) -> dict[str, tuple[EncodedSample, ...]]:
    """Rows of the tasks that are to be kept, or of the built-in ones that this one is not.

    Raises:
        TaskError: a task that is named cannot be read, or none of its rows fits.
    """
    encoded: dict[str, tuple[EncodedSample, ...]] = {}
    for name in (config.keep or builtin_tasks()) if config.forgetting_rows else ():
        other = load_task(name)
        if other.content_hash == task.content_hash:
            continue
        part = next(part for part in ("validation", "test", "train") if other.splits.get(part))
        count = min(config.forgetting_rows, other.splits[part])
        samples = other.draw(count, config.data_seed, part)
        try:
            encoded[_free_name(other.name, (*OWN_PARTS, *encoded))] = model.encode(samples, config.max_length).samples
        except TaskError:  # none of them fits into so few tokens: a built-in one is not named among those looked at
            if config.keep:
                raise
    return encoded


def _free_name(name: str, taken: Collection[str]) -> str:
    """A task's name, with a number where another one, or a part of the task that is learned, has it."""
    numbered = (name if number == 1 else f"{name} {number}" for number in count(1))
    return next(one for one in numbered if one not in taken)


def _passes(run: Run, rows: SweepRows, others: Mapping[str, Sequence[EncodedSample]]) -> int:
    contestants = len(run.placements) * len(run.config.methods)
    looked_at = sum(map(len, others.values()))
    answered = ANSWER_COST * len(rows.answered)
    after = looked_at * (1 + contestants * run.config.seeds) + answered * (1 + contestants)
    variants = len(run.config.methods) * sum(run.config.variants_of(placement.name) for placement in run.placements)
    return total_passes(run.config, rows, variants) + after
