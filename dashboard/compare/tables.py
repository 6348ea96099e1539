"""Tables of a run for charts, pages and files, from the plain data of the store. No Streamlit, no torch here."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from dashboard.shared.filtering import matcher
from dashboard.shared.words import short_name
from domlora.comparison.selection import contestant_name, final_losses
from domlora.wording import listed

if TYPE_CHECKING:
    from domlora.comparison.result import Comparison
    from domlora.comparison.run import Run

# What one line of a chart stands for, and the columns whose values it fixes.
GROUPS: dict[str, tuple[str, ...]] = {
    "contestant and rate": ("contestant", "learning_rate"),
    "placement": ("placement",),
    "method": ("method",),
    "learning rate": ("learning_rate",),
    "nothing: each seed": ("contestant", "learning_rate", "seed"),
}


def variant_table(run: Run) -> pd.DataFrame:
    """One row a variant, its final numbers as columns."""
    rows = [
        {
            "variant": v.name, "contestant": short_name(contestant_name(v.placement, v.method)),
            "placement": short_name(v.placement),
            "method": v.method, "learning_rate": v.learning_rate, "seed": v.seed, "modules": v.modules,
            "parameters": v.trainable_parameters, "status": v.status, "note": v.note or "", **v.results,
        }
        for v in run.variants
    ]  # fmt: skip
    columns = ["variant", "contestant", "placement", "method", "learning_rate", "seed", "modules", "parameters",
               "status", "note"]  # fmt: skip
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)


def filtered(table: pd.DataFrame, typed: str, best: Mapping[str, float] | None) -> pd.DataFrame:
    """Variants whose name fits a filter (`shared.filtering`) and, where `best` is given, at their contestant's best
    rate."""
    fits = matcher(typed)
    table = table[[fits(name) for name in table["variant"]]]
    if best is None:
        return table
    keep = [best.get(row.contestant, row.learning_rate) == row.learning_rate for row in table.itertuples()]
    return table[keep]


def of_run(run: Run, label: str, variants: pd.DataFrame, metrics: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The variants and curves of one run of several: a column says which, and names are then unique among them all."""
    return (
        variants.assign(run=label, variant=[f"{run.id} {name}" for name in variants["variant"]]),
        metrics.assign(variant=[f"{run.id} {name}" for name in metrics["variant"]]),
    )


