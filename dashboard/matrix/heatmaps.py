"""Heatmaps of models × tasks on one colour scale. Pure functions: no Streamlit, no store.

In: energy maps by one probe. Out: a figure a model with its tasks side by side, and the scale that all of them share.
Layers from left to right and kinds from top to bottom, as on the Energy map. May not import torch or transformers.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.matrix.charts import TITLE, TITLE_GAP
from dashboard.shared.figures import ACCENT, COLOURSCALE, finish
from dashboard.shared.heatmap import leader, measures_of, tick_step
from dashboard.shared.words import cut
from domlora.energy.energy_map import EnergyMap
from domlora.models.kinds import in_order
from domlora.probes.registry import ProbeInfo

ALIGNMENTS = ("layer", "relative depth")
TASKS_A_ROW = 5  # heatmaps side by side; more would be too narrow at 800 pixels
KIND_HEIGHT = 17  # pixels of a row, with room for its label
FOOT = 46  # pixels below, for the layers and what they are
LABELS = 5  # of layers, so that none runs into the next in a narrow window
GAPS = 40  # layers from which on no gap is left between two: it would be as wide as they are
HEAD = 74  # pixels over a row of heatmaps, for three lines and the model's name
NAME = 12  # letters of a task that fit over a heatmap in a narrow window


def measures(probe: ProbeInfo) -> dict[str, str]:
    """What the heatmaps can be coloured by. Energies of two models have no common unit, their shares have."""
    words = measures_of(probe)
    return {name: word for name, word in words.items() if name != "energy" or not probe.additive}


@dataclass(frozen=True)
class Scale:
    """The colour scale that all heatmaps of a page share.

    Attributes:
        measure: a key of `measures`.
        name: of the measure, in words.
        low, high: values at its ends, as logarithms to base 10 if `log`.
        reverse: bright is low, where the probe prefers low scores.
    """

    measure: str
    name: str
    log: bool
    low: float
    high: float
    reverse: bool = False

    @classmethod
    def of(cls, maps: Sequence[EnergyMap], measure: str, log: bool) -> Scale:
        """From the smallest to the largest value of all maps; on a linear scale of amounts, from 0.

        Args:
            maps: at least one, all by one probe.
        """
        probe = maps[0].probe
        name, reverse = measures(probe)[measure], probe.prefers == "low"
        values = np.concatenate([_cells(energy)[measure].to_numpy(float) for energy in maps])
        values = values[np.isfinite(values)]
        positive = values[values > 0]
        if log and len(positive):
            return cls(measure, name, True, math.log10(positive.min()), math.log10(positive.max()), reverse)
        low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
        return cls(measure, name, False, 0.0 if probe.additive else float(low), float(high), reverse)

    def axis(self) -> dict[str, object]:
        """As Plotly wants it."""
        high = self.high if self.high > self.low else self.low + 1
        return {"colorscale": COLOURSCALE, "reversescale": self.reverse, "cmin": self.low, "cmax": high}

    def ticks(self) -> tuple[list[float], list[str]]:
        """Where the colour bar is labelled, and how: values, never logarithms."""
        at = np.linspace(self.low, self.high, 4)
        return list(at), [self.text(10**value if self.log else value) for value in at]

    def text(self, value: float) -> str:
        """A value of the measure as a reader wants it."""
        if self.measure != "share":
            return f"{value:.2g}"
        return f"{value:.1%}" if value >= 0.001 or value == 0 else f"{100 * value:.1g}%"


def colour_bar(scale: Scale) -> go.Figure:
    """The scale alone, as wide as the page."""
    at, names = scale.ticks()
    figure = go.Figure(
        go.Heatmap(
            z=[np.linspace(scale.low, scale.high, 200)], x=np.linspace(scale.low, scale.high, 200), y=[0],
            coloraxis="coloraxis", hoverinfo="skip",
        )
    )  # fmt: skip
    figure.update_layout(coloraxis={**scale.axis(), "showscale": False})
    figure.update_xaxes(tickvals=at, ticktext=names, showgrid=False, zeroline=False)
    figure.update_yaxes(visible=False)
    how = ", logarithmic" if scale.log else ""
    return finish(
        figure, f"One colour scale for all: {scale.name}{how}", 84, title_gap=TITLE_GAP,
        margin={"l": 24, "r": 24, "b": 28}, automargin=False,
    )  # fmt: skip


def figure(maps: Mapping[str, EnergyMap | None], model: str, scale: Scale, alignment: str, deepest: int) -> go.Figure:
    """The maps of one model side by side, one a task: layers across, kinds down, the winner outlined.

    Args:
        maps: by task; None where there is no map yet, which leaves an empty frame that says so.
        alignment: one of `ALIGNMENTS`; with relative depth every model is as wide as the others.
        deepest: layers of the deepest model of the group: a layer is as wide as there, whatever the model.
    """
    known = [energy for energy in maps.values() if energy is not None]
    kinds = kinds_of(known)
    count = max([deepest, *(energy.provenance.layers for energy in known)])
    drawn = make_subplots(rows=1, cols=len(maps), shared_yaxes=True, horizontal_spacing=min(0.03, 0.2 / len(maps)))
    relative = alignment != ALIGNMENTS[0]
    own = max((energy.provenance.layers for energy in known), default=1)
    half = 0.5 * _layer_size(own, alignment)
    for i, (task, energy) in enumerate(maps.items(), start=1):
        if energy is not None:
            _panel(drawn, i, energy, kinds, scale, alignment)
        else:  # a trace without a cell: axes without any trace are not drawn, nor what stands at them
            drawn.add_trace(go.Heatmap(z=[[math.nan]], coloraxis="coloraxis", hoverinfo="skip"), row=1, col=i)
        _panel_title(drawn, i, task, energy)
        drawn.update_xaxes(
            row=1, col=i, range=[-half, 1 + half] if relative else [-0.5, count - 0.5], showgrid=False, zeroline=False,
            tickfont={"size": 10}, tickangle=0,
            title={"text": "depth" if relative else "layer", "font": {"size": 11}, "standoff": 2},
            **({"tickvals": [0, 0.5, 1]} if relative else {"dtick": tick_step(count, LABELS)}),
        )  # fmt: skip
    drawn.update_yaxes(
        range=[len(kinds) - 0.5, -0.5], tickvals=list(range(len(kinds))), ticktext=kinds, tickfont={"size": 10},
        showgrid=False, zeroline=False,
    )  # fmt: skip
    drawn.update_layout(coloraxis={**scale.axis(), "showscale": False})
    title = _leaders(model, known) if known else f"{model}: no map yet"
    height = HEAD + max(len(kinds), 4) * KIND_HEIGHT + FOOT
    return finish(drawn, title, height, title_gap=TITLE_GAP, margin={"t": HEAD, "b": FOOT, "l": 62}, automargin=False)


def blocks(tasks: Sequence[str]) -> list[Sequence[str]]:
    """As many tasks at a time as fit side by side."""
    return [tasks[i : i + TASKS_A_ROW] for i in range(0, len(tasks), TASKS_A_ROW)]


def kinds_of(maps: Sequence[EnergyMap]) -> list[str]:
    """The kinds of a model's modules in order; where it has several stacks, each kind of each stack by itself."""
    return in_order(pd.concat([_cells(energy)["column"] for energy in maps])) if maps else []


