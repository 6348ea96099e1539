"""Plotly figures from tables. Pure functions: no Streamlit, no store, no torch.

Fonts and backgrounds are left to the page's theme, so that light and dark both work. The colour scale is cividis.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from domlora.energy import POSITION_EDGES, EnergyMap

KIND_ORDER = ("q", "k", "v", "qkv", "o", "router", "gate", "up", "gate_up", "down")
MEASURES = {
    "share": ("share", ".2%"),
    "energy": ("energy", ".3g"),
    "energy_per_parameter": ("energy per<br>weight", ".3g"),
}
COLOURSCALE = "Cividis"
ACCENT = "#d1495b"
BAR = "#4a7fb5"
TITLE = 50  # letters that fit over a thumbnail


def kinds_in_order(kinds: pd.Series) -> list[str]:
    """Known kinds as data flows through a block, then the others by name."""
    present = set(kinds)
    return [k for k in KIND_ORDER if k in present] + sorted(present - set(KIND_ORDER))


def heatmap(energy: EnergyMap, stack: str, measure: str, log: bool, selected: str | None = None) -> go.Figure:
    """Layers by kinds of one stack, the strongest module outlined and named.

    A trace of transparent square markers lies over the cells: Streamlit reports a click on those, not on a heatmap.
    Each carries its module's name as `customdata`.
    """
    table = energy.table[energy.table["stack"] == stack]
    kinds = kinds_in_order(table["kind"])
    layers = sorted(table["layer"].unique())
    grid = table.pivot(index="kind", columns="layer", values=measure).reindex(index=kinds, columns=layers)
    values = grid.to_numpy(dtype=float)
    if log:
        values = np.log10(values, out=np.full_like(values, np.nan), where=values > 0)
    name, form = MEASURES[measure]
    unit = f"log10<br>{name}<br>" if log else f"{name}<br>"
    figure = go.Figure(
        go.Heatmap(
            z=values, x=layers, y=kinds, colorscale=COLOURSCALE, xgap=1, ygap=1, hoverinfo="skip",
            colorbar={"title": {"text": unit, "side": "top"}, "thickness": 12,
                      "tickformat": "" if log or measure != "share" else ".0%"},
        )
    )  # fmt: skip
    text = [
        f"<b>{row.module}</b><br>layer {row.layer}, {row.kind}, {row.in_features} → {row.out_features}<br>"
        f"{name.replace('<br>', ' ')}: {format(getattr(row, measure), form)}<br>share {row.share:.2%}, rank {row.rank}"
        for row in table.itertuples()
    ]
    figure.add_scatter(
        x=table["layer"], y=table["kind"], mode="markers", customdata=table["module"], hovertext=text,
        hovertemplate="%{hovertext}<extra></extra>", showlegend=False,
        marker={"symbol": "square", "size": 22, "opacity": 0},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
    )  # fmt: skip
    marked = [(energy.dominant, ACCENT, "solid")] if energy.dominant["stack"] == stack else []
    if selected and selected != energy.dominant["module"] and selected in set(table["module"]):
        marked.append((table[table["module"] == selected].iloc[0], "#2a9d8f", "dot"))
    for row, colour, dash in marked:
        x, y = layers.index(row["layer"]), kinds.index(row["kind"])
        figure.add_shape(
            type="rect", x0=layers[x] - 0.5, x1=layers[x] + 0.5, y0=y - 0.5, y1=y + 0.5,
            line={"color": colour, "width": 3, "dash": dash},
        )  # fmt: skip
    if energy.dominant["stack"] == stack:
        best = energy.dominant
        title = f"Layer {best['layer']} {best['kind']} leads with {best['share']:.1%} of the energy"
    else:
        title = f"Energy of the {stack} stack"
    figure.update_xaxes(
        title="layer", range=[layers[0] - 0.5, layers[-1] + 0.5], dtick=_every(len(layers), 16), showgrid=False,
        zeroline=False,
    )  # fmt: skip
    figure.update_yaxes(
        title="kind of module", range=[len(kinds) - 0.5, -0.5], showgrid=False, zeroline=False, type="category"
    )
    return _finish(figure, title, height=90 + 42 * max(len(kinds), 3))


def thumbnail(energy: EnergyMap) -> go.Figure:
    """The shares of the winner's stack at a glance: no colour bar, no axis titles, the strongest module outlined."""
    figure = heatmap(energy, energy.dominant["stack"], "share", log=False)
    figure.data[0].showscale = False
    figure.update_xaxes(title=None, dtick=_every(energy.provenance.layers, 6))
    figure.update_yaxes(title=None)
    title = f"{energy.provenance.model} on {energy.provenance.task}"
    return _finish(figure, title if len(title) <= TITLE else title[: TITLE - 1] + "…", 230)


