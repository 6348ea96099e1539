"""From a model, a task and placements to a finished run in the store: train, evaluate, choose, evaluate what is chosen.

In: a loaded model, a task, the energy map that placements are chosen by. Out: a Run with everything that belongs to
it, kept in the store as it grows, and a Comparison of it. A run that was interrupted goes on where it was; a run that
is complete is answered from the store.
"""

from __future__ import annotations

import importlib.metadata
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from domlora import __version__
from domlora.comparison.analysis import Comparison, compare_run
from domlora.comparison.config import SweepConfig, variant_name
from domlora.comparison.key import sweep_key
from domlora.comparison.run import BASE, Answer, Evaluation, Metric, Run, Variant
from domlora.data.batches import collate
from domlora.data.encoding import EncodedSample, encode
from domlora.data.tasks import Sample, Task, builtin_tasks, load_task
from domlora.energy.energy_map import EnergyMap
from domlora.energy.measure import device_name, peak_memory, probe
from domlora.errors import TaskError, UsageError
from domlora.generation import answers, code_runner
from domlora.jobs.spec import Progress
from domlora.models.loading import LoadedModel
from domlora.models.reference import check_trainable
from domlora.placements.place import Placement, check_name, left_out, place_for, same
from domlora.store.runs import Runs
from domlora.store.store import Store
from domlora.training.adapters import Adapter, Adapters
from domlora.training.energy import TrainingEnergy
from domlora.training.evaluation import evaluate_base, evaluate_variants
from domlora.training.lock import alone, run_folder
from domlora.training.lockstep import Lockstep
from domlora.training.meter import Meter, total_passes
from domlora.training.rows import SweepRows, sweep_rows
from domlora.training.sweep import Sweep

ANSWER_COST = 4  # passes of a row that answering costs, where evaluating costs one


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


def compare(
    model: LoadedModel,
    task: Task,
    placements: Sequence[str | Placement],
    config: SweepConfig | None = None,
    *,
    energy: EnergyMap | None = None,
    store: Store | None = None,
    progress: Progress = silent,
    **settings: Any,
) -> Comparison:
    """Fine-tunes placements side by side and compares them.

    Args:
        model: from `domlora.load_model`; as it was afterwards.
        task: from `domlora.load_task`.
        placements: names (`dominant`, `qv`, `random:3`, see `domlora.placements.NAMES`) or placements.
        config: all other settings at once; or name them as keywords (`learning_rates=[1e-3, 5e-3], seeds=2, ...`).
        energy: the map that names are read against; measured with 32 samples where none is given.
        store: where the run is kept, the default one where none is given. The same request again is answered from it.
        progress: called with (stage, passes done, passes in all).

    Raises:
        DomLoRAError: settings, placements or rows that cannot be used, no memory, no space.
    """
    names = tuple(item if isinstance(item, str) else item.name for item in placements)
    if config is not None and settings:
        raise UsageError("give `config` or single settings to compare(), not both")
    try:
        config = SweepConfig(**(config.model_dump() if config else settings) | {"placements": names})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "settings"
        raise UsageError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
    for name in placements:
        if isinstance(name, str):
            check_name(name)
    check_trainable(model.name, model.objective)  # before anything is measured
    if energy is None:
        energy = probe(model, task)
    chosen = [item for item in placements if isinstance(item, Placement)]
    # Read together, as a job reads them: `random` draws no module that another name holds.
    read = [item for item in placements if isinstance(item, str)]
    chosen += place_for(energy, config, read) if read else []
    named = Counter(placement.name for placement in chosen).most_common(1)[0]
    if named[1] > 1:
        raise UsageError(f"{named[1]} placements are called {named[0]}: give them different names")
    twice = same(chosen)
    if twice:
        raise UsageError(f"{twice[0][0]} and {twice[0][1]} are the same placement: leave one out")
    store = store or Store()
    run = train(model, task, energy, chosen, config, store, progress=progress)
    return compare_run(run, store.runs.evaluations(run.id))


def train(
    model: LoadedModel,
    task: Task,
    energy: EnergyMap,
    placements: Sequence[Placement],
    config: SweepConfig,
    store: Store,
    *,
    job: str | None = None,
    refresh: bool = False,
    progress: Progress = silent,
) -> Run:
    """Trains and evaluates a run, or goes on with it, or returns it if the store has it complete.

    Args:
        job: id of the job that computes it.
        refresh: train again even if the store has the run.

    Raises:
        DomLoRAError: as `compare`.
    """
    started = time.perf_counter()
    check_trainable(model.name, model.objective)
    key = sweep_key(model.local.revision, task.content_hash, config, placements, energy.provenance.config)
    known = store.runs.find(key)
    if known is not None and known.status == "done" and not refresh:
        return known
    if config.run_code:
        code_runner.check_runner()  # now, not after hours of training
    rows = sweep_rows(task, model.tokenizer, config)
    if config.energy_every and config.energy_samples > task.splits.get("train", 0):
        raise TaskError(
            f"the energy is to be measured on {config.energy_samples} training rows, but {task.name} has "
            f"{task.splits.get('train', 0)}: lower --energy-samples"
        )
    others = _other_tasks(task, model, config)
    run = Run(
        id=key[:12],
        key=key,
        model=model.name,
        model_source=model.local.origin,
        model_revision=model.local.revision,
        task=task.name,
        task_source=task.source,
        task_hash=task.content_hash,
        config=config,
        placements=tuple(placements),
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
            "energy_map": energy.id,
            "forgetting_tasks": list(others),
            "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers", "peft")}
            | {"domlora": __version__},
        },
        warnings=(*rows.warnings, *left_out(energy, placements)),
        variants=tuple(variants_of(placements, config)),
    )
    folder = run_folder(run.id)
    with alone(folder, lambda: progress("waiting for the same comparison in another process", 0, 0)):
        run = store.runs.start(run, replace=refresh)
        if run.status == "done":
            return run
        if model.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(model.device)
        meter = Meter(_passes(run, rows, others), progress)
        log = StoreLog(store.runs, run.id)
        by_name = {placement.name: placement for placement in placements}
        # A run that was removed and begun anew must not go on from the checkpoint of the old one.
        name = f"{key} {run.created.isoformat()}"
        measured = energy.provenance.config
        energies = TrainingEnergy(model, task, run, measured, store) if config.energy_every else None
        Sweep(model, rows, by_name, config, log, folder, name, meter, energies).run()
        _after(model, store.runs, run.id, rows, others, meter)
        meter.finish()
        spent = float(run.facts.get("seconds", 0.0)) + time.perf_counter() - started
        return store.runs.finish(run.id, {"seconds": spent, "peak_memory_bytes": peak_memory(model.device)})


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
    """Every placement with every method, learning rate and seed."""
    for placement in placements:
        for method in config.methods:
            for rate in config.learning_rates:
                for seed in range(config.seeds):
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
    """Validation rows of the built-in tasks that this one is not."""
    found = {}
    for name in builtin_tasks() if config.forgetting_rows else ():
        other = load_task(name)
        if other.content_hash == task.content_hash:
            continue
        count = min(config.forgetting_rows, other.splits["validation"])
        samples = other.draw(count, config.data_seed, "validation")
        try:
            found[name] = encode(samples, model.tokenizer, config.max_length).samples
        except TaskError:  # none of them fits into so few tokens: the task is not named among those looked at
            continue
    return found


