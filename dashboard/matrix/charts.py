"""Plotly figures of how alike models and tasks are and where their winners sit. Pure functions: no Streamlit, no store.

In: what `domlora.matrix` says of a set of maps. Out: figures in which a task has one colour everywhere. The heatmaps
of the maps themselves are in `dashboard.matrix.heatmaps`. May not import torch, transformers or peft.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.shared.figures import (
    ACCENT,
    COLOURS,
    COLOURSCALE,
    LEGEND_BELOW,
    SYMBOLS,
    finish,
    kind_in_legend,
    kind_symbol,
)
from dashboard.shared.words import cut
from domlora.matrix.agreement import Agreement
from domlora.models.kinds import in_order

# A built-in task has the same colour on every page and in every set of tasks; others take what is left, in order.
TASK_COLOURS = {"instruction": COLOURS[0], "math": COLOURS[1], "code": COLOURS[2], "chat": COLOURS[3]}
AGREEMENTS = {"rho": ("Spearman's rho of all scores", -1), "winner": ("Same winner, in resamples", 0),
              "overlap": ("Overlap of the top {k}", 0)}  # fmt: skip
UNITS = {"tasks": "modules", "models": "cells of kind × depth"}
TITLE = 54  # letters of a title that fit beside the menu at 800 pixels
TITLE_GAP = 4  # pixels over a title


def task_colours(tasks: Sequence[str]) -> dict[str, str]:
    """One colour a task, the built-in ones always their own."""
    free = [colour for colour in COLOURS if colour not in TASK_COLOURS.values()]
    others = [task for task in tasks if task not in TASK_COLOURS]
    return TASK_COLOURS | {task: free[i % len(free)] for i, task in enumerate(others)}


def agreement(alike: Agreement, what: str) -> go.Figure:
    """How alike each two tasks or models are: a number in every cell, its interval in the hover text.

    Args:
        what: a key of `AGREEMENTS`.
    """
    title, least = AGREEMENTS[what]
    values = {"rho": alike.rho, "winner": alike.winner_probability, "overlap": alike.overlap}[what]
    if what == "winner":  # a map that keeps no single samples still has a winner
        values = np.where(np.isfinite(values) | ~np.isfinite(alike.rho), values, alike.winner.astype(float))
    count = len(alike.labels)
    words = [[_pair(alike, what, values, i, j) for j in range(count)] for i in range(count)]
    figure = go.Figure(
        go.Heatmap(
            z=values, x=list(range(count)), y=list(range(count)), zmin=least, zmax=1, colorscale=COLOURSCALE,
            xgap=1, ygap=1, customdata=words, hovertemplate="%{customdata}<extra></extra>", hoverongaps=False,
            colorbar={"thickness": 8, "outlinewidth": 0, "tickvals": sorted({least, 0, 1}), "tickfont": {"size": 10}},
        )
    )  # fmt: skip
    filled = [(i, j) for i in range(count) for j in range(count) if np.isfinite(values[i, j])]
    bright = [(values[cell] - least) / (1 - least) > 0.5 for cell in filled]
    figure.add_scatter(
        x=[j for _, j in filled], y=[i for i, _ in filled], mode="text", hoverinfo="skip", showlegend=False,
        text=[f"{values[cell]:.2f}" for cell in filled],
        textfont={"size": 10 if count > 5 else 13, "color": ["#111" if light else "#fff" for light in bright]},
    )  # fmt: skip
    names = [cut(name, 14) for name in alike.labels]
    ticks = {"tickvals": list(range(count)), "ticktext": names, "showgrid": False, "zeroline": False}
    figure.update_xaxes(**ticks, range=[-0.5, count - 0.5], tickangle=-45 if count > 2 else 0)
    figure.update_yaxes(**ticks, range=[count - 0.5, -0.5])
    return finish(figure, title.format(k=alike.top_k), 130 + 32 * max(count, 3), title_gap=TITLE_GAP)


def _pair(alike: Agreement, what: str, values: np.ndarray, i: int, j: int) -> str:
    """What is known of two names, in full words."""
    lines = [f"<b>{alike.labels[i]} and {alike.labels[j]}</b>" if i != j else f"<b>{alike.labels[i]}</b>"]
    low, high = {
        "rho": (alike.rho_low, alike.rho_high), "winner": (alike.winner_low, alike.winner_high),
        "overlap": (alike.overlap_low, alike.overlap_high),
    }[what]  # fmt: skip
    if what == "rho":
        lines.append(f"Spearman's rho {values[i, j]:.2f}")
    elif what == "winner":
        same = "the same winner" if alike.winner[i, j] else "different winners"
        known = np.isfinite(alike.winner_probability[i, j])
        lines.append(same + (f"; the same in {values[i, j]:.0%} of resamples" if known else ""))
    else:
        lines.append(f"{values[i, j]:.0%} of the top {alike.top_k} in common")
        lines.append(f"by chance {alike.overlap_by_chance[i, j]:.0%}")
    if np.isfinite(low[i, j]) and i != j:
        lines.append(f"95 % interval {low[i, j]:.2f} to {high[i, j]:.2f}")
    if i != j:
        lines.append(
            f"compared on {int(alike.compared[i, j])} {UNITS[alike.between]} of {int(alike.kinds[i, j])} kinds"
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
            marker={"color": colours[task], "size": 12, "symbol": [kind_symbol(kind) for kind in rows["kind"]],
                    "line": {"width": 1, "color": "rgba(128,128,128,0.9)"}},
            showlegend=False,
        )  # fmt: skip
        figure.add_scatter(
            x=[None], y=[None], mode="markers", name=cut(task, 20), marker={"color": colours[task], "size": 12},
            legend="legend",
        )  # fmt: skip
    for kind in in_order(table["kind"]):
        kind_in_legend(figure, kind, legend="legend2")
    for edge in range(1, len(models)):
        figure.add_hline(y=edge - 0.5, line={"color": "rgba(128,128,128,0.35)", "width": 1})
    figure.update_xaxes(
        title="relative depth (0: first layer, 1: last)", range=[-0.03, 1.03], zeroline=False,
        gridcolor="rgba(128,128,128,0.25)", tickvals=[0, 0.25, 0.5, 0.75, 1],
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(len(models))), ticktext=[cut(model, 16) for model in models], showgrid=False,
        range=[len(models) - 0.5, -0.5], zeroline=False,
    )  # fmt: skip
    # Entries are traces of their own: a click on one would hide it and none of the marks.
    unclickable = {"itemclick": False, "itemdoubleclick": False}
    figure.update_layout(
        legend={"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom", **unclickable,
                "title": {"text": "task "}},
        legend2={**LEGEND_BELOW, **unclickable, "title": {"text": "kind "}},
    )  # fmt: skip
    height, margin = 190 + 46 * max(2, len(models)), {"t": 78, "b": 100}
    return finish(figure, "Where the leading module sits", height, title_gap=TITLE_GAP, margin=margin)


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
    _reference_lines(figure, counts, level, paper)
    reached = [count for count in enough.values() if count is not None]
    if len(reached) == len(curves):
        title = f"{max(reached)} samples are enough on every task"
    else:
        title = f"enough samples on {len(reached)} of {len(curves)} tasks"
    figure.update_xaxes(
        title="samples (log)", type="log", tickvals=counts, ticktext=[str(count) for count in counts],
        gridcolor="rgba(128,128,128,0.2)", zeroline=False,
    )  # fmt: skip
    figure.update_yaxes(
        title="same winner as with all samples", tickformat=".0%", range=[0, 1.04], zeroline=False,
        gridcolor="rgba(128,128,128,0.2)",
    )  # fmt: skip
    figure.update_layout(legend=LEGEND_BELOW)
    title = f"{cut(model, TITLE - 2 - len(title))}: {title}"
    return finish(figure, title, 400, title_gap=TITLE_GAP, margin={"b": 86})


def _reference_lines(figure: go.Figure, counts: Sequence[int], level: float, paper: int) -> None:
    """The agreement that is asked for and the samples that the paper takes, over an axis of `counts`."""
    ends = [counts[0], counts[-1]]
    silent = {"mode": "lines", "showlegend": False, "hoverinfo": "skip"}
    figure.add_scatter(x=ends, y=[level] * 2, line={"color": "grey", "dash": "dot", "width": 1}, **silent)
    figure.add_scatter(x=[paper] * 2, y=[0, 1.04], line={"color": ACCENT, "dash": "dash", "width": 1}, **silent)
    figure.add_annotation(
        x=math.log10(paper), y=0.02, text=f"the paper: {paper} samples", showarrow=False, yanchor="bottom",
        xanchor="right" if paper > counts[len(counts) // 2] else "left", font={"color": ACCENT, "size": 12},
    )  # fmt: skip
    figure.add_annotation(
        x=math.log10(counts[0]), y=level, text=f"{level:.0%}", showarrow=False, yanchor="bottom", xanchor="left",
        font={"color": "grey", "size": 12},
    )  # fmt: skip
