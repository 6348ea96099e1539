"""The map of the Energy map page: the heatmap with totals along its edges and with placements laid over it. Pure.

In: an `EnergyMap`, and the modules of placements. Out: one figure, whose cells are what can be clicked.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd
import plotly.graph_objects as go

from dashboard.shared import heatmap
from dashboard.shared.figures import BAR, DASHES
from domlora.energy.energy_map import EnergyMap
from domlora.models.kinds import in_order

EDGE = 0.13  # of the width, and
EDGE_HEIGHT = 54  # pixels that totals take
GAP = 0.02
ROOM = 1.7  # times the longest bar, for what is written after it
AXIS = 46  # pixels for the layers below the map, and
OWN_AXIS = 50  # what `heatmap.heatmap` has for them
BAR_HEIGHT = 44  # pixels below that for the colour bar, which takes no width there
BAR_FOOT = 6
LINE = 24  # pixels of a line of the legend
LEGEND_COLUMNS = 3  # placements that are named on one line
# Of `COLOURS` those that show on the map's own, and are neither the winner's nor the chosen module's.
OUTLINES = ("#CC79A7", "#56B4E9", "#E69F00", "#8C8C8C", "#9A8B00")
WIDTHS = (1.6, 1.2)  # added to the first outline's width, so that each shows beneath the next


def figure(
    energy: EnergyMap,
    stack: str,
    measure: str,
    log: bool | None,
    selected: str | None = None,
    picked: Collection[str] | None = None,
    placements: Mapping[str, Collection[str]] | None = None,
) -> go.Figure:
    """The map of one stack; arguments as `heatmap.heatmap`.

    Args:
        placements: name -> its modules, which are framed in a colour of its own.
    """
    drawn = heatmap.heatmap(energy, stack, measure, log, selected, picked)
    below = AXIS + BAR_HEIGHT
    height = drawn.layout.height - OWN_AXIS + below
    if placements:
        frame(drawn, energy.table[energy.table["stack"] == stack], placements)
        lines = LINE * -(-len(placements) // LEGEND_COLUMNS)
        below, height = below + lines, height + lines
    if energy.probe.additive:
        totals(drawn, heatmap.one_a_cell(energy, stack))
        height += EDGE_HEIGHT
    _bar_below(drawn, (below - AXIS - BAR_HEIGHT + BAR_FOOT) / height)
    return drawn.update_layout(height=height, margin={"r": 4, "b": below})


def aligned(drawn: go.Figure) -> go.Figure:
    """Another map of the same cells, each of which comes to stand below that of `figure`."""
    height = drawn.layout.height - OWN_AXIS + AXIS + BAR_HEIGHT
    _bar_below(drawn, BAR_FOOT / height)
    drawn.update_xaxes(domain=[0, 1 - EDGE - GAP])
    return drawn.update_layout(height=height, margin={"r": 4, "b": AXIS + BAR_HEIGHT})


def totals(drawn: go.Figure, table: pd.DataFrame) -> None:
    """Bars along the edges of a map: the share of each layer above it, of each kind to its right.

    Args:
        table: of `heatmap.one_a_cell`.
    """
    kinds, _layers = heatmap.axes_of(table)
    by_layer = table.groupby("layer")["share"].sum()
    by_kind = table.groupby("kind")["share"].sum().reindex(kinds)
    style = {"marker_color": BAR, "showlegend": False, "selected": {"marker": {"opacity": 1}},
             "unselected": {"marker": {"opacity": 1}}}  # fmt: skip
    drawn.add_bar(
        x=by_layer.index, y=by_layer, yaxis="y2", hovertemplate="layer %{x} in all: %{y:.2%}<extra></extra>", **style
    )
    drawn.add_bar(
        x=by_kind, y=kinds, xaxis="x2", orientation="h", hovertemplate="%{y} in all: %{x:.2%}<extra></extra>",
        text=[f"{share:.0%}" for share in by_kind], textposition="outside", textfont={"size": 11}, **style
    )  # fmt: skip
    rows = 1 - EDGE_HEIGHT / (drawn.layout.height + EDGE_HEIGHT - 70)
    plain = {"showgrid": False, "zeroline": False, "showticklabels": False, "fixedrange": True}
    drawn.update_layout(
        xaxis={"domain": [0, 1 - EDGE - GAP]}, yaxis={"domain": [0, rows - GAP]},
        xaxis2={"domain": [1 - EDGE, 1], "anchor": "y", "range": [0, float(by_kind.max()) * ROOM or 1], **plain},
        yaxis2={"domain": [rows, 1], "anchor": "x", "range": [0, float(by_layer.max()) * 1.05 or 1], **plain},
        bargap=0.15,
    )  # fmt: skip


def frame(drawn: go.Figure, table: pd.DataFrame, placements: Mapping[str, Collection[str]]) -> None:
    """Draws one outline round all cells of each placement, the first beneath the others, and names them in the legend.

    Args:
        table: modules of one stack; what is in another is passed over.
    """
    kinds = in_order(table["kind"])
    at = {row.module: (int(row.layer), kinds.index(row.kind)) for row in table.dropna(subset=["layer"]).itertuples()}
    count = len(placements)
    for i, (name, modules) in enumerate(placements.items()):
        path = outline_of({at[module] for module in modules if module in at})
        if path:
            drawn.add_shape(
                type="path", path=path, name=name, showlegend=True,
                line={"color": OUTLINES[i % len(OUTLINES)], "width": WIDTHS[0] + WIDTHS[1] * (count - 1 - i),
                      "dash": DASHES[i % len(DASHES)]},
            )  # fmt: skip
    legend = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0, "xanchor": "left"}
    drawn.update_layout(showlegend=True, legend=legend)


def outline_of(cells: Collection[tuple[int, int]]) -> str:
    """The border of cells (column, row) of a grid as an SVG path: no line is drawn between two of them."""
    known = set(cells)
    lines = []
    for x, y in sorted(known):
        left, right, top, low = x - 0.5, x + 0.5, y - 0.5, y + 0.5
        for beside, start, end in (
            ((x, y - 1), (left, top), (right, top)),
            ((x, y + 1), (left, low), (right, low)),
            ((x - 1, y), (left, top), (left, low)),
            ((x + 1, y), (right, top), (right, low)),
        ):
            if beside not in known:
                lines.append((start, end))
    return " ".join(f"M {a[0]:g} {a[1]:g} L {b[0]:g} {b[1]:g}" for a, b in _joined(lines))


def _joined(lines: Sequence[tuple[tuple[float, float], tuple[float, float]]]) -> list[tuple]:
    """Lines that go on in the same direction as one, so that a path has few parts."""
    found: list[tuple] = []
    for vertical in (False, True):
        own = sorted(line for line in lines if (line[0][0] == line[1][0]) == vertical)
        own.sort(key=lambda line: (line[0][0], line[0][1]) if vertical else (line[0][1], line[0][0]))
        for start, end in own:
            if found and found[-1][1] == start and (found[-1][0][0] == end[0]) == vertical:
                found[-1] = (found[-1][0], end)
            else:
                found.append((start, end))
    return found


def _bar_below(drawn: go.Figure, foot: float) -> None:
    """Lays the colour bar below the map: beside it, it takes width that a model with many layers needs.

    Args:
        foot: fraction of the figure's height that is below it.
    """
    bar = drawn.data[0].colorbar
    bar.title.update(text=bar.title.text.replace("<br>", " ").strip(), side="right")
    bar.update(orientation="h", x=0, xanchor="left", yref="container", y=foot, yanchor="bottom", len=0.87, ypad=0)