@lru_cache(maxsize=256)
def _cells(energy: EnergyMap) -> pd.DataFrame:
    """One row a layer and kind. Modules that share both (experts that are modules of their own) are added up."""
    table = energy.table.dropna(subset=["layer"])
    several = table["stack"].nunique() > 1
    column = table["stack"] + " " + table["kind"] if several else table["kind"]
    table = table.assign(column=column, layer=table["layer"].astype(int), modules=1)
    if table.duplicated(["layer", "column"]).any():
        sums = dict.fromkeys(("energy", "share", "parameters", "modules"), "sum")
        table = table.groupby(["layer", "column"], as_index=False, sort=False).agg(
            {**sums, "rank": "min", "module": "first"}
        )
        table["energy_per_parameter"] = table["energy"] / table["parameters"]
    return table


def _leaders(model: str, known: Sequence[EnergyMap]) -> str:
    """Which module leads, and on how many of the tasks."""
    leads = Counter((energy.dominant["layer"], energy.dominant["kind"]) for energy in known)
    (layer, kind), wins = leads.most_common(1)[0]
    if len(known) == 1:
        where = leader(known[0])
    elif wins == 1:
        where = f"another module leads on each of {len(known)} tasks"
    else:
        where = f"layer {layer} {kind} leads on {wins} of {len(known)} tasks"
    return f"{cut(model, TITLE - 2 - len(where))}: {where}"


def _panel(figure: go.Figure, col: int, energy: EnergyMap, kinds: Sequence[str], scale: Scale, alignment: str) -> None:
    cells = _cells(energy)
    layers = max(energy.provenance.layers, int(cells["layer"].max()) + 1)
    z = np.full((len(kinds), layers), np.nan)
    hover = np.full((len(kinds), layers), "", dtype=object)
    for cell in cells.itertuples():
        at = kinds.index(cell.column), cell.layer
        value = getattr(cell, scale.measure)
        z[at] = value if not scale.log else math.log10(value) if value > 0 else math.nan
        more = f" and {cell.modules - 1} more modules" if cell.modules > 1 else ""
        hover[at] = (
            f"<b>{energy.provenance.model} on {energy.provenance.task}</b><br>{cell.module}{more}<br>"
            f"layer {cell.layer} of {layers}, {cell.column}, rank {cell.rank} of {len(energy.modules)}<br>"
            f"{scale.name} {scale.text(value)}" + (f", share {cell.share:.2%}" if scale.measure != "share" else "")
        )
    size = _layer_size(layers, alignment)
    figure.add_trace(
        go.Heatmap(
            z=z, x=[i * size for i in range(layers)], y=list(range(len(kinds))),
            text=hover, hovertemplate="%{text}<extra></extra>", hoverongaps=False, coloraxis="coloraxis",
            xgap=1 if layers < GAPS else 0, ygap=1,
        ),
        row=1, col=col,
    )  # fmt: skip
    best = cells.loc[cells["rank"].idxmin()]
    y, left = kinds.index(best["column"]), (best["layer"] - 0.5) * size
    figure.add_shape(
        type="rect", x0=left, x1=left + size, y0=y - 0.5, y1=y + 0.5, line={"color": ACCENT, "width": 3}, row=1, col=col
    )  # fmt: skip


def _panel_title(figure: go.Figure, col: int, task: str, energy: EnergyMap | None) -> None:
    """Task and winner over a heatmap, in lines short enough for a narrow window."""
    winner = "no map yet<br> "
    if energy is not None:
        best = energy.dominant
        winner = f"layer {best['layer']}<br>{best['kind']}"
    figure.add_annotation(
        x=0, y=1, xref="x domain" if col == 1 else f"x{col} domain", yref="paper", xanchor="left", yanchor="bottom",
        align="left", showarrow=False, font={"size": 11}, text=f"<b>{cut(task, NAME)}</b><br>{winner}", hovertext=task,
    )  # fmt: skip


def _layer_size(layers: int, alignment: str) -> float:
    """Width of a layer in units of the horizontal axis: relative depth goes from 0, the first, to 1, the last."""
    return 1.0 if alignment == ALIGNMENTS[0] else 1 / max(1, layers - 1)
