"""Which probe to trust: single modules that were trained in, against the scores that probes gave them.

In: a Run whose placements are single modules, its evaluations, and maps of the same model and task. Out: a `Ranking`.
Pure pandas, numpy and scipy: no torch, no store, no Streamlit. The numeric parts are in `metrics`, the sentences in
`sentences`.

A module's *improvement* is the base model's loss on the test rows minus that of its adapter, at the learning rate that
validation rows chose, the mean over seeds. A probe predicts well if its scores order the modules as the improvements
do (Spearman's rho), and if the module that it would pick is little worse than the best one found (regret).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from domlora.comparison.run import BASE, Evaluation, Run
from domlora.comparison.rungs import at_first_rung
from domlora.comparison.selection import Contestant, contestants_of
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError, UsageError
from domlora.probes.registry import PROBES
from domlora.ranking import metrics, sentences
from domlora.ranking.result import BASELINES, BETTER, CHANCE, WORSE, Ranking
from domlora.ranking.singles import LEAST_MODULES
from domlora.statistics import crossed

if TYPE_CHECKING:
    from domlora.energy.summary import MapSummary

TOP = 5  # modules that the hit rate counts, at most a third of all
MODULES = (
    "placement", "module", "stack", "kind", "layer", "parameters", "weights", "learning_rate", "edge", "seeds",
    "loss", "improvement", "low", "high", "rank",
)  # fmt: skip
TABLE = (
    "probe", "title", "baseline", "rho", "low", "high", "verdict", "within", "within_low", "within_high", "regret",
    "regret_low", "regret_high", "hits", "pick", "picked", "pick_rank", "seconds", "relative_cost", "samples", "map",
    "shared",
)  # fmt: skip


def singles(run: Run) -> list[str]:
    """Names of the placements of one module each, whose variants have not all failed; those that a ranking needs."""
    names = [placement.name for placement in run.placements if len(placement.modules) == 1]
    done = {variant.placement for variant in run.variants if variant.status == "done"}
    return [name for name in names if name in done]


def qualifies(run: Run) -> bool:
    """Whether a finished run holds enough single modules to rank probes by."""
    return run.status == "done" and len(singles(run)) >= LEAST_MODULES


def fitting(run: Run, summaries: Sequence[MapSummary]) -> list[MapSummary]:
    """Of the maps in a store, one a probe that was measured on the run's model and rows: most samples, then newest."""
    found: dict[str, MapSummary] = {}
    for one in sorted(summaries, key=lambda m: (m.samples, m.created), reverse=True):
        same = (one.model_revision, one.task_hash) == (run.model_revision, rows_hash(run))
        if same and one.trained is None:
            found.setdefault(probe_name(one.probe, one.against), one)
    return [found[name] for name in sorted(found, key=_order)]


def rows_hash(run: Run) -> str:
    """The content hash of the rows that probes of a run read: its task's, without what the run holds out.

    Runs of earlier versions do not say it, and are ranked by maps of the whole task.
    """
    return str(run.facts.get("training_hash", run.task_hash))


def probe_name(probe: str, against: str | None) -> str:
    """`page`; `interference with chat`, since that probe measures another thing for each other task."""
    return probe if against is None else f"{probe} with {against}"


