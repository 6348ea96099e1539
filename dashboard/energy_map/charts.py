"""Plotly figures of the Energy map page other than the map itself. Pure functions: no Streamlit, no store, no torch.

In: an energy map, the difference of two, or the shares of one through training. Out: the figures of its tabs: ranked
modules, concentration, positions, largest outputs, experts, differences, training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.energy_map.tables import Difference
from dashboard.shared import heatmap
from dashboard.shared.figures import (
    ACCENT,
    BAR,
    CHOSEN,
    COLOURS,
    COLOURSCALE,
    DASHES,
    SYMBOLS,
    error_bars,
    finish,
    log10,
)
from dashboard.shared.scale import Scale, diverging, tick_texts, ticks
from dashboard.shared.words import short
from domlora.energy.energy_map import EnergyMap
from domlora.probes.config import POSITION_EDGES

# Blue to orange over a light grey, told apart by those who see no red or no green; both ends stand out on white and on
# black.
DIVERGING = [[0.0, "#08519c"], [0.25, "#6baed6"], [0.5, "#eeeeee"], [0.75, "#f0a35c"], [1.0, "#a63603"]]
FRAME_MS = 700
BELOW = 1.5  # times the smallest bar over the foot of a logarithmic axis, so that it can be seen


def difference(measured: Difference, stack: str, names: tuple[str, str], selected: str | None = None) -> go.Figure:
    """Where the first map has more (orange) and where the second (blue), on a scale centred at zero."""
    table = measured.table[measured.table["stack"] == stack]
    kinds, layers = heatmap.axes_of(table)
    largest = float(measured.table["difference"].abs().max())
    form = ".2%" if measured.shares else ".4g"
    points = " points" if measured.shares else ""
    text = [
        f"<b>{row.module}</b><br>{names[0]}: {row.first:{form}}<br>{names[1]}: {row.second:{form}}<br>difference "
        + (f"{row.difference * 100:+.2f}" if measured.shares else f"{row.difference:+.4g}")
        + points
        for row in table.itertuples()
    ]
    figure = go.Figure(
        go.Heatmap(
            z=heatmap.cells(table, kinds, layers, "difference"), x=layers, y=kinds, colorscale=DIVERGING, xgap=1,
            ygap=1, hoverinfo="skip",
            **diverging(largest, percent=measured.shares,
                        title=f"difference<br>of {'shares' if measured.shares else 'scores'}"),
        )
    )  # fmt: skip
    heatmap.add_click_targets(figure, table, text)
    if selected is not None:
        heatmap.outline(figure, table, [(selected, CHOSEN, "dot")])
    title = f"Orange: more in {names[0]}. Blue: more in {names[1]}."
    return heatmap.finish_grid(figure, title, layers, kinds)


def training_map(
    table: pd.DataFrame, stack: str, step: int, *, change: bool, log: bool | None, selected: str | None = None
) -> go.Figure:
    """The shares of one stack at a step, on one colour scale for all steps, with a button that plays them in order.

    Args:
        table: of `dashboard.energy_map.queries.training_table`.
        change: show the difference to the shares before training instead.
        log: colour by the logarithm (of shares only); None: where that shows more.
    """
    first = table[table["step"] == table["step"].min()].set_index("module")["share"]
    table = table.assign(change=table["share"] - table["module"].map(first))
    of_stack = table[table["stack"] == stack]
    kinds, layers = heatmap.axes_of(of_stack)
    scale = Scale.of(table["share"].to_numpy(dtype=float), log, from_zero=True)
    if change:
        ends = diverging(float(table["change"].abs().max()), percent=True, title="change") | {"colorscale": DIVERGING}
    else:
        ends = scale.axis(percent=True, title="share") | {"colorscale": COLOURSCALE}
    steps = sorted(table["step"].unique())

    def map_at(at: int) -> go.Heatmap:
        rows = of_stack[of_stack["step"] == at]
        values = heatmap.cells(rows, kinds, layers, "change" if change else "share")
        if scale.log and not change:
            values = log10(values, otherwise=ends["zmin"])
        words = [
            f"<b>{row.module}</b><br>step {at}<br>share {row.share:.2%} ({row.change * 100:+.2f} points since start)"
            for row in rows.itertuples()
        ]
        one_each = rows.assign(text=words).drop_duplicates(["kind", "layer"])
        text = one_each.pivot(index="kind", columns="layer", values="text")
        text = text.reindex(index=kinds, columns=layers).fillna("")
        return go.Heatmap(
            z=values, x=layers, y=kinds, text=text.to_numpy(), hovertemplate="%{text}<extra></extra>",
            hoverongaps=False, xgap=1, ygap=1, **ends,
        )  # fmt: skip

    figure = go.Figure(map_at(step))
    if selected is not None:
        heatmap.outline(figure, of_stack[of_stack["step"] == steps[0]], [(selected, CHOSEN, "dot")])
    figure = heatmap.finish_grid(figure, _step_title(step, change), layers, kinds)
    figure.frames = [
        go.Frame(data=[map_at(at)], name=str(at), layout={"title": {"text": _step_title(at, change)}}) for at in steps
    ]
    return figure.update_layout(updatemenus=[_player(steps)])


def _player(steps: Sequence[int]) -> dict[str, Any]:
    """A button that plays the frames of all steps in order, and one that stops."""
    play = {"frame": {"duration": FRAME_MS, "redraw": True}, "transition": {"duration": 0}, "fromcurrent": False}
    stop = {"frame": {"duration": 0, "redraw": True}, "mode": "immediate"}
    return {
        "type": "buttons", "direction": "left", "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom",
        "showactive": False, "pad": {"t": 0, "b": 2}, "bgcolor": "rgba(127,127,127,0.15)", "font": {"size": 12},
        "buttons": [
            {"label": "▶ play", "method": "animate", "args": [[str(at) for at in steps], play]},
            {"label": "❚❚", "method": "animate", "args": [[None], stop]},
        ],
    }  # fmt: skip


def training_lines(table: pd.DataFrame, modules: Sequence[str], step: int) -> go.Figure:
    """Shares of modules against optimizer steps; the chosen step is marked."""
    figure = go.Figure()
    for i, module in enumerate(modules):
        rows = table[table["module"] == module].sort_values("step")
        figure.add_scatter(
            x=rows["step"], y=rows["share"], mode="lines+markers", name=short(module),
            line={"color": COLOURS[i % len(COLOURS)], "dash": DASHES[i % len(DASHES)], "width": 2},
            marker={"symbol": SYMBOLS[i % len(SYMBOLS)], "size": 8},
            hovertemplate=f"<b>{module}</b><br>step %{{x}}: %{{y:.2%}}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=step, line={"color": "grey", "dash": "dot", "width": 1})
    figure.update_xaxes(title="optimizer steps (dotted: the step above)", rangemode="tozero")
    figure.update_yaxes(title="share of all energy", tickformat=".0%", rangemode="tozero")
    figure = finish(figure, f"Shares of the {len(modules)} strongest modules", 380)
    legend = {"orientation": "h", "y": -0.25, "yanchor": "top", "x": 0, "xanchor": "left"}
    return figure.update_layout(legend=legend, showlegend=True)


def experts(energy: EnergyMap, module: str) -> go.Figure:
    """The energy of a fused expert tensor, expert by expert."""
    row = energy.modules[energy.modules["module"] == module].iloc[0]
    values = np.asarray(row["expert_energies"], dtype=float)
    shares = values / values.sum() if values.sum() > 0 else values
    best = int(shares.argmax())
    figure = go.Figure(
        go.Bar(
            x=[str(i) for i in range(len(shares))], y=shares, customdata=values,
            marker_color=[ACCENT if i == best else BAR for i in range(len(shares))],
            hovertemplate="expert %{x}<br>%{y:.1%} of this tensor's energy (%{customdata:.3g})<extra></extra>",
        )
    )  # fmt: skip
    figure.update_xaxes(title="expert", type="category")
    figure.update_yaxes(title="share of the tensor's energy", tickformat=".0%")
    return finish(figure, f"Expert {best} has {shares[best]:.0%} of {len(shares)} experts' energy", 300)


def _step_title(step: int, change: bool) -> str:
    what = "Change of shares since the start" if change else "Shares of all energy"
    return f"{what}, step {step}" if step else f"{what}, before training"


def ranked_bars(energy: EnergyMap, count: int) -> go.Figure:
    """The modules that the probe prefers, the first on top, with 95 % bootstrap intervals of shares."""
    probe = energy.probe
    table = energy.table.head(count).iloc[::-1]
    measure, form = ("share", ".2%") if probe.additive else ("energy", ".4g")
    error = None
    if energy.bootstrap is not None and probe.additive:
        low, high = energy.bootstrap.low[table.index], energy.bootstrap.high[table.index]
        share = table["share"].to_numpy()
        error = error_bars(high - share, share - low, thickness=1.2)
    word = measure if probe.additive else "score"
    figure = go.Figure(
        go.Bar(
            x=table[measure], y=[short(m) for m in table["module"]], orientation="h", error_x=error,
            marker_color=[ACCENT if rank == 1 else BAR for rank in table["rank"]], customdata=table["module"],
            hovertemplate=f"<b>%{{customdata}}</b><br>{word} %{{x:{form}}}<extra></extra>",
        )
    )  # fmt: skip
    amount = heatmap.measures_of(probe)["energy"]
    if probe.additive:
        interval = ", with 95 % interval" if error else ""
        figure.update_xaxes(title=f"share of all {amount}{interval}", tickformat=".0%", rangemode="tozero")
        title = f"The {len(table)} strongest modules hold {energy.top_share(count):.0%} of the {amount}"
    else:
        figure.update_xaxes(title=probe.measures, rangemode="tozero")
        end = "lowest" if probe.prefers == "low" else "highest"
        title = f"The {len(table)} modules with the {end} scores"
    return finish(figure, title, 110 + 22 * len(table))


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
    return finish(figure, f"Half of the energy is in {half} of {len(share)} modules (dotted: all equal)", 320)


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
    return finish(figure, f"{parts[where]:.0%} of its energy arises {where}", 300)


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
    sizes = table["max_output"][table["max_output"] > 0]
    at = ticks(float(sizes.min()) / BELOW, float(sizes.max()), log=True) if len(sizes) else []
    span = [float(np.log10(end)) for end in (sizes.min() / BELOW, sizes.max() * 1.1)] if len(sizes) else None
    figure.update_yaxes(
        title="largest |output| (log)", type="log", range=span, tickvals=at, ticktext=tick_texts(at)
    )  # fmt: skip
    return finish(figure, f"Largest output of {kind} modules (red: chosen)", 300)
