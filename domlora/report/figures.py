"""Plotly figures of an energy map, as plain dicts of `data` and `layout`. Pure functions; Plotly is not imported.

In: an `EnergyMap`. Out: what `Plotly.newPlot` takes. Titles stand in the page, colours of text and axes too, so that
light and dark both work. Plotly reads a little HTML in any text, so names go through `label`.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import pandas as pd

from domlora import json_values
from domlora.colours import ACCENT, BAR, COLOURSCALE, TRANSPARENT
from domlora.energy.energy_map import EnergyMap
from domlora.models.kinds import in_order
from domlora.placements.words import short
from domlora.report.parts import Figure
from domlora.visible import visible
from domlora.wording import cut

LONGEST = 60  # letters of a name in a chart
ROW = 32  # pixels of a line of cells
BAR_ROW = 24


def label(text: str, letters: int = LONGEST) -> str:
    """A name as Plotly shows it and does nothing else with it."""
    return html.escape(cut(visible(text), letters), quote=False)


def figure(
    traces: Sequence[dict[str, Any]], height: int, x: dict[str, Any], y: dict[str, Any], **layout: Any
) -> Figure:
    """Traces with what all figures have in common."""
    plain: Figure = json_values.plain({
        "data": traces,
        "layout": {
            "height": height, "margin": {"l": 10, "r": 10, "t": 10, "b": 10}, "paper_bgcolor": TRANSPARENT,
            "plot_bgcolor": TRANSPARENT, "dragmode": False, "showlegend": False,
            "xaxis": {"automargin": True, **x}, "yaxis": {"automargin": True, **y}, **layout,
        },
    })  # fmt: skip
    return plain


def axis(title: str, **more: Any) -> dict[str, Any]:
    return {"title": {"text": title}, **more}


def error_bars(above: Sequence[float], below: Sequence[float], **style: Any) -> dict[str, Any]:
    """Intervals as Plotly wants them: the distance of each point to the upper and to the lower end of its interval.

    Args:
        style: thickness, width, color.
    """
    return {"type": "data", "symmetric": False, "array": list(above), "arrayminus": list(below), **style}


def heatmap(energy: EnergyMap, stack: str) -> Figure:
    """Layers by kinds of one stack, the module that the probe prefers in a frame."""
    probe, best = energy.probe, energy.dominant
    table = drawn(energy, stack)
    kinds, layers = in_order(table["kind"]), sorted({int(layer) for layer in table["layer"]})
    measure = "share" if probe.additive else "energy"
    values: list[list[Any]] = [[None] * len(layers) for _ in kinds]
    texts = [[""] * len(layers) for _ in kinds]
    for row in table.iloc[::-1].to_dict("records"):  # the best last: where two share a cell, it is the one that shows
        y, x = kinds.index(row["kind"]), layers.index(int(row["layer"]))
        values[y][x], texts[y][x] = row[measure], _told(row, probe.additive, len(energy.modules))
    bar = {"thickness": 12, "title": {"text": "share" if probe.additive else "score", "side": "top"}}
    cells = {
        "type": "heatmap", "z": values, "x": layers, "y": [label(kind) for kind in kinds], "text": texts,
        "hovertemplate": "%{text}<extra></extra>", "hoverongaps": False, "xgap": 1, "ygap": 1,
        "colorscale": COLOURSCALE, "reversescale": probe.prefers == "low",
        "colorbar": bar | ({"tickformat": ".1~%"} if probe.additive else {}), **({"zmin": 0} if probe.additive else {}),
    }  # fmt: skip
    frames = []
    if best["stack"] == stack and not pd.isna(best["layer"]):
        x, y = int(best["layer"]), kinds.index(best["kind"])
        line = {"color": ACCENT, "width": 3}
        frames = [{"type": "rect", "x0": x - 0.5, "x1": x + 0.5, "y0": y - 0.5, "y1": y + 0.5, "line": line}]
    return figure(
        [cells], 100 + ROW * max(len(kinds), 3),
        axis("layer", range=[layers[0] - 0.5, layers[-1] + 0.5], showgrid=False, zeroline=False),
        axis("kind of module", type="category", range=[len(kinds) - 0.5, -0.5], showgrid=False, zeroline=False),
        shapes=frames,
    )  # fmt: skip


def drawn(energy: EnergyMap, stack: str) -> pd.DataFrame:
    """The modules of a stack that have a place on its map, the best first; what is in no layer has none."""
    table = energy.table[energy.table["stack"] == stack]
    return table[table["layer"].notna()]


def _told(row: dict[str, Any], additive: bool, count: int) -> str:
    """What is said of a module over its cell or bar."""
    amount = f"share {row['share']:.2%}" if additive else f"score {row['energy']:.4g}"
    return (
        f"<b>{label(row['module'], 90)}</b><br>{amount}, rank {row['rank']} of {count}<br>"
        f"{row['in_features']} → {row['out_features']}, energy {row['energy']:.4g}"
    )


def strongest(energy: EnergyMap, count: int) -> Figure:
    """The first modules in the probe's order as bars, the first on top, with 95 % intervals of shares."""
    probe, table = energy.probe, energy.table.head(count).iloc[::-1]
    measure = "share" if probe.additive else "energy"
    bars: dict[str, Any] = {
        "type": "bar", "orientation": "h", "x": table[measure].tolist(),
        "y": [label(short(module)) for module in table["module"]],
        "marker": {"color": [ACCENT if rank == 1 else BAR for rank in table["rank"]]},
        "hovertext": [_told(row, probe.additive, len(energy.modules)) for row in table.to_dict("records")],
        "hoverinfo": "text",
    }  # fmt: skip
    title, form = (probe.measures, "") if not probe.additive else ("share of all modules together", ".1~%")
    if energy.bootstrap is not None and probe.additive:
        share = table["share"].to_numpy()
        low, high = energy.bootstrap.low[table.index], energy.bootstrap.high[table.index]
        bars["error_x"] = error_bars((high - share).tolist(), (share - low).tolist(), thickness=1.2, color="grey")
        title += ", with 95 % interval"
    return figure(
        [bars],
        70 + BAR_ROW * len(table),
        axis(title, rangemode="tozero", tickformat=form),
        {"type": "category", "ticksuffix": " "},
    )