def rank(run: Run, evaluations: Sequence[Evaluation], maps: Sequence[EnergyMap], *, seed: int = 0) -> Ranking:
    """Holds probes against what adapters at single modules achieved.

    Intervals of rho come from leaving out modules (`metrics.Jackknife`): they say what other modules of this model
    might have shown, each measured on as many rows and seeds. Regret is cross-fitted: the best module is chosen on one
    half of the rows and judged on the other, over many halvings, and on other seeds than it is judged on where there
    are several, since to choose and judge it on the same would flatter it. It may so fall below zero: then no better
    module can be named. Of a race its first rung counts, where all modules had as many steps.

    Args:
        evaluations: of the run's variants and of the base model, in any order.
        maps: one a probe, of the run's model and task.

    Raises:
        UsageError: too few single modules, no map, or maps of another model or task.
        DomLoRAError: the base model was not evaluated.
    """
    if run.config.race:
        run, evaluations = at_first_rung(run, evaluations)
    found = {(evaluation.part, evaluation.variant): evaluation for evaluation in evaluations}
    contestants, left_out = _contestants(run, found)
    part = "test" if any(("test", v.name) in found for c in contestants for v in c.variants) else "validation"
    measured = [c for c in contestants if any((part, variant.name) in found for variant in c.variants)]
    left_out |= {c.name: "no finished variant" for c in contestants if c not in measured}
    if len(measured) < LEAST_MODULES:
        raise UsageError(
            f"run {run.id} has {len(measured)} single modules with a result, and to rank probes takes {LEAST_MODULES}: "
            "train more, such as with the placement spread:30"
        )
    if (part, BASE) not in found:
        raise DomLoRAError(f"run {run.id} lacks the base model's loss on the {part} rows: run the comparison again")
    base = np.asarray(found[part, BASE].losses)
    losses = _losses(part, measured, found, len(base))  # (modules, seeds, rows)
    improvements = base - losses
    modules = _modules(run, measured, losses, improvements)

    columns, facts, missing = _scores(run, maps, list(modules["module"]))
    left_out |= missing
    if not columns:
        why = "; ".join(f"{name}: {reason}" for name, reason in missing.items()) or "measure some with `domlora probe`"
        raise UsageError(f"no probe has scored the modules of run {run.id}: {why}")
    raw = np.array(list(columns.values()))  # (probes, modules)
    signs = np.array([-1.0 if facts[name]["prefers"] == "low" else 1.0 for name in columns])
    trivial = {
        "random": np.zeros(len(modules)), "size": modules["weights"].to_numpy(float),
        "depth": -modules["layer"].to_numpy(float),
    }  # fmt: skip
    names = [*columns, *trivial]
    signed = np.concatenate([raw * signs[:, None], np.array(list(trivial.values()))])  # (probes and baselines, modules)
    kinds = pd.factorize(modules["stack"] + " " + modules["kind"])[0]
    table, rhos = _table(names, signed, modules, losses, kinds, facts, seed)
    order = np.argsort(-modules["improvement"].to_numpy(), kind="stable")
    ranking = Ranking(
        run=run, part=part, rows=len(base), seeds=losses.shape[1],
        modules=modules.iloc[order].reset_index(drop=True),
        scores=pd.DataFrame(columns, index=pd.Index(modules["module"], name="module")).iloc[order],
        table=table, best=str(modules["placement"].iloc[order[0]]), top=_top(len(modules)),
        ceiling=metrics.ceiling(improvements.mean(axis=1), seed), left_out=left_out,
        baseline_lead=_baseline_lead(names, list(columns), rhos, known=len(base) > 1), seed=seed,
    )  # fmt: skip
    return replace(ranking, sentence=sentences.conclusion(ranking), warnings=sentences.warnings(ranking))


def _top(count: int) -> int:
    return max(1, min(TOP, count // 3))


def _order(name: str) -> tuple[int, str]:
    """Probes in the order of the registry."""
    known = list(PROBES)
    head = name.split(" ")[0]
    return (known.index(head) if head in known else len(known), name)


def _contestants(
    run: Run, found: Mapping[tuple[str, str], Evaluation]
) -> tuple[list[Contestant], dict[str, str]]:  # fmt: skip
    """The single modules of a run, trained with its first method, each at its own best rate; and the others."""
    method = run.config.methods[0]
    names = {placement.name for placement in run.placements if len(placement.modules) == 1}
    chosen = [c for c in contestants_of(run, found.values()) if c.method == method and c.placement in names]
    left_out = {c.name: c.note or "not finished" for c in chosen if c.learning_rate is None}
    several = [placement.name for placement in run.placements if placement.name not in names]
    left_out |= dict.fromkeys(several, "more than one module")
    return [c for c in chosen if c.learning_rate is not None], left_out


def _losses(
    part: str, measured: Sequence[Contestant], found: Mapping[tuple[str, str], Evaluation], rows: int
) -> np.ndarray:  # fmt: skip
    """(modules, seeds, rows). Where some module lacks a seed, the mean over the seeds that each has, as one seed."""
    each = [[found[part, v.name].losses for v in c.variants if (part, v.name) in found] for c in measured]
    lengths = {rows, *(len(losses) for many in each for losses in many)}
    if len(lengths) > 1:
        counts = " and ".join(str(length) for length in sorted(lengths))
        raise DomLoRAError(f"variants were evaluated on {counts} {part} rows: evaluate all of them on the same rows")
    if len({len(many) for many in each}) == 1:
        return np.array(each, dtype=float)
    return np.array([np.mean(many, axis=0, keepdims=True) for many in each], dtype=float)


def _modules(
    run: Run, measured: Sequence[Contestant], losses: np.ndarray, improvements: np.ndarray
) -> pd.DataFrame:  # fmt: skip
    """Columns `MODULES`, in the order of the run."""
    placed = {placement.name: placement.modules[0] for placement in run.placements}
    low, high = crossed.means(improvements)
    gains = improvements.mean(axis=(1, 2))
    ranks = len(gains) - np.argsort(np.argsort(gains, kind="stable"), kind="stable")
    records = []
    for i, contestant in enumerate(measured):
        one = placed[contestant.placement]
        records.append((
            contestant.placement, one.module, one.stack, one.kind, one.layer, contestant.trainable_parameters,
            one.in_features * one.out_features, contestant.learning_rate, contestant.edge, len(contestant.variants),
            losses[i].mean(), gains[i], low[i], high[i], int(ranks[i]),
        ))  # fmt: skip
    return pd.DataFrame(records, columns=list(MODULES))


def _scores(
    run: Run, maps: Sequence[EnergyMap], modules: Sequence[str]
) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]], dict[str, str]]:
    """Per probe (modules,) scores, its facts, and which probes cannot take part for want of a score."""
    columns: dict[str, np.ndarray] = {}
    facts: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for energy in sorted(maps, key=lambda m: _order(m.provenance.config.probe)):
        p = energy.provenance
        name = probe_name(p.config.probe, p.config.against)
        if p.model_revision != run.model_revision or p.task_hash not in {run.task_hash, rows_hash(run)}:
            raise UsageError(f"map {energy.id} is of {p.model} on {p.task}, run {run.id} of {run.model} on {run.task}")
        if name in columns or name in left_out:
            raise UsageError(f"two maps of probe {name}: give one")
        scored = energy.modules.set_index("module")["energy"].reindex(modules).to_numpy(dtype=float)
        if lacking := int((~np.isfinite(scored)).sum()):
            left_out[name] = f"no score of {lacking} of the {len(modules)} modules"
            continue
        info = PROBES[p.config.probe]
        title = info.title if p.config.against is None else f"{info.title} with {p.config.against}"
        columns[name] = scored
        facts[name] = {
            "title": title, "prefers": info.prefers, "seconds": p.seconds, "map": energy.id,
            "samples": 0 if info.needs == "weights" else p.samples, "shared": "shared_pass" in p.notes,
        }  # fmt: skip
    return columns, facts, left_out


