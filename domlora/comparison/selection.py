"""Who takes part in a comparison, and at which learning rate: the variants of a Run in, its contestants out.

A contestant is a placement trained with one method. Its learning rate is the one with the lowest mean loss on
validation rows, among those at which every seed finished; test rows have no say in it. No torch, no store.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from domlora.comparison.run import ENDED_VARIANT, Evaluation, Variant

OWN_PARTS = ("test", "validation")  # every other part is another task: forgetting

Status = Literal["done", "incomplete", "training", "diverged", "cancelled"]


@dataclass(frozen=True)
class Contestant:
    """A placement trained with one method, at the learning rate chosen for it.

    Attributes:
        learning_rate: chosen on validation rows; None while no variant has finished.
        variants: those that finished at that rate, one a seed.
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


def choose(group: Sequence[Variant], validation: Mapping[str, float], seeds: int) -> Contestant:
    """Chooses the learning rate: lowest mean validation loss among the rates at which all seeds finished."""
    rates = by_rate(group)
    finished = {rate: [v for v in variants if math.isfinite(validation[v.name])] for rate, variants in rates.items()}
    mean = {rate: float(np.mean([validation[v.name] for v in ok])) for rate, ok in finished.items() if ok}
    wanted = {rate: max(seeds, len(variants)) for rate, variants in rates.items()}
    complete = [rate for rate in mean if len(finished[rate]) == wanted[rate]]
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
        count = f"{len(finished[chosen])} of {wanted[chosen]} seeds"
        notes.append(f"no rate has all its seeds; at {chosen:g}, {count}: {_ends(rates[chosen], finished[chosen])}")
    elif not training:
        status = "cancelled" if all(variant.status == "cancelled" for variant in group) else "diverged"
        notes.append(f"nothing finished: {_ends(group, [])}")
    return Contestant(
        placement=group[0].placement, method=group[0].method, learning_rate=chosen,
        trainable_parameters=max(variant.trainable_parameters for variant in group),
        modules=max(variant.modules for variant in group), status=status, note="; ".join(notes),
        variants=tuple(sorted(finished[chosen], key=lambda v: v.seed)) if chosen is not None else (),
        edge=_edge(chosen, rates),
    )  # fmt: skip


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
