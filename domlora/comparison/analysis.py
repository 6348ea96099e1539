"""Which placement wins, by how much and how sure that is: a Run and its evaluations in, a Comparison out.

Pure pandas, numpy and scipy: no torch, no store, no Streamlit. The choice of the learning rate is in `selection`, the
numeric parts are in `statistics`, the sentences in `sentences`. The rules: a contestant's learning rate is
chosen on validation rows and judged on test rows; contestants are compared on the same rows from the same seeds;
intervals of differences hold for all pairs at once.

A seed changes the start of the adapter and the order of the data, alike for all contestants; with `order="fixed"` the
start alone, and then intervals say nothing about other orders.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from domlora.comparison import sentences
from domlora.comparison.result import (
    BASELINE,
    BETTER,
    SAME,
    UNKNOWN,
    WORSE,
    Comparison,
    ControlTest,
    difference,
)
from domlora.comparison.run import BASE, Evaluation, Run, Variant
from domlora.comparison.selection import OWN_PARTS, Contestant, by_rate, contestants_of, ended_as, validation_loss
from domlora.errors import DomLoRAError, UsageError
from domlora.placements.names import RANDOM
from domlora.statistics import crossed, intervals

TABLE = (
    "placement", "method", "learning_rate", "seeds", "trainable_parameters", "modules", "loss_before", "loss", "low",
    "high", "accuracy", "difference", "difference_low", "difference_high", "better_probability", "verdict", "on_front",
    "edge", "status", "change", "change_low", "change_high", "note",
)  # fmt: skip
PAIRS = ("first", "second", "difference", "low", "high", "better_probability", "seeds")
RATES = (
    "contestant", "placement", "method", "learning_rate", "loss", "spread", "low", "high", "finished", "diverged",
    "cancelled", "unfinished", "chosen",
)  # fmt: skip
FORGETTING = (
    "contestant", "placement", "method", "task", "rows", "seeds", "loss_before", "loss", "change", "low", "high",
)  # fmt: skip
ANSWERS = ("contestant", "placement", "method", "measure", "before", "after", "low", "high", "rows")


def compare_run(run: Run, evaluations: Sequence[Evaluation], *, baseline: str | None = None) -> Comparison:
    """Compares the contestants of a run on what is there; a run may be unfinished or have diverged throughout.

    Args:
        evaluations: of the run's variants and of the base model, in any order.
        baseline: a contestant's name; by default `all-linear`, else the one with most trainable parameters.

    Raises:
        UsageError: no contestant has the name of the baseline.
        DomLoRAError: evaluations of one part that are not of the same rows.
    """
    found = {(evaluation.part, evaluation.variant): evaluation for evaluation in evaluations}
    contestants = contestants_of(run, evaluations)
    names = [contestant.name for contestant in contestants]
    if baseline is not None and baseline not in names:
        raise UsageError(f"no contestant is called {baseline!r}: take one of {', '.join(names)}")

    tested = any(("test", variant.name) in found for contestant in contestants for variant in contestant.variants)
    part = "test" if tested else "validation"
    measured = [c for c in contestants if any((part, variant.name) in found for variant in c.variants)]
    losses = _stack(part, measured, found, "losses")
    if baseline is None and measured:
        largest = max(measured, key=lambda c: c.trainable_parameters)
        baseline = next((c.name for c in measured if c.name == "all-linear"), largest.name)
    pairs = _pairs([c.name for c in measured], losses)
    comparison = Comparison(
        run=run, part=part, rows=losses.shape[2], baseline=baseline, contestants=contestants,
        table=_table(part, contestants, measured, losses, found, pairs, baseline), pairs=pairs,
        learning_rates=_learning_rates(contestants, found),
        forgetting=_forgetting(contestants, found), answers=_answers(contestants),
        controls=_controls(measured, losses),
    )  # fmt: skip
    said = (*sentences.warnings(comparison), *sentences.repeated(_repeated(part, measured, found)))
    return replace(comparison, conclusion=sentences.conclusion(comparison), warnings=said)


def _stack(
    part: str, contestants: Sequence[Contestant], found: Mapping[tuple[str, str], Evaluation], what: str
) -> np.ndarray:
    """Losses or accuracies (contestants, seeds, rows) at the chosen rates; NaN where a seed is not there.

    A seed that repeats an earlier one of its contestant on every row is not there either: it is the same run.
    """
    seeds = sorted({variant.seed for contestant in contestants for variant in contestant.variants})
    lengths = {len(e.losses) for (of, _), e in found.items() if of == part}
    if len(lengths) > 1:
        counts = " and ".join(str(length) for length in sorted(lengths))
        raise DomLoRAError(f"variants were evaluated on {counts} {part} rows: evaluate all of them on the same rows")
    values = np.full((len(contestants), len(seeds), max(lengths, default=0)), np.nan)
    for i, contestant in enumerate(contestants):
        for variant in _distinct(part, contestant, found):
            values[i, seeds.index(variant.seed)] = getattr(found[part, variant.name], what)
    return values


def _distinct(
    part: str, contestant: Contestant, found: Mapping[tuple[str, str], Evaluation]
) -> Iterable[Variant]:  # fmt: skip
    """The evaluated variants of a contestant, of those with equal losses on every row the first.

    A method whose start does not depend on the seed trains the same adapter twice where the order is fixed too. To
    count it twice would say that starts do not matter, which nothing has shown.
    """
    first: dict[tuple[float, ...], Variant] = {}
    for variant in contestant.variants:
        if (part, variant.name) in found:
            first.setdefault(tuple(found[part, variant.name].losses), variant)
    return first.values()


def _repeated(
    part: str, contestants: Sequence[Contestant], found: Mapping[tuple[str, str], Evaluation]
) -> list[str]:  # fmt: skip
    """Names of contestants whose seeds gave the same run."""
    return [
        c.name for c in contestants
        if len(list(_distinct(part, c, found))) < sum((part, variant.name) in found for variant in c.variants)
    ]  # fmt: skip


def _pairs(names: Sequence[str], losses: np.ndarray) -> pd.DataFrame:
    """Differences of all pairs of contestants on their common seeds, with intervals that hold for all pairs at once."""
    found = crossed.differences(losses)
    return pd.DataFrame({
        "first": [names[i] for i in found.first], "second": [names[i] for i in found.second],
        "difference": found.estimate, "low": found.low, "high": found.high, "better_probability": found.below,
        "seeds": found.seeds.astype(int),
    }, columns=list(PAIRS))  # fmt: skip


def _verdict(low: float, high: float) -> str:
    if math.isnan(low):
        return UNKNOWN
    return BETTER if high < 0 else WORSE if low > 0 else SAME


def _table(
    part: str, contestants: Sequence[Contestant], measured: Sequence[Contestant], losses: np.ndarray,
    found: Mapping[tuple[str, str], Evaluation], pairs: pd.DataFrame, baseline: str | None,
) -> pd.DataFrame:  # fmt: skip
    accuracies = _stack(part, measured, found, "accuracies")
    base = np.asarray(found[part, BASE].losses if (part, BASE) in found else np.full(losses.shape[2], np.nan))
    low, high = crossed.means(losses)
    changes = losses - base  # (contestants, seeds, rows)
    change_low, change_high = np.full((2, len(measured)), np.nan)
    if not np.isnan(base).all():
        change_low, change_high = crossed.means(changes)
    rows = {}
    for contestant in contestants:
        row: dict[str, Any] = dict.fromkeys(TABLE, math.nan) | {
            name: getattr(contestant, name)
            for name in ("placement", "method", "trainable_parameters", "modules", "edge", "status", "note")
        }
        row |= {"seeds": 0, "verdict": UNKNOWN, "on_front": False}
        if contestant.learning_rate is not None:
            row["learning_rate"] = contestant.learning_rate
        if contestant in measured:
            i = measured.index(contestant)
            gap = difference(pairs, contestant.name, str(baseline))
            own = contestant.name == baseline
            row |= {
                "seeds": int((~np.isnan(losses[i]).all(axis=1)).sum()), "loss": np.nanmean(losses[i]), "low": low[i],
                "high": high[i], "loss_before": base.mean(), "accuracy": np.nanmean(accuracies[i]),
                "change": np.nanmean(losses[i]) - base.mean(), "change_low": change_low[i],
                "change_high": change_high[i], "verdict": BASELINE if own else _verdict(*gap[1:3]),
            } | dict(zip(("difference", "difference_low", "difference_high", "better_probability"),
                         (0.0, 0.0, 0.0, math.nan) if own else gap, strict=True))  # fmt: skip
        rows[contestant.name] = row
    table = pd.DataFrame.from_dict(rows, orient="index", columns=list(TABLE)).rename_axis("contestant")
    if len(table):
        costs = table[["loss", "trainable_parameters"]].to_numpy(dtype=float)
        table["on_front"] = intervals.pareto_front(costs)
    return table.sort_values("loss", kind="stable", na_position="last")


def _learning_rates(contestants: Sequence[Contestant], found: Mapping[tuple[str, str], Evaluation]) -> pd.DataFrame:
    records = []
    for contestant in contestants:
        validation = {variant.name: validation_loss(variant, found) for variant in contestant.tried}
        for rate, variants in sorted(by_rate(contestant.tried).items()):
            losses = [validation[v.name] for v in variants if math.isfinite(validation[v.name])]
            ends = Counter(ended_as(v) for v in variants if not math.isfinite(validation[v.name]))
            records.append((
                contestant.name, contestant.placement, contestant.method, rate,
                np.mean(losses) if losses else math.nan, np.std(losses, ddof=1) if len(losses) > 1 else math.nan,
                min(losses, default=math.nan), max(losses, default=math.nan), len(losses), ends["diverged"],
                ends["cancelled"], ends["unfinished"], rate == contestant.learning_rate,
            ))  # fmt: skip
    return pd.DataFrame(records, columns=list(RATES))


def _forgetting(
    contestants: Sequence[Contestant], found: Mapping[tuple[str, str], Evaluation]
) -> pd.DataFrame:  # fmt: skip
    records = []
    for task in sorted({part for part, name in found if name == BASE and part not in OWN_PARTS}):
        base = np.asarray(found[task, BASE].losses)
        measured = [c for c in contestants if any((task, variant.name) in found for variant in c.variants)]
        losses = _stack(task, measured, found, "losses")
        low, high = crossed.means(losses - base)
        for i, c in enumerate(measured):
            records.append((
                c.name, c.placement, c.method, task, len(base), int((~np.isnan(losses[i]).all(axis=1)).sum()),
                base.mean(), np.nanmean(losses[i]), np.nanmean(losses[i] - base), low[i], high[i],
            ))  # fmt: skip
    return pd.DataFrame(records, columns=list(FORGETTING))


def _answers(contestants: Sequence[Contestant]) -> pd.DataFrame:
    """Exact match and pass@1. All seeds answer the same rows, so Wilson's interval counts each row once."""
    records = []
    for contestant in contestants:
        for measure in ("exact_match", "pass_at_1"):
            results = [v.results for v in contestant.variants if f"{measure}_after" in v.results]
            if not results:
                continue
            before, after, rows = (
                float(np.mean([result.get(f"{measure}_{word}", math.nan) for result in results]))
                for word in ("before", "after", "rows")
            )
            low, high = (math.nan, math.nan)
            if rows >= 1:
                low, high = intervals.wilson_interval(round(after * rows), round(rows))
            records.append(
                (contestant.name, contestant.placement, contestant.method, measure, before, after, low, high, rows)
            )
    return pd.DataFrame(records, columns=list(ANSWERS))


def _controls(measured: Sequence[Contestant], losses: np.ndarray) -> tuple[ControlTest, ...]:
    tests = []
    for i, dominant in enumerate(measured):
        same = [j for j, c in enumerate(measured) if c.method == dominant.method]
        random = [j for j in same if RANDOM.fullmatch(measured[j].placement)]
        if dominant.placement != "dominant" or not random:
            continue
        weights = np.zeros(len(measured))
        weights[i], weights[random] = 1, -1 / len(random)
        found = crossed.contrast(losses, weights)
        if math.isnan(found.value):
            continue
        beaten = sum(bool(np.nanmean(gap) < 0) for gap in losses[i] - losses[random])
        tests.append(ControlTest(
            dominant.method, dominant.name, tuple(measured[j].name for j in random), beaten,
            found.value, found.low, found.high, _verdict(found.low, found.high),
        ))  # fmt: skip
    return tuple(tests)
