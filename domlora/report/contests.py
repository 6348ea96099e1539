"""Plotly figures of a comparison and of a race, as plain dicts of `data` and `layout`. Pure functions, no Plotly.

In: a `Comparison` with the curves of its run, or the points of a race. Out: what `Plotly.newPlot` takes. A contestant
has the colour and the symbol that it has on the pages, so that figures can be read without colour too.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from domlora.colours import DASHES, colours, faint, symbols
from domlora.comparison.names import names_of, shortened
from domlora.comparison.result import Comparison
from domlora.comparison.selection import Contestant, by_rate
from domlora.placements.words import short_name
from domlora.report.figures import axis, error_bars, figure, label
from domlora.report.parts import Figure
from domlora.search.standings import OUT, base_loss

NATS = "nats per response token"
GREY = "#8C8C8C"
HEIGHT = 380  # pixels
PATTERNS = ("", "/", "\\", "x", "-", "|", "+", ".")
# Above the plot, where no number of names can lie over an axis.
LEGEND = {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}


def differences(comparison: Comparison) -> Figure:
    """Paired differences to the baseline with their intervals; left of zero is better."""
    order, baseline = names_of(comparison.run), short_name(str(comparison.baseline))
    table = shortened(comparison.table)
    table = table[(table["contestant"] != baseline) & np.isfinite(table["difference"].astype(float))].iloc[::-1]
    palette, marks = colours(order), symbols(order)
    traces = []
    for row in table.to_dict("records"):
        name, gap, low, high = (row[key] for key in ("contestant", "difference", "difference_low", "difference_high"))
        known = np.isfinite(low) and np.isfinite(high)
        span = f"95 % interval {low:+.3f} to {high:+.3f}" if known else "no interval"
        traces.append({
            "type": "scatter", "mode": "markers", "x": [gap], "y": [label(name)], "name": label(name),
            "marker": {"color": palette[name], "symbol": marks[name], "size": 11}, "hoverinfo": "text",
            "hovertext": f"<b>{label(name)}</b> minus {label(baseline)}<br>{gap:+.3f}, {span}",
            **({"error_x": error_bars([high - gap], [gap - low], thickness=1.6, width=5)} if known else {}),
        })  # fmt: skip
    ends = [0.0, *table["difference"], *table["difference_low"].dropna(), *table["difference_high"].dropna()]
    margin = 0.06 * (max(ends) - min(ends) or 1.0)
    x = axis(f"loss minus that of {label(baseline, 30)} (nats)", zeroline=False)
    names = {"type": "category", "ticksuffix": " "}
    return figure(
        traces, 90 + 34 * max(2, len(table)), x | {"range": [min(ends) - margin, max(ends) + margin]},
        {**names, "range": [-0.6, max(len(table), 1) - 0.4]}, shapes=[_upright(0, "dash")],
    )  # fmt: skip


def curves(comparison: Comparison, metrics: pd.DataFrame) -> Figure | None:
    """Validation loss of each contestant over the steps at its rate, with its seeds as a band; None without a point.

    Args:
        metrics: columns variant, step, name, value.
    """
    found = metrics[(metrics["name"] == "eval_loss") & np.isfinite(metrics["value"].astype(float))]
    values = found.pivot_table(index="step", columns="variant", values="value") if len(found) else pd.DataFrame()
    palette, marks = colours(names_of(comparison.run)), symbols(names_of(comparison.run))
    traces: list[dict[str, Any]] = []
    for contestant in comparison.contestants:
        name = short_name(contestant.name)
        own = _members(contestant, values)
        wide = values[own].dropna() if own else pd.DataFrame()
        if wide.empty:
            continue
        steps, mean = wide.index.tolist(), wide.mean(axis=1)
        low, high = wide.min(axis=1), wide.max(axis=1)
        if len(own) > 1 and len(steps) > 1:
            traces.append({
                "type": "scatter", "mode": "lines", "x": steps + steps[::-1], "y": high.tolist() + low.tolist()[::-1],
                "fill": "toself", "fillcolor": faint(palette[name], 0.16), "line": {"width": 0}, "hoverinfo": "skip",
                "showlegend": False, "legendgroup": label(name),
            })  # fmt: skip
        rate = next(v.learning_rate for v in comparison.variants if v.name == own[0])
        traces.append({
            "type": "scatter", "mode": "lines+markers", "x": steps, "y": mean.tolist(), "legendgroup": label(name),
            "name": f"{label(name)}, lr={rate:g}", "customdata": np.stack([low, high], axis=1).tolist(),
            "line": {"color": palette[name], "width": 2}, "marker": {"symbol": marks[name], "size": 7},
            "cliponaxis": False,
            "hovertemplate": "%{y:.4g}" + (" (%{customdata[0]:.4g} to %{customdata[1]:.4g})" if len(own) > 1 else ""),
        })  # fmt: skip
    if not traces:
        return None
    return figure(
        traces, HEIGHT, axis("optimizer step", rangemode="tozero"),
        axis(f"validation loss ({NATS})", ticksuffix=" "),
        hovermode="x unified", hoverlabel={"namelength": -1}, showlegend=True, legend=LEGEND,
    )  # fmt: skip


def _members(contestant: Contestant, values: pd.DataFrame) -> list[str]:
    """Its variants that are drawn: those that judge it, else those of its best rate so far."""
    judged = [variant.name for variant in contestant.variants if variant.name in values]
    if judged:
        return judged
    begun = by_rate(variant for variant in contestant.tried if variant.name in values)
    names = {rate: [variant.name for variant in variants] for rate, variants in begun.items()}
    last = {rate: float(values[own].ffill().iloc[-1].mean()) for rate, own in names.items()}
    return names[min(last, key=lambda rate: last[rate])] if last else []


def learning_rates(comparison: Comparison) -> Figure:
    """Validation loss against the learning rate, with the range of the seeds.

    Losses above that of the base model would flatten the others: they are drawn at the upper edge and told on hover.
    """
    table = shortened(comparison.learning_rates)
    order = [name for name in names_of(comparison.run) if name in set(table["contestant"])]
    palette, marks = colours(names_of(comparison.run)), symbols(names_of(comparison.run))
    finite = table["loss"][np.isfinite(table["loss"].astype(float))]
    low, high = _range(finite.tolist(), base_loss(comparison.run))
    traces = []
    for i, name in enumerate(order):
        rows = table[table["contestant"] == name].sort_values("learning_rate").to_dict("records")
        points = [(row, row["loss"] if math.isfinite(row["loss"]) else high) for row in rows
                  if math.isfinite(row["loss"]) or row["diverged"]]  # fmt: skip
        y = [min(loss, high) for _, loss in points]
        above = [max(0.0, min(row["high"], high) - at) if math.isfinite(row["high"]) else 0.0
                 for (row, _), at in zip(points, y, strict=True)]  # fmt: skip
        below = [max(0.0, at - row["low"]) if math.isfinite(row["low"]) and row["low"] < at else 0.0
                 for (row, _), at in zip(points, y, strict=True)]  # fmt: skip
        traces.append({
            "type": "scatter", "mode": "lines+markers", "x": [row["learning_rate"] for row, _ in points], "y": y,
            "name": label(name), "line": {"color": palette[name], "width": 2, "dash": DASHES[i % len(DASHES)]},
            "marker": {"size": 9, "symbol": [marks[name] if math.isfinite(row["loss"]) else "x" for row, _ in points]},
            "error_y": error_bars(above, below, thickness=1.2), "hoverinfo": "text",
            "hovertext": [_rate_told(name, row) for row, _ in points],
        })  # fmt: skip
    rates = sorted(table["learning_rate"].unique().tolist())
    margin = 0.06 * (high - low)
    return figure(
        traces, HEIGHT, axis("learning rate (log)", type="log", tickvals=rates, ticktext=[f"{r:g}" for r in rates]),
        axis(f"validation loss ({NATS})", range=[low - margin, high + margin]), showlegend=True, legend=LEGEND,
        hovermode="closest",
    )  # fmt: skip


def _rate_told(name: str, row: Mapping[str, Any]) -> str:
    head = f"<b>{label(name)}</b> at a learning rate of {row['learning_rate']:g}<br>"
    lost = f", {row['diverged']} diverged" if row["diverged"] else ""
    if not math.isfinite(row["loss"]):
        return f"{head}all seeds diverged"
    return f"{head}validation loss {row['loss']:.3f}, seeds finished: {row['finished']}{lost}"


def forgetting(comparison: Comparison) -> Figure:
    """Change of loss on the tasks that were not trained; above zero is forgotten."""
    table, order = shortened(comparison.forgetting), names_of(comparison.run)
    palette, traces = colours(order), []
    for i, name in enumerate(name for name in order if name in set(table["contestant"])):
        rows = table[table["contestant"] == name]
        tasks = [label(task, 30) for task in rows["task"]]
        pattern = {"shape": PATTERNS[i % len(PATTERNS)], "solidity": 0.2, "fillmode": "overlay"}
        known = bool(np.isfinite(rows[["low", "high"]].to_numpy(dtype=float)).all())
        bars = error_bars(rows["high"] - rows["change"], rows["change"] - rows["low"], thickness=1.2, color="grey")
        traces.append({
            "type": "bar", "name": label(name), "x": tasks, "y": rows["change"].tolist(), "hoverinfo": "text",
            "marker": {"color": palette[name], "pattern": pattern},
            "hovertext": [f"<b>{label(name)}</b> on {task}<br>loss changes by {change:+.3f}"
                          for task, change in zip(tasks, rows["change"], strict=True)],
            **({"error_y": bars} if known else {}),
        })  # fmt: skip
    return figure(
        traces, HEIGHT, axis("task that was not trained", type="category"),
        axis("change of loss (nats; above 0: forgotten)", zeroline=True), barmode="group", bargap=0.25, showlegend=True,
        legend=LEGEND,
    )  # fmt: skip


def race(points: pd.DataFrame, palette: Mapping[str, str]) -> Figure:
    """Validation loss of each entry at the end of each rung; rungs stand at equal distances, as each doubles the steps.

    Args:
        points: of `search.standings.points`.
        palette: colours of the placements that are named, each by its best entry.
    """
    base = points[points["rung"] == 0]["loss"]
    low, high = _range(points["loss"].tolist(), float(base.iloc[0]) if len(base) else None)
    ran = points[points["rung"] > 0].sort_values(["rung", "loss"], ascending=[False, True])
    best = ran[ran["placement"].isin(list(palette))].drop_duplicates("placement")
    named = dict(zip(best["entry"], best["placement"], strict=True))
    marks = symbols(list(palette))
    last = points.groupby("entry", sort=False).tail(1)
    fell = set(last[last["state"].str.startswith(OUT)]["entry"])
    others = [entry for entry in last["entry"] if entry not in named]
    groups = (("fell out", [e for e in others if e in fell], 0.45), ("stayed", [e for e in others if e not in fell], 1))
    traces = []
    for name, entries, opacity in groups:
        if entries:
            traces.append(_lines(points, entries, fell, high, name, GREY, "circle") | {"opacity": opacity})
    for entry, placement in named.items():
        traces.append(_lines(points, [entry], fell, high, placement, palette[placement], marks[placement], 3))
    steps = dict(sorted(zip(points["rung"].tolist(), points["step"].tolist(), strict=True)))
    ticks = {"tickvals": list(steps), "ticktext": [str(step) if rung else "start" for rung, step in steps.items()]}
    margin = 0.06 * (high - low)
    return figure(
        traces, HEIGHT + 60, axis("optimizer steps at the end of each rung", zeroline=False, **ticks),
        axis(f"validation loss ({NATS})", range=[low - margin, high + margin]), showlegend=True, legend=LEGEND,
        hovermode="closest",
    )  # fmt: skip


def _lines(
    points: pd.DataFrame, entries: Iterable[str], fell: set[str], high: float, name: str, colour: str, mark: str,
    width: float = 1.5,
) -> dict[str, Any]:  # fmt: skip
    """Entries of one look as one trace, with a gap between two; a cross where one fell out."""
    x: list[Any] = []
    y: list[Any] = []
    texts: list[Any] = []
    signs: list[str] = []
    for entry in entries:
        own = points[points["entry"] == entry]
        x += [*own["rung"].tolist(), None]
        y += [*own["loss"].clip(upper=high).tolist(), None]
        texts += [*(_race_told(row) for row in own.to_dict("records")), None]
        signs += [mark] * (len(own) - 1) + ["x" if entry in fell else mark, mark]
    return {
        "type": "scatter", "mode": "lines+markers", "x": x, "y": y, "name": label(name, 30), "hovertext": texts,
        "hoverinfo": "text", "connectgaps": False, "line": {"color": colour, "width": width},
        "marker": {"color": colour, "symbol": signs, "size": 6 + width},
    }  # fmt: skip


def _race_told(row: Mapping[str, Any]) -> str:
    head = (
        f"<b>{label(row['placement'])}</b> at a learning rate of {row['rate']:g}<br>validation loss {row['loss']:.3f} "
    )
    return head + (f"at step {row['step']}<br>{row['state']}" if row["rung"] else "before training")


def _range(losses: Sequence[float], base: float | None) -> tuple[float, float]:
    """The losses between which is drawn: up to that of the base model, or to the highest if that is less."""
    if not losses:
        return 0.0, 1.0
    low, high = min(losses), max(losses)
    if base is not None and low < base:
        high = min(high, base)
    return low, max(high, low + 1e-3)


def _upright(x: float, dash: str) -> dict[str, Any]:
    line = {"color": "grey", "dash": dash, "width": 1}
    return {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line}