def _table(
    names: Sequence[str], signed: np.ndarray, modules: pd.DataFrame, losses: np.ndarray, kinds: np.ndarray,
    facts: Mapping[str, Mapping[str, Any]], seed: int,
) -> tuple[pd.DataFrame, metrics.Jackknife]:  # fmt: skip
    """Columns `TABLE`, and rho in the order of `names`."""
    gains = modules["improvement"].to_numpy()
    known = losses.shape[2] > 1  # one row: nothing is said of how sure anything is
    rhos, within = (metrics.jackknife(signed, gains, kinds, within=only) for only in (False, True))
    nothing = np.full((2, len(names)), np.nan)
    low, high = rhos.interval() if known else nothing
    within_low, within_high = within.interval() if known else nothing
    at_once = 1 - 0.05 / len(facts)  # Bonferroni over the probes, not the baselines
    sure_low, sure_high = rhos.interval(at_once) if known else nothing
    regrets = [crossed.contrast(losses, weights) for weights in metrics.regret_weights(signed, losses, seed)]
    page = facts.get("page", {})
    records = []
    for i, name in enumerate(names):
        scores, own = signed[i], facts.get(name, {})
        picked = np.flatnonzero(scores == scores.max())
        seconds, samples = own.get("seconds", 0.0), own.get("samples", 0)
        # A shared pass and one of PAGE alone are no measure of each other; reading weights is a pass of its own.
        alike = bool(page) and (own.get("shared", False) == page["shared"] or not samples)
        records.append((
            name, own.get("title") or BASELINES[name], name in BASELINES, rhos.value[i], low[i],
            high[i], _verdict(sure_low[i], sure_high[i]), within.value[i],
            within_low[i], within_high[i], regrets[i].value, regrets[i].low, regrets[i].high,
            metrics.hit_rate(scores, gains, _top(len(gains))), str(modules["placement"].iloc[picked[0]]),
            len(picked), float(modules["rank"].iloc[picked].mean()), seconds,
            seconds / page["seconds"] if alike else math.nan, samples, own.get("map", ""), own.get("shared", False),
        ))  # fmt: skip
    table = pd.DataFrame(records, columns=list(TABLE))
    return table.sort_values("rho", ascending=False, kind="stable").reset_index(drop=True), rhos


def _verdict(low: float, high: float) -> str:
    return BETTER if low > 0 else WORSE if high < 0 else CHANCE


def _baseline_lead(
    names: Sequence[str], probes: Sequence[str], rhos: metrics.Jackknife, *, known: bool
) -> tuple[str, dict[str, tuple[float, float, float]]]:
    """The trivial baseline with the highest rho, and how far each probe is above it, on the same modules."""
    best = max(BASELINES, key=lambda name: rhos.value[names.index(name)])
    at, leads = names.index(best), {}
    for probe in probes:
        estimate, low, high = rhos.above(names.index(probe), at, 1 - 0.05 / len(probes))
        leads[probe] = (estimate, low, high) if known else (estimate, math.nan, math.nan)
    return best, leads
