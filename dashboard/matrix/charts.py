"""Plotly figures of how alike models and tasks are and where their winners sit. Pure functions: no Streamlit, no store.

In: what `domlora.matrix` and its neighbours say of a set of maps. Out: figures in which a task has one colour
everywhere. The heatmaps themselves are in `small_multiples`. May not import torch, transformers or peft.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.shared.figures import ACCENT, BAR, COLOURS, COLOURSCALE, SYMBOLS, cut, kind_symbol
from domlora.matrix.agreement import Agreement
from domlora.models.kinds import in_order

# A built-in task has the same colour on every page and in every set of tasks; others take what is left, in order.
TASK_COLOURS = {"instruction": COLOURS[0], "math": COLOURS[1], "code": COLOURS[2], "chat": COLOURS[3]}
AGREEMENTS = {"rho": ("Spearman's rho of all scores", -1), "winner": ("Same winner, in resamples", 0),
              "overlap": ("Overlap of the top {k}", 0)}  # fmt: skip
UNITS = {"tasks": "modules", "models": "cells of kind × depth"}
TITLE = 54  # letters of a title that fit beside the menu at 800 pixels


def task_colours(tasks: Sequence[str]) -> dict[str, str]:
    """One colour a task, the built-in ones always their own."""
    free = [colour for colour in COLOURS if colour not in TASK_COLOURS.values()]
    others = [task for task in tasks if task not in TASK_COLOURS]
    return TASK_COLOURS | {task: free[i % len(free)] for i, task in enumerate(others)}


def agreement(found: Agreement, what: str) -> go.Figure:
    """How alike each two tasks or models are: a number in every cell, its interval in the hover text.

    Args:
        what: a key of `AGREEMENTS`.
    """
    title, least = AGREEMENTS[what]
    values = {"rho": found.rho, "winner": found.winner_probability, "overlap": found.overlap}[what]
    if what == "winner":  # a map that keeps no single samples still has a winner
        values = np.where(np.isfinite(values) | ~np.isfinite(found.rho), values, found.winner.astype(float))
    count = len(found.labels)
    words = [[_pair(found, what, values, i, j) for j in range(count)] for i in range(count)]
    figure = go.Figure(
        go.Heatmap(
            z=values, x=list(range(count)), y=list(range(count)), zmin=least, zmax=1, colorscale=COLOURSCALE,
            xgap=1, ygap=1, customdata=words, hovertemplate="%{customdata}<extra></extra>", hoverongaps=False,
            colorbar={"thickness": 8, "outlinewidth": 0, "tickvals": sorted({least, 0, 1}), "tickfont": {"size": 10}},
        )
    )  # fmt: skip
    known = [(i, j) for i in range(count) for j in range(count) if np.isfinite(values[i, j])]
    bright = [(values[cell] - least) / (1 - least) > 0.5 for cell in known]
    figure.add_scatter(
        x=[j for _, j in known], y=[i for i, _ in known], mode="text", hoverinfo="skip", showlegend=False,
        text=[f"{values[cell]:.2f}" for cell in known],
        textfont={"size": 10 if count > 5 else 13, "color": ["#111" if light else "#fff" for light in bright]},
    )  # fmt: skip
    names = [cut(name, 14) for name in found.labels]
    ticks = {"tickvals": list(range(count)), "ticktext": names, "showgrid": False, "zeroline": False}
    figure.update_xaxes(**ticks, range=[-0.5, count - 0.5], tickangle=-45 if count > 2 else 0, automargin=True)
    figure.update_yaxes(**ticks, range=[count - 0.5, -0.5], automargin=True)
    return finish(figure, title.format(k=found.top_k), 130 + 32 * max(count, 3))


def _pair(found: Agreement, what: str, values: np.ndarray, i: int, j: int) -> str:
    """What is known of two names, in full words."""
    lines = [f"<b>{found.labels[i]} and {found.labels[j]}</b>" if i != j else f"<b>{found.labels[i]}</b>"]
    low, high = {
        "rho": (found.rho_low, found.rho_high), "winner": (found.winner_low, found.winner_high),
        "overlap": (found.overlap_low, found.overlap_high),
    }[what]  # fmt: skip
    if what == "rho":
        lines.append(f"Spearman's rho {values[i, j]:.2f}")
    elif what == "winner":
        same = "the same winner" if found.winner[i, j] else "different winners"
        known = np.isfinite(found.winner_probability[i, j])
        lines.append(same + (f"; the same in {values[i, j]:.0%} of resamples" if known else ""))
    else:
        lines.append(f"{values[i, j]:.0%} of the top {found.top_k} in common")
        lines.append(f"by chance {found.overlap_by_chance[i, j]:.0%}")
    if np.isfinite(low[i, j]) and i != j:
        lines.append(f"95 % interval {low[i, j]:.2f} to {high[i, j]:.2f}")
    if i != j:
        lines.append(
            f"compared on {int(found.compared[i, j])} {UNITS[found.between]} of {int(found.kinds[i, j])} kinds"
        )
    return "<br>".join(lines)


def winners(table: pd.DataFrame, models: Sequence[str], tasks: Sequence[str], shares: bool = True) -> go.Figure:
    """Where the leading module of each model sits: depth across, one line a model, a mark for each task.

    Args:
        table: columns model, task, layer, layers, depth (0 first layer, 1 last), kind, share, frequency (NaN if
            unknown).
        shares: whether a share of the scores means anything, see `ProbeInfo.additive`.
    """
    colours = task_colours(tasks)
    kinds = in_order(table["kind"])
    symbols = {kind: kind_symbol(kind) for kind in kinds}
    spread = 0.56 / max(1, len(tasks) - 1)  # tasks that agree would hide each other on one line
    figure = go.Figure()
    for task in tasks:
        rows = table[table["task"] == task]
        y = [models.index(m) + (tasks.index(task) * spread - 0.28 if len(tasks) > 1 else 0) for m in rows["model"]]
        text = [
            f"<b>{r.model} on {r.task}</b><br>layer {r.layer} of {r.layers}, {r.kind}: relative depth {r.depth:.2f}"
            + (f"<br>share {r.share:.1%}" if shares else "")
            + (f"<br>leads in {r.frequency:.0%} of resamples" if r.frequency >= 0 else "")
            for r in rows.itertuples()
        ]
        figure.add_scatter(
            x=rows["depth"], y=y, mode="markers", hovertext=text, hovertemplate="%{hovertext}<extra></extra>",
            marker={"color": colours[task], "size": 12, "symbol": [symbols[kind] for kind in rows["kind"]],
                    "line": {"width": 1, "color": "rgba(128,128,128,0.9)"}},
            showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=cut(task, 20), marker={"color": colours[task], "size": 12},
            legend="legend",
        )  # fmt: skip
    for kind in kinds:
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=kind, legend="legend2",
            marker={"color": "grey", "size": 11, "symbol": symbols[kind]},
        )  # fmt: skip
    for edge in range(1, len(models)):
        figure.add_hline(y=edge - 0.5, line={"color": "rgba(128,128,128,0.35)", "width": 1})
    figure.update_xaxes(
        title="relative depth (0: first layer, 1: last)", range=[-0.03, 1.03], zeroline=False,
        gridcolor="rgba(128,128,128,0.25)", tickvals=[0, 0.25, 0.5, 0.75, 1], automargin=True,
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(models))), ticktext=[cut(model, 16) for model in models], showgrid=False,
        range=[len(models) - 0.5, -0.5], zeroline=False, automargin=True,
    )  # fmt: skip
    figure = finish(figure, "Where the leading module sits", 190 + 46 * max(2, len(models)))
    line = {"orientation": "h", "x": 0, "xanchor": "left", "itemclick": False, "itemdoubleclick": False}
    return figure.update_layout(
        legend={**line, "y": 1.0, "yanchor": "bottom", "title": {"text": "task "}},
        legend2={**line, "yref": "container", "y": 0, "yanchor": "bottom", "title": {"text": "kind "}},
        margin={"t": 78, "b": 100},
    )


def sample_curves(
    curves: Mapping[str, pd.DataFrame], enough: Mapping[str, int | None], level: float, paper: int, model: str
) -> go.Figure:
    """How often fewer samples give the winner that all of them give, one line a task.

    Args:
        curves: by task; columns samples, agreement, low, high.
        enough: by task, the samples from which on the agreement is at least `level`, None if there are not enough.
        paper: samples that the paper takes.
    """
    colours = task_colours(list(curves))
    figure = go.Figure()
    counts = sorted({int(count) for curve in curves.values() for count in curve["samples"]} | {paper})
    for i, (task, curve) in enumerate(curves.items()):
        symbol = SYMBOLS[i % len(SYMBOLS)]
        figure.add_scatter(
            x=curve["samples"], y=curve["agreement"], mode="lines+markers", name=cut(task, 20), legendgroup=task,
            line={"color": colours[task], "width": 2}, marker={"symbol": symbol, "size": 8},
            customdata=np.stack([[task] * len(curve), curve["low"], curve["high"]], axis=1),
            hovertemplate="<b>%{customdata[0]}</b><br>%{x} samples: %{y:.0%} (95 % interval %{customdata[1]:.0%} to "
            "%{customdata[2]:.0%})<extra></extra>",
        )  # fmt: skip
        count = enough.get(task)
        if count is not None:
            figure.add_scatter(
                x=[count], y=curve.loc[curve["samples"] == count, "agreement"], mode="markers", showlegend=False,
                legendgroup=task, hovertemplate=f"<b>{task}</b><br>{count} samples are enough<extra></extra>",
                marker={"symbol": f"{symbol}-open", "size": 17, "color": colours[task], "line": {"width": 3}},
            )  # fmt: skip
    ends = [counts[0], counts[-1]]
    dotted = {"mode": "lines", "showlegend": False, "hoverinfo": "skip"}
    figure.add_scatter(x=ends, y=[level] * 2, line={"color": "grey", "dash": "dot", "width": 1}, **dotted)
    figure.add_scatter(x=[paper] * 2, y=[0, 1.04], line={"color": ACCENT, "dash": "dash", "width": 1}, **dotted)
    figure.add_annotation(
        x=math.log10(paper), y=0.02, text=f"the paper: {paper} samples", showarrow=False, yanchor="bottom",
        xanchor="right" if paper > counts[len(counts) // 2] else "left", font={"color": ACCENT, "size": 12},
    )  # fmt: skip
    figure.add_annotation(
        x=math.log10(counts[0]), y=level, text=f"{level:.0%}", showarrow=False, yanchor="bottom", xanchor="left",
        font={"color": "grey", "size": 12},
    )  # fmt: skip
    reached = [count for count in enough.values() if count is not None]
    if len(reached) == len(curves):
        title = f"{max(reached)} samples are enough on every task"
    else:
        title = f"enough samples on {len(reached)} of {len(curves)} tasks"
    figure.update_xaxes(
        title="samples (log)", type="log", tickvals=counts, ticktext=[str(count) for count in counts],
        gridcolor="rgba(128,128,128,0.2)", zeroline=False, automargin=True,
    )  # fmt: skip
    figure.update_yaxes(
        title="same winner as with all samples", tickformat=".0%", range=[0, 1.04], zeroline=False, automargin=True,
        gridcolor="rgba(128,128,128,0.2)",
    )  # fmt: skip
    figure = finish(figure, f"{cut(model, TITLE - 2 - len(title))}: {title}", 400)
    return figure.update_layout(
        legend={"orientation": "h", "x": 0, "xanchor": "left", "yref": "container", "y": 0, "yanchor": "bottom"},
        margin={"b": 86},
    )


def finish(figure: go.Figure, title: str, height: int) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left", "y": 1, "yanchor": "top",
               "yref": "container", "pad": {"t": 4}},
        height=height, margin={"l": 10, "r": 10, "t": 34, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", dragmode=False,
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "grey", "activecolor": BAR},
    )  # fmt: skip
    return figure
