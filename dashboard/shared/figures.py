"""What all figures share: colours, symbols, short names, and the one way in which a figure is finished.

In: a Plotly figure with its traces. Out: the same figure with title, margins and a transparent ground, so that it is
readable on a light and on a dark page. Knows no table, no map and no page.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import numpy as np
import plotly.graph_objects as go

from domlora.colours import ACCENT as ACCENT
from domlora.colours import BAR as BAR
from domlora.colours import COLOURS as COLOURS
from domlora.colours import COLOURSCALE as COLOURSCALE
from domlora.colours import DASHES as DASHES
from domlora.colours import SYMBOLS as SYMBOLS
from domlora.colours import TRANSPARENT as TRANSPARENT
from domlora.report.figures import error_bars as error_bars

KIND_SYMBOLS = {  # a kind of module has the same marker in every figure
    "q": "circle", "k": "pentagon", "v": "square", "qkv": "hexagon", "o": "diamond", "router": "x",
    "gate": "triangle-left", "up": "triangle-up", "gate_up": "bowtie", "down": "triangle-down",
    "expert.gate": "hourglass", "expert.up": "star-triangle-up", "expert.gate_up": "star-square",
    "expert.down": "star-triangle-down",
}  # fmt: skip
CHOSEN = "#2a9d8f"  # what the reader has chosen
LEGEND_BELOW = {"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "x": 0, "xanchor": "left"}
LINE_HEIGHT = 20  # pixels of a line of a title


def kind_symbol(kind: str) -> str:
    """The marker of a kind; a star where the kind has no canonical name."""
    return KIND_SYMBOLS.get(kind, "star")


def log10(values: np.ndarray, otherwise: float = np.nan) -> np.ndarray:
    """Logarithms to base 10, and `otherwise` where there is none."""
    return np.log10(values, out=np.full_like(values, otherwise), where=values > 0)


def kind_in_legend(figure: go.Figure, kind: str, legend: str | None = None) -> None:
    """An entry for the marker of a kind, in grey, where the points themselves are coloured by something else.

    The points' own entry would not do: where a colour axis colours them it is black, and unseen on a dark page.
    """
    figure.add_scatter(
        x=[None], y=[None], mode="markers", name=kind, legend=legend,
        marker={"color": "grey", "size": 11, "symbol": kind_symbol(kind)},
    )  # fmt: skip


def finish(
    figure: go.Figure, title: str, height: float, *, title_gap: int | None = None,
    margin: Mapping[str, int] | None = None, zoom: bool = False, automargin: bool = True,
) -> go.Figure:  # fmt: skip
    """Title at the left, transparent ground and tool bar, axes that make room for their labels.

    Args:
        height: of the whole figure in pixels.
        title_gap: pixels between the upper edge and the title; None: the title is in the middle of its margin.
        margin: sides (l, r, t, b) whose width in pixels differs from what all figures have.
        zoom: whether dragging over the plot zooms.
        automargin: whether a margin grows with the labels of its axis.
    """
    above = 44 if title_gap is None else 30 + title_gap
    at_top = {} if title_gap is None else {"y": 1, "yanchor": "top", "yref": "container", "pad": {"t": title_gap}}
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left", **at_top},
        height=height, margin={"l": 10, "r": 10, "t": above, "b": 10, **(margin or {})},
        paper_bgcolor=TRANSPARENT, plot_bgcolor=TRANSPARENT,
        modebar={"bgcolor": TRANSPARENT, "color": "grey", "activecolor": BAR},
    )  # fmt: skip
    if not zoom:
        figure.update_layout(dragmode=False)
    if automargin:
        figure.update_xaxes(automargin=True)
        figure.update_yaxes(automargin=True)
    return figure


def finish_long(
    figure: go.Figure, title: str, height: float, *, letters: int, legend: bool, legend_height: int = 0,
    zoom: bool = False,
) -> go.Figure:  # fmt: skip
    """As `finish`, with a title of several lines and the legend below the plot.

    Args:
        height: without the legend.
        letters: of a line of the title.
        legend: whether it is shown.
        legend_height: pixels that it takes.
    """
    lines = textwrap.wrap(title, letters, break_on_hyphens=False)
    margin = {"r": 16, "t": 30 + LINE_HEIGHT * len(lines), "b": 50 + legend_height}
    finish(figure, "<br>".join(lines), height + legend_height, title_gap=10, margin=margin, zoom=zoom)
    return figure.update_layout(legend=LEGEND_BELOW, showlegend=legend)