def _passes(run: Run, rows: SweepRows, others: Mapping[str, Sequence[EncodedSample]]) -> int:
    contestants = len(run.placements) * len(run.config.methods)
    looked_at = sum(map(len, others.values()))
    answered = ANSWER_COST * len(rows.answered)
    after = looked_at * (1 + contestants * run.config.seeds) + answered * (1 + contestants)
    return total_passes(run.config, rows, len(run.variants)) + after


def _after(
    model: LoadedModel,
    runs: Runs,
    run_id: str,
    rows: SweepRows,
    others: Mapping[str, Sequence[EncodedSample]],
    meter: Meter,
) -> None:
    """Forgetting and answers of what was chosen on validation rows, with the adapters as they were saved."""
    run = runs.get(run_id)
    contestants = compare_run(run, runs.evaluations(run_id), resamples=1).contestants
    chosen = [variant for contestant in contestants for variant in contestant.variants if variant.adapter]
    with Adapters(model.model, model.base_name) as adapters:
        placements = {placement.name: placement for placement in run.placements}
        loaded = {}
        for variant in chosen:
            method: Any = variant.method
            folder = Path(str(variant.adapter))
            loaded[variant.name] = adapters.load(folder, placements[variant.placement], method)
        _forgetting(model, adapters, loaded, runs, run_id, others, meter)
        askable = [sample for sample in rows.answered if answers.can_be_asked(sample, model.tokenizer)]
        first = [contestant.variants[0] for contestant in contestants if contestant.variants]
        if askable:
            _answers(model, adapters, {v.name: loaded[v.name] for v in first}, runs, run, askable, meter)


def _forgetting(
    model: LoadedModel,
    adapters: Adapters,
    loaded: Mapping[str, Adapter],
    runs: Runs,
    run_id: str,
    others: Mapping[str, Sequence[EncodedSample]],
    meter: Meter,
) -> None:
    lockstep = Lockstep(adapters)
    for part, samples in others.items():
        if not loaded:
            return
        with adapters.disabled():
            made = [evaluate_base(model.model, samples).evaluation(BASE, part)]
        lockstep.check(collate(samples, range(min(4, len(samples))), model.device), list(loaded.values()))
        tables = evaluate_variants(lockstep, samples, list(loaded.values()))
        made += [table.evaluation(name, part) for name, table in zip(loaded, tables, strict=True)]
        runs.add_evaluations(run_id, made)
        meter.add("measuring forgetting", len(samples) * (1 + len(loaded)))


def _answers(
    model: LoadedModel,
    adapters: Adapters,
    chosen: Mapping[str, Adapter],
    runs: Runs,
    run: Run,
    samples: Sequence[Sample],
    meter: Meter,
) -> None:
    """Greedy answers of the base and of each contestant's first seed, and how many are right."""
    run_code = run.config.run_code
    measure = "pass_at_1" if run_code and any(sample.tests for sample in samples) else "exact_match"
    prompts = answers.prompts(samples, model.tokenizer)
    before: dict[str, float] = {}
    for name, adapter in {BASE: None, **chosen}.items():
        with adapters.disabled() if adapter is None else adapters.only(adapter):
            texts = answers.generate(model.model, model.tokenizer, samples, max_new_tokens=run.config.answer_tokens)
        given = [
            Answer(
                variant=name,
                row=row,
                prompt=prompt,
                reference=sample.messages[-1].content,
                text=text,
                correct=answers.is_correct(sample, text, run_code=run_code),
            )
            for row, (sample, prompt, text) in enumerate(zip(samples, prompts, texts, strict=True))
        ]
        runs.add_answers(run.id, given)
        meter.add("answering", ANSWER_COST * len(samples))
        checked = [answer.correct for answer in given if answer.correct is not None]
        if not checked:
            continue
        right = sum(checked) / len(checked)
        if adapter is None:
            before = {f"{measure}_before": right, f"{measure}_rows": len(checked)}
        else:
            runs.set_variant(run.id, name, results={**before, f"{measure}_after": right})
