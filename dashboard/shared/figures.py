"""What all figures share: colours, symbols, short names, and the one way in which a figure is finished."""

from __future__ import annotations

import plotly.graph_objects as go

# Okabe and Ito's eight; blue lightened, yellow darkened, black made grey, so that all show on white and on black.
COLOURS = ("#1F83C9", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#9A8B00", "#8C8C8C")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down", "pentagon", "hexagon")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
KIND_SYMBOLS = {  # so has a kind its symbol
    "q": "circle", "k": "pentagon", "v": "square", "qkv": "hexagon", "o": "diamond", "router": "x",
    "gate": "triangle-left", "up": "triangle-up", "gate_up": "bowtie", "down": "triangle-down",
    "expert.gate": "hourglass", "expert.up": "star-triangle-up", "expert.gate_up": "star-square",
    "expert.down": "star-triangle-down",
}  # fmt: skip


COLOURSCALE = "Cividis"  # bright is where the probe would put an adapter: turned round where it prefers low scores
ACCENT = "#d1495b"
BAR = "#4a7fb5"
CHOSEN = "#2a9d8f"


def kind_symbol(kind: str) -> str:
    """One marker a kind; a star where it has no canonical name."""
    return KIND_SYMBOLS.get(kind, "star")


def cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: max(1, letters - 1)] + "…"


def short(module: str) -> str:
    """`model.layers.11.mlp.down_proj` -> `layers.11.mlp.down_proj`."""
    return module.split(".", 1)[1] if module.count(".") > 2 else module


def finish(figure: go.Figure, title: str, height: int) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left"},
        height=height, margin={"l": 10, "r": 10, "t": 44, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", dragmode=False,
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "grey", "activecolor": BAR},
    )  # fmt: skip
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
