"""Who takes part in a comparison, and at which learning rate: the variants of a Run in, its contestants out.

A contestant is a placement trained with one method. Its learning rate is the one with the lowest mean loss on
validation rows, among those at which every seed that chooses finished; test rows have no say in it, nor have the seeds
that judge (`SweepConfig.choosing`, `judging`): a rate that was lucky with some seeds is not flattered by them. Knows no
torch and no store.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from domlora.comparison.config import SweepConfig, variant_name
from domlora.comparison.run import ENDED_VARIANT, Evaluation, Run, Variant

OWN_PARTS = ("test", "validation")  # every other part is another task: forgetting
RESULTS = {"test": "test", "validation": "eval"}  # what a variant's results call each of them

Status = Literal["done", "incomplete", "training", "diverged", "cancelled"]


@dataclass(frozen=True)
class Contestant:
    """A placement trained with one method, at the learning rate chosen for it.

    Attributes:
        learning_rate: chosen on validation rows; None while no variant has finished.
        variants: those of the seeds that judge that finished at that rate, one a seed.
        tried: those that chose the rate, finished or not.
        edge: `try lower` or `try higher` where the chosen rate is the lowest or highest tried, `one rate tried`, or "".
        status: `incomplete` where no rate has all its seeds; `diverged` or `cancelled` where nothing is left.
        note: why it is incomplete, and which rates were left out though their finished seeds look better.
    """

    placement: str
    method: str
    trainable_parameters: int
    modules: int
    learning_rate: float | None
    variants: tuple[Variant, ...]
    tried: tuple[Variant, ...]
    edge: str
    status: Status
    note: str

    @property
    def name(self) -> str:
        """`dominant`, or `dominant dora` where it is not plain LoRA."""
        return contestant_name(self.placement, self.method)


def contestant_name(placement: str, method: str) -> str:
    """How a contestant is called everywhere: its placement, with the method unless it is plain LoRA."""
    return placement if method == "lora" else f"{placement} {method}"


def validation_loss(variant: Variant, found: Mapping[tuple[str, str], Evaluation]) -> float:
    """Mean loss on validation rows; NaN unless the variant is done and finite wherever it was evaluated."""
    own = [found[part, variant.name] for part in OWN_PARTS if (part, variant.name) in found]
    if variant.status != "done" or not all(np.isfinite(evaluation.losses).all() for evaluation in own):
        return math.nan
    loss = variant.results.get("eval_loss_after", math.nan)
    if math.isnan(loss) and ("validation", variant.name) in found:
        loss = float(np.mean(found["validation", variant.name].losses))
    return loss if math.isfinite(loss) else math.nan


def choose(group: Sequence[Variant], validation: Mapping[str, float], config: SweepConfig) -> Contestant:
    """Chooses the learning rate: lowest mean validation loss among those at which all seeds that choose finished."""
    choosing = config.choosing_of(group[0].placement)
    tried = [variant for variant in group if variant.seed in (choosing or config.judging)]
    rates = by_rate(tried)
    seeds = len(choosing or config.judging)
    finished = {rate: [v for v in variants if math.isfinite(validation[v.name])] for rate, variants in rates.items()}
    mean = {rate: float(np.mean([validation[v.name] for v in ok])) for rate, ok in finished.items() if ok}
    complete = [rate for rate in mean if len(finished[rate]) >= seeds]
    training = any(variant.status not in ENDED_VARIANT for variant in group)
    status: Status = "training" if training else "done"
    chosen, notes = None, []
    if complete:
        chosen = min(complete, key=lambda rate: mean[rate])
        for rate in sorted(mean):
            if rate not in complete and mean[rate] < mean[chosen]:
                notes.append(f"rate {rate:g} left out, though lower so far: {_ends(rates[rate], finished[rate])}")
    elif mean:
        chosen = min(mean, key=lambda rate: (-len(finished[rate]), mean[rate]))
        status = "training" if training else "incomplete"
        count = f"{len(finished[chosen])} of {seeds} seeds"
        notes.append(f"no rate has all its seeds; at {chosen:g}, {count}: {_ends(rates[chosen], finished[chosen])}")
    elif not training:
        status = "cancelled" if all(variant.status == "cancelled" for variant in group) else "diverged"
        notes.append(f"nothing finished: {_ends(group, [])}")
    judged = [v for v in group if v.seed in config.judging and v.learning_rate == chosen]
    ok = [variant for variant in judged if math.isfinite(validation[variant.name])]
    if choosing and chosen is not None and choosing != config.judging and len(ok) < config.seeds:
        waiting = training or len(judged) < config.seeds
        status = "training" if waiting else "incomplete"
        if not waiting:
            notes.append(f"at {chosen:g}, {len(ok)} of {config.seeds} seeds that judge: {_ends(judged, ok)}")
    return Contestant(
        placement=group[0].placement, method=group[0].method, learning_rate=chosen,
        trainable_parameters=max(variant.trainable_parameters for variant in group),
        modules=max(variant.modules for variant in group), status=status, note="; ".join(notes),
        variants=tuple(sorted(ok, key=lambda v: v.seed)), tried=tuple(tried),
        edge="" if len(config.rates_by_name.get(group[0].placement, ())) == 1 else _edge(chosen, rates),
    )  # fmt: skip


def contestants_of(run: Run, evaluations: Iterable[Evaluation]) -> tuple[Contestant, ...]:
    """All contestants of a run, in its order."""
    found = {(evaluation.part, evaluation.variant): evaluation for evaluation in evaluations}
    validation = {variant.name: validation_loss(variant, found) for variant in run.variants}
    groups: dict[tuple[str, str], list[Variant]] = {}
    for variant in run.variants:
        groups.setdefault((variant.placement, variant.method), []).append(variant)
    return tuple(choose(group, validation, run.config) for group in groups.values())


def final_losses(run: Run) -> tuple[dict[str, float], str]:
    """Where the contestants of a run stand by what its variants keep, without their evaluations: for lists of runs.

    Returns:
        The mean loss over the seeds that judge of each contestant that has one, by its name, and the rows that it is
        of: `test`, or `validation` where nobody was judged on test rows. Nothing, and "", where none has finished.
    """
    contestants = [one for one in contestants_of(run, ()) if one.variants]
    for part, name in RESULTS.items():
        means = {c.name: float(np.mean([v.results.get(f"{name}_loss_after", math.nan) for v in c.variants]))
                 for c in contestants}  # fmt: skip
        if measured := {name: loss for name, loss in means.items() if math.isfinite(loss)}:
            return measured, part
    return {}, ""


def still_to_judge(run: Run, evaluations: Iterable[Evaluation]) -> tuple[Variant, ...]:
    """The variants that judge a chosen rate and are not in the run yet, once all that choose it have ended."""
    names = {variant.name for variant in run.variants}
    found = []
    for contestant in contestants_of(run, evaluations):
        if contestant.learning_rate is None or any(v.status not in ENDED_VARIANT for v in contestant.tried):
            continue
        one = contestant.tried[0]
        found += [
            replace(
                one, name=variant_name(one.placement, one.method, contestant.learning_rate, seed),
                learning_rate=contestant.learning_rate, seed=seed, status="queued", note=None, results={}, adapter=None,
                cancel_requested=False,
            )
            for seed in run.config.judging
        ]  # fmt: skip
    return tuple(variant for variant in found if variant.name not in names)


def by_rate(group: Iterable[Variant]) -> dict[float, list[Variant]]:
    """Variants by learning rate."""
    rates: dict[float, list[Variant]] = {}
    for variant in group:
        rates.setdefault(variant.learning_rate, []).append(variant)
    return rates


def _edge(chosen: float | None, rates: Mapping[float, Sequence[Variant]]) -> str:
    """Whether the chosen rate is at the edge of those tried; a rate that was only cancelled was not tried."""
    tried = [rate for rate, variants in rates.items() if any(variant.status != "cancelled" for variant in variants)]
    if chosen is None:
        return ""
    if len(tried) == 1:
        return "one rate tried"
    return "try lower" if chosen == min(tried) else "try higher" if chosen == max(tried) else ""


def _ends(variants: Sequence[Variant], finished: Sequence[Variant]) -> str:
    """`1 finished, 1 diverged`. A variant that is done but has a loss that is not finite counts as diverged."""
    counts = Counter("finished" if variant in finished else ended_as(variant) for variant in variants)
    return ", ".join(f"{count} {word}" for word, count in counts.items())


def ended_as(variant: Variant) -> str:
    """What became of a variant that has no finite loss: `diverged`, `cancelled` or `unfinished`."""
    return {"done": "diverged", "queued": "unfinished", "training": "unfinished"}.get(variant.status, variant.status)