def last_values(variants: pd.DataFrame, metrics: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row a contestant, its rate and, of several runs, the run: the mean last value of its variants, and how they
    stand."""
    points = metrics[metrics["name"] == metric].sort_values("step")
    last = points.groupby("variant")[["step", "value"]].last()
    keys = ["contestant", *(["run"] if "run" in variants else []), "learning_rate"]
    joined = variants.join(last, on="variant")
    found = joined.groupby(keys, sort=False).agg(value=("value", "mean"), step=("step", "max")).reset_index()
    statuses = joined.groupby(keys, sort=False)["status"].apply(
        lambda s: ", ".join(f"{n} {status}" for status, n in s.value_counts().items())
    )
    found["variants"] = list(statuses)
    return found


def on_same_rows(run: Run, other: Run) -> bool:
    """Whether losses of two runs may be compared: the same tokens of the same held-out rows."""
    same = (run.task_hash, run.facts.get("rows_hash")) == (other.task_hash, other.facts.get("rows_hash"))
    return same and run.model_revision == other.model_revision


def run_name(run: Run) -> str:
    """What a run is called in charts and tables."""
    return run.notes.name or f"{run.model} on {run.task}, {run.created:%d %b %H:%M}"


def run_table(runs: Sequence[Run], live: Collection[str] = ()) -> pd.DataFrame:
    """One row a run, the pinned first, then the newest: what it is, how it stands, and its best placement so far.

    Args:
        live: ids of those that are being computed; another one that is not done ended early.

    The loss is the mean over seeds on test rows, or on validation rows where there are no others.
    """
    rows = []
    for run in sorted(runs, key=lambda run: not run.notes.pinned):
        losses, part = final_losses(run)
        best = min(losses, key=losses.__getitem__, default="")
        done = sum(variant.status == "done" for variant in run.variants)
        rows.append({
            "id": run.id, "pinned": run.notes.pinned, "name": run.notes.name, "model": run.model, "task": run.task,
            "created": run.created,
            "status": "done" if run.status == "done" else "running" if run.id in live else "ended early",
            "best placement": short_name(best), "loss": losses.get(best, math.nan),
            "rows": part, "variants": f"{done} of {len(run.variants)}",
            "steps": run.config.steps, "tags": list(run.notes.tags), "notes": run.notes.text,
            "archived": run.notes.archived,
        })  # fmt: skip
    return pd.DataFrame(rows)


def headline(comparison: Comparison) -> str:
    """Who leads, and whether that is sure: one sentence. The whole conclusion where there is no leader."""
    best = comparison.best
    if best is None:
        return comparison.conclusion
    row, names = comparison.table.loc[best], comparison.table.index
    others = [str(name) for name in names if name != best and pd.notna(comparison.table.loc[name, "loss"])]
    alike = [short_name(name) for name in others if not comparison.difference(best, name)[2] < 0]
    text = f"{short_name(best)} has the lowest {comparison.part} loss ({row['loss']:.3f})"
    if alike:
        text += f", but is not told apart from {listed(alike, most=4)}"
    elif others:
        text += f", below {listed([short_name(name) for name in others], most=3)} beyond the interval"
    if row["change_high"] >= 0:
        text += ", nor from the base model" if alike else ", but not below the base model's"
    return f"{text}."


def steps_done(metrics: pd.DataFrame) -> dict[str, int]:
    """The last step of each variant that has begun."""
    if metrics.empty:
        return {}
    return {str(name): int(step) for name, step in metrics.groupby("variant")["step"].max().items()}


def chosen_rates(comparison: Comparison) -> dict[str, float]:
    """The rate that validation rows chose for each contestant that has finished at one."""
    return {short_name(c.name): c.learning_rate for c in comparison.contestants if c.learning_rate is not None}


def settings(run: Run) -> dict[str, Any]:
    """Everything that was chosen, flat, for a table or a diff."""
    return {
        "model": run.model, "model revision": run.model_revision, "task": run.task, "task hash": run.task_hash[:12],
        **{name.replace("_", " "): _shown(value) for name, value in run.config.model_dump().items()},
        **{name.replace("_", " "): _shown(run.facts[name]) for name in ("device", "dtype", "train_rows", "energy_map")
           if name in run.facts},
    }  # fmt: skip


def settings_diff(run: Run, other: Run, only_differences: bool) -> pd.DataFrame:
    """Settings of two runs side by side."""
    left, right = settings(run), settings(other)
    rows = [
        {"setting": name, run.id: str(left.get(name, "")), other.id: str(right.get(name, ""))}
        for name in dict.fromkeys([*left, *right])
    ]
    table = pd.DataFrame(rows)
    return table[table[run.id] != table[other.id]] if only_differences else table


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, (list, tuple)):
        return ", ".join(f"{v:g}" if isinstance(v, float) else str(v) for v in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def everything(run: Run, metrics: pd.DataFrame, comparison: Comparison) -> str:
    """The whole run as JSON: settings, curves and what `domlora compare --json` prints. NaN becomes null."""
    data = {
        **comparison.to_json(), "model_source": run.model_source,
        "model_revision": run.model_revision, "task_source": run.task_source, "task_hash": run.task_hash,
        "config": run.config.model_dump(mode="json"), "facts": dict(run.facts),
        "placements": [placement.model_dump(mode="json") for placement in run.placements],
        "metrics": metrics.to_dict("records"),
    }  # fmt: skip
    plain = json.loads(json.dumps(data, default=str), parse_constant=lambda _: None)
    return json.dumps(plain, indent=1)


def best_rates(table: pd.DataFrame, metrics: pd.DataFrame) -> dict[str, float]:
    """The learning rate of each contestant with the lowest validation loss so far; a rate that diverged comes last.

    While a run goes on, rates are judged by the latest step that all of a contestant's variants have reached.
    """
    best = {}
    points = metrics[(metrics["name"] == "eval_loss") & (metrics["step"] > 0)] if len(metrics) else metrics
    if points.empty:
        points = metrics[metrics["name"] == "train_loss"] if len(metrics) else metrics
    wide = points.pivot_table(index="step", columns="variant", values="value") if len(points) else pd.DataFrame()
    for name, rows in table.groupby("contestant", sort=False):
        alive = rows[~rows["status"].isin(["diverged", "cancelled"])]
        begun = [variant for variant in alive["variant"] if variant in wide]
        if not begun:
            best[str(name)] = float(rows["learning_rate"].iloc[0])
            continue
        common = wide[begun].dropna()
        last = common.iloc[-1] if len(common) else wide[begun].ffill().iloc[-1]
        rates = alive.set_index("variant").loc[begun, "learning_rate"]
        means = last.groupby(rates).mean()
        whole = rows.groupby("learning_rate")["status"].apply(lambda s: not s.eq("diverged").any())
        kept = means[[rate for rate in means.index if whole[rate]]]
        best[str(name)] = float((kept if len(kept) else means).idxmin())
    return best


def provenance(run: Run) -> dict[str, Any]:
    """Settings, and where and when the run was computed."""
    facts = {name.replace("_", " "): _shown(value) for name, value in run.facts.items() if name != "versions"}
    if "peak memory bytes" in facts:
        facts["peak memory"] = f"{run.facts['peak_memory_bytes'] / 1e9:.2f} GB"
        del facts["peak memory bytes"]
    versions = run.facts.get("versions", {})
    return {
        **settings(run), "model source": run.model_source, "task source": run.task_source, **facts,
        "versions": ", ".join(f"{name} {version}" for name, version in versions.items()),
        "job": run.job or "none: run from Python", "created": f"{run.created:%Y-%m-%d %H:%M:%S}",
        "finished": f"{run.finished:%Y-%m-%d %H:%M:%S}" if run.finished else "not yet", "request key": run.key,
    }  # fmt: skip
