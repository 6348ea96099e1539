"""Plotly figures of a search: the race from rung to rung, and where on the model it goes on. Pure functions.

In: tables of `dashboard.find.tables`, an `EnergyMap`. Out: figures in few traces, however many entries race, that can
be read without colour: who leads is named at the end of its line, who fell out ends in a cross.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.find.tables import OUT
from dashboard.shared import heatmap
from dashboard.shared.contestants import LOSS, TITLE
from dashboard.shared.figures import finish_long
from dashboard.shared.words import count, cut
from domlora.energy.energy_map import EnergyMap

HEIGHT = 420  # pixels
LABEL_WIDTH = 150  # pixels beside the plot for the names of who leads
LABEL_LETTERS = 15  # of a placement's name
LINE = 17  # pixels from one name to the next
GREY = "#8C8C8C"
ROOM = 0.06  # of the range of losses, left free above and below
DIM = 0.2  # opacity of cells that nobody in the race adapts
WIDE = 0.5  # of all modules, from which on a placement lights nothing: it would light everything


def tournament(
    points: pd.DataFrame, palette: Mapping[str, str], title: str, *, to_come: Sequence[int] = (), revision: str = ""
) -> go.Figure:  # fmt: skip
    """Validation loss of each entry at the end of each rung; rungs stand at equal distances, as each doubles the steps.

    Losses above that of the base model would flatten the others: they are drawn at the upper edge and told on hover.

    Args:
        points: a table of `tables.points`.
        palette: colours of the placements that are named, each by its best entry.
        to_come: steps of the rungs that are still planned.
    """
    figure = go.Figure()
    steps = {int(rung): int(step) for rung, step in zip(points["rung"], points["step"], strict=True)}
    done = [step for rung, step in sorted(steps.items()) if rung]
    low, high = _range(points)
    points = points.assign(y=points["loss"].clip(upper=high), text=[_hover(row) for row in points.itertuples()])
    last = points.groupby("entry", sort=False).tail(1)
    fell = set(last[last["state"].str.startswith(OUT)]["entry"])
    named = _best_entries(points, palette)
    groups: dict[str, list[str]] = {OUT: [], GREY: []}
    for entry in last["entry"]:
        if entry not in named.values():
            groups[OUT if entry in fell else GREY].append(entry)
    beyond = int((last["loss"] > high).sum())
    name = "fell out" + (f", {beyond} of them above the upper edge" if beyond else "")
    _lines(figure, points, groups[OUT], fell, name, GREY, 1.0, 0.4)
    _lines(
        figure,
        points,
        groups[GREY],
        fell,
        "still in the race" if to_come else "stayed to the last rung",
        GREY,
        1.8,
        0.95,
    )
    for placement, entry in named.items():
        _lines(figure, points, [entry], fell, placement, palette[placement], 3.0, 1.0, legend=False)
    _labels(figure, points, named, palette, low, high)
    for place in range(1, len(done) + len(to_come) + 1):
        figure.add_vline(
            x=place, line={"color": GREY, "width": 1, "dash": "dot"}, opacity=0.8 if place <= len(done) else 0.35
        )
    ticks = ["start", *map(str, done), *map(str, to_come)]
    figure.update_xaxes(
        title="optimizer steps at the end of each rung", tickvals=list(range(len(ticks))), ticktext=ticks,
        range=[-0.05 if 0 in steps else 0.6, len(ticks) - 1 + 0.12], showgrid=False, zeroline=False,
    )  # fmt: skip
    figure.update_yaxes(title=f"validation {LOSS}", range=[low, high + ROOM * (high - low)], zeroline=False)
    figure.update_layout(hovermode="closest", hoverlabel={"namelength": -1}, uirevision=revision or "fixed")
    finish_long(figure, title, HEIGHT, letters=TITLE, legend=True, legend_height=26, zoom=True)
    return figure.update_layout(margin_r=LABEL_WIDTH)


def _range(points: pd.DataFrame) -> tuple[float, float]:
    """The losses between which is drawn: up to that of the base model, or of the better half where it is not known."""
    if points.empty:
        return 0.0, 1.0
    start = points[points["rung"] == 0]["loss"]
    best = float(points["loss"].min())
    top = float(start.iloc[0]) if len(start) else float(points["loss"].median())
    spread = max(top - best, 1e-3)
    return best - ROOM * spread, max(top, best + spread) + ROOM * spread


def _hover(row: Any) -> str:
    what = f"<b>{row.placement}</b> at a learning rate of {row.rate:g}<br>"
    if row.rung == 0:
        return f"{what}validation loss {row.loss:.3f} before training"
    return f"{what}validation loss {row.loss:.3f} at step {row.step}, the end of rung {row.rung}<br>{row.state}"


def _best_entries(points: pd.DataFrame, palette: Collection[str]) -> dict[str, str]:
    """The entry of each named placement that came furthest, and of those the lowest."""
    ran = points[(points["rung"] > 0) & points["placement"].isin(list(palette))]
    ran = ran.sort_values(["rung", "loss"], ascending=[False, True])
    return dict(ran.drop_duplicates("placement")[["placement", "entry"]].itertuples(index=False, name=None))


def _lines(
    figure: go.Figure, points: pd.DataFrame, entries: Sequence[str], fell: Collection[str], name: str, colour: str,
    width: float, opacity: float, *, legend: bool = True,
) -> None:  # fmt: skip
    """All lines of one look as one trace, with a gap between two of them; a cross where one fell out."""
    if not entries:
        return
    by_entry = dict(iter(points.groupby("entry", sort=False)))
    x, y, text, marks, sizes = [], [], [], [], []
    for entry in entries:
        own = by_entry[entry]
        x += [*own["rung"], None]
        y += [*own["y"], None]
        text += [*own["text"], None]
        ends = "x" if entry in fell else "circle"
        marks += ["circle"] * (len(own) - 1) + [ends, "circle"]
        sizes += [0 if rung == 0 else 4 + width for rung in own["rung"]] + [0]
    figure.add_scatter(
        x=x, y=y, mode="lines+markers", name=name, opacity=opacity, showlegend=legend, hovertext=text,
        hovertemplate="%{hovertext}<extra></extra>", line={"color": colour, "width": width},
        marker={"color": colour, "symbol": marks, "size": sizes}, connectgaps=False,
    )  # fmt: skip


def _labels(
    figure: go.Figure, points: pd.DataFrame, named: Mapping[str, str], palette: Mapping[str, str], low: float,
    high: float,
) -> None:  # fmt: skip
    """Names at the ends of their lines, none over another."""
    ends = points[points["entry"].isin(list(named.values()))].groupby("entry", sort=False).tail(1)
    ends = ends.sort_values("y")
    gap = LINE * (high - low) / (HEIGHT - 110)
    for row, y in zip(ends.itertuples(), spread(ends["y"].to_numpy(), gap, low), strict=True):
        figure.add_annotation(
            x=row.rung, y=y, text=f"{cut(row.placement, LABEL_LETTERS)} lr={row.rate:g}", showarrow=False,
            xanchor="left", xshift=9, font={"color": palette[row.placement], "size": 12},
        )  # fmt: skip


def spread(values: np.ndarray, gap: float, low: float) -> np.ndarray:
    """Rising values moved apart so that neighbours are no nearer than a gap, and none is below `low`."""
    moved = np.asarray(values, dtype=float).copy()
    for _ in range(100):
        close = np.flatnonzero(np.diff(moved) < gap * (1 - 1e-6))
        if not len(close):
            break
        for i in close:
            push = (gap - (moved[i + 1] - moved[i])) / 2
            moved[i], moved[i + 1] = moved[i] - push, moved[i + 1] + push
    return moved + max(low - moved[0], 0.0) if len(moved) else moved


def lit_map(
    energy: EnergyMap, stack: str, lit: Collection[str], outlined: Collection[str], colour: str, title: str
) -> go.Figure:  # fmt: skip
    """The energy map of one stack with the cells that are spoken of at full strength, all others dim.

    Args:
        lit: modules.
        outlined: modules that have a frame besides.
    """
    figure = heatmap.heatmap(energy, stack, "share", log=False, picked=())
    table = energy.table[energy.table["stack"] == stack]
    kinds, layers = heatmap.axes_of(table)
    shares = heatmap.cells(table, kinds, layers, "share")
    on = heatmap.cells(table.assign(lit=table["module"].isin(list(lit)).astype(float)), kinds, layers, "lit")
    cells, peak = figure.data[0], float(np.nanmax(shares))
    cells.update(z=np.where(on == 1, shares, np.nan), zmin=0.0, zmax=peak)
    figure.add_heatmap(
        z=shares, x=layers, y=kinds, colorscale=cells.colorscale, zmin=0.0, zmax=peak, xgap=1, ygap=1, opacity=DIM,
        showscale=False, hoverinfo="skip",
    )  # fmt: skip
    heatmap.outline(figure, table, [(module, colour, "solid") for module in outlined])
    return figure.update_layout(title_text=title)


def narrow(modules: Mapping[str, list[str]], whole: int) -> dict[str, list[str]]:
    """Placements that adapt fewer than half of all modules."""
    return {name: own for name, own in modules.items() if len(own) < WIDE * whole}


def race_title(rungs: int, to_come: int, going: int, all_: int) -> str:
    """How far the race is: not who leads, which the page says above it."""
    of = f" of about {rungs + to_come}" if to_come else ""
    return f"Rung {rungs}{of} has ended: {going} of {count(all_, 'adapter')} go on"
