"""What is measured of the chosen variants once training has ended: forgetting on other tasks, and free answers.

In: a run whose variants are trained and evaluated. Out: its further evaluations and answers, in the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from domlora.comparison.run import BASE, Answer, Run
from domlora.comparison.selection import contestants_of
from domlora.data.batches import collate
from domlora.data.encoding import EncodedSample
from domlora.data.samples import Sample
from domlora.generation import answers, grading
from domlora.models.loading import LoadedModel
from domlora.store.runs import Runs
from domlora.training.adapters import Adapter, Adapters
from domlora.training.evaluation import evaluate_base, evaluate_variants
from domlora.training.lockstep import Lockstep
from domlora.training.meter import ANSWER_COST, Meter
from domlora.training.rows import SweepRows


def evaluate_chosen(
    model: LoadedModel,
    runs: Runs,
    run_id: str,
    rows: SweepRows,
    others: Mapping[str, Sequence[EncodedSample]],
    meter: Meter,
) -> None:
    """Forgetting and answers of what was chosen on validation rows, with the adapters as they were saved."""
    run = runs.get(run_id)
    contestants = contestants_of(run, runs.evaluations(run_id))
    chosen = [variant for contestant in contestants for variant in contestant.variants if variant.adapter]
    with Adapters(model.model, model.base_name) as adapters:
        placements = {placement.name: placement for placement in run.placements}
        loaded = {}
        for variant in chosen:
            folder = Path(str(variant.adapter))
            loaded[variant.name] = adapters.load(folder, placements[variant.placement], variant.method)
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
                correct=grading.is_correct(sample, text, run_code=run_code),
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