def ranked_bars(energy: EnergyMap, count: int) -> go.Figure:
    """The strongest modules with 95 % bootstrap intervals."""
    table = energy.table.head(count).iloc[::-1]
    error = None
    if energy.bootstrap is not None:
        low, high = energy.bootstrap.low[table.index], energy.bootstrap.high[table.index]
        share = table["share"].to_numpy()
        error = {"type": "data", "symmetric": False, "array": high - share, "arrayminus": share - low, "thickness": 1.2}
    figure = go.Figure(
        go.Bar(
            x=table["share"], y=[_short(m) for m in table["module"]], orientation="h", error_x=error,
            marker_color=[ACCENT if rank == 1 else BAR for rank in table["rank"]], customdata=table["module"],
            hovertemplate="<b>%{customdata}</b><br>share %{x:.2%}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title="share of all energy, with 95 % interval", tickformat=".0%", rangemode="tozero")
    top = energy.top_share(count)
    return _finish(figure, f"The {len(table)} strongest modules hold {top:.0%} of the energy", 110 + 22 * len(table))


def cumulative(energy: EnergyMap) -> go.Figure:
    """Share of the k strongest modules together, against k."""
    share = np.sort(energy.shares)[::-1].cumsum()
    count = np.arange(1, len(share) + 1)
    half = int(np.searchsorted(share, 0.5) + 1)
    figure = go.Figure(
        go.Scatter(x=count, y=share, mode="lines", line={"color": BAR, "width": 2},
                   hovertemplate="%{x} strongest modules<br>%{y:.1%} of the energy<extra></extra>")
    )  # fmt: skip
    figure.add_scatter(x=[1, len(share)], y=[1 / len(share), 1], mode="lines", line={"dash": "dot", "color": "grey"},
                       hoverinfo="skip")  # fmt: skip
    label = f"effective number {energy.effective_modules:.0f}"
    line = {"color": ACCENT, "dash": "dash"}
    figure.add_vline(x=energy.effective_modules, line=line, annotation_text=label, annotation_position="bottom right")
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title="strongest modules taken together")
    figure.update_yaxes(title="share of all energy", tickformat=".0%", range=[0, 1.02])
    return _finish(figure, f"Half of the energy is in {half} of {len(share)} modules (dotted: all equal)", 320)


def positions(energy: EnergyMap, module: str) -> go.Figure:
    """Where in a sample the energy of a module arises, in bins of token positions."""
    row = energy.modules[energy.modules["module"] == module].iloc[0]
    starts = (0, *POSITION_EDGES)
    names = [
        "first" if end == 1 else str(start) if end - start == 1 else f"{start}–{end - 1}"
        for start, end in zip(starts, POSITION_EDGES, strict=False)
    ] + [f"{POSITION_EDGES[-1]} on"]  # fmt: skip
    last = max(i for i, share in enumerate(row["positions"]) if share or i == 0)
    figure = go.Figure(
        go.Bar(x=names[: last + 1], y=row["positions"][: last + 1], marker_color=BAR,
               hovertemplate="token %{x}<br>%{y:.1%} of the module's energy<extra></extra>")
    )  # fmt: skip
    figure.update_xaxes(title="position of the token in its sample (from 0)", type="category")
    figure.update_yaxes(title="share of the module's energy", tickformat=".0%")
    parts = {
        "at the first token": row["first_token"],
        "on the prompt": row["prompt"],
        "on the response": row["response"],
    }
    where = max(parts, key=lambda part: parts[part])
    return _finish(figure, f"{parts[where]:.0%} of its energy arises {where}", 300)


def maxima(energy: EnergyMap, kind: str, selected: str) -> go.Figure:
    """Largest |output| of the modules of one kind, layer by layer."""
    table = energy.modules[energy.modules["kind"] == kind].sort_values("layer")
    figure = go.Figure(
        go.Bar(
            x=table["layer"], y=table["max_output"], customdata=table["max_output_token"],
            marker_color=[ACCENT if module == selected else BAR for module in table["module"]],
            hovertemplate="layer %{x}<br>largest |output| %{y:,.1f}<br>at token %{customdata}<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title="layer")
    figure.update_yaxes(title="largest |output| (log)", type="log", dtick="D2")
    return _finish(figure, f"Largest output of {kind} modules (red: chosen)", 300)


def _short(module: str) -> str:
    """`model.layers.11.mlp.down_proj` -> `layers.11.mlp.down_proj`."""
    return module.split(".", 1)[1] if module.count(".") > 2 else module


def _every(layers: int, ticks: int) -> int:
    """Whole layers between two of at most so many ticks: a tick at layer 1.5 would be of no use."""
    return next((step for step in (1, 2, 5, 10, 20, 50) if layers <= step * ticks), 100)


def _finish(figure: go.Figure, title: str, height: int) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 15}, "x": 0, "xanchor": "left"},
        height=height, margin={"l": 10, "r": 10, "t": 44, "b": 10},
        paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", dragmode=False,
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "grey", "activecolor": BAR},
    )  # fmt: skip
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
