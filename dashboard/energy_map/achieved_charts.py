"""What single modules achieved when they were trained alone: as a map of its own colours, and against energy. Pure.

In: an `EnergyMap`, and a `Ranking` made with it. Out: figures whose points can be clicked, as those of the energy map.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.shared import heatmap
from dashboard.shared.figures import ACCENT, BAR, CHOSEN, error_bars, finish_long, kind_in_legend, kind_symbol
from dashboard.shared.scale import diverging, tick_texts, ticks
from domlora.energy.energy_map import EnergyMap
from domlora.models.kinds import in_order
from domlora.ranking.result import Ranking

# From losing (purple) over nothing to gaining (green), which the energy map's blue and yellow cannot be taken for.
GAINS = [[0.0, "#762a83"], [0.5, "#eeeeee"], [1.0, "#1b7837"]]
TITLE = 60  # characters a line of a title
LOG_FROM = 20  # largest over smallest score from which on a log axis shows more


def grid(energy: EnergyMap, ranking: Ranking, stack: str, selected: str | None = None) -> go.Figure:
    """The cells of the energy map coloured by the fall of the loss; those that were not trained alone stay empty."""
    whole = energy.table[energy.table["stack"] == stack]
    gains = ranking.modules.set_index("module")
    kinds, layers = heatmap.axes_of(whole)
    table = whole.assign(improvement=whole["module"].map(gains["improvement"]))
    values = heatmap.cells(table, kinds, layers, "improvement")
    figure = go.Figure(
        go.Heatmap(
            z=values, x=layers, y=kinds, colorscale=GAINS, xgap=1, ygap=1, hoverinfo="skip",
            **diverging(float(np.nanmax(np.abs(values))), percent=False, title="fall of<br>the loss"),
        )
    )  # fmt: skip
    texts = [_words(gains, row.module, row.layer, row.kind) for row in table.itertuples()]
    heatmap.add_click_targets(figure, table, texts)
    best = ranking.modules.iloc[0]
    marked = [(best["module"], ACCENT, "solid")]
    if selected and selected != best["module"]:
        marked.append((selected, CHOSEN, "dot"))
    heatmap.outline(figure, table, marked)
    title = f"Trained alone: {best['placement']} lowers the loss most, by {best['improvement']:.3g} nats"
    return heatmap.finish_grid(figure, title, layers, kinds)


def scatter(energy: EnergyMap, ranking: Ranking, selected: str | None = None) -> go.Figure:
    """What each module achieved against what the probe says of it, and how well the two orders agree."""
    scores = energy.table.set_index("module")
    measure, percent = ("share", True) if energy.probe.additive else ("energy", False)
    table = ranking.modules.assign(score=ranking.modules["module"].map(scores[measure]))
    gains = table.set_index("module")
    low_first = energy.probe.prefers == "low"
    log = bool((table["score"] > 0).all()) and float(table["score"].max()) > LOG_FROM * float(table["score"].min())
    form = ".2%" if percent else ".4g"
    figure = go.Figure()
    for kind in in_order(table["kind"]):
        rows = table[table["kind"] == kind]
        texts = [
            _words(gains, row.module, row.layer, row.kind) + f"<br>{measure} {row.score:{form}}"
            for row in rows.itertuples()
        ]
        figure.add_scatter(
            x=rows["score"], y=rows["improvement"], mode="markers", showlegend=False, hovertext=texts,
            hovertemplate="%{hovertext}<extra></extra>", customdata=rows["module"],
            error_y=error_bars(rows["high"] - rows["improvement"], rows["improvement"] - rows["low"],
                               thickness=0.7, width=0, color="grey"),
            marker={"symbol": kind_symbol(kind), "size": 11, "line": {"color": "grey", "width": 0.8},
                    "color": [CHOSEN if module == selected else BAR for module in rows["module"]]},
            selected={"marker": {"opacity": 1}}, unselected={"marker": {"opacity": 1}},
        )  # fmt: skip
        kind_in_legend(figure, kind)
    at = ticks(float(table["score"].min()), float(table["score"].max()), log=log)
    amount = heatmap.measures_of(energy.probe)["energy"]
    figure.update_xaxes(
        title=(f"share of all {amount}" if percent else energy.probe.measures) + (" (log)" if log else ""),
        type="log" if log else "linear", tickvals=at, ticktext=tick_texts(at, percent=percent),
    )  # fmt: skip
    if low_first:
        figure.update_xaxes(autorange="reversed")
    figure.update_yaxes(title="fall of the loss (nats)")
    figure.update_layout(hovermode="closest")
    return finish_long(figure, _title(ranking), 400, letters=TITLE, legend=True, legend_height=40)


def _title(ranking: Ranking) -> str:
    row = ranking.table[~ranking.table["baseline"]].iloc[0]
    if not np.isfinite(row["rho"]):
        return f"{row['title']} and what training achieved"
    interval = f" ({row['low']:.2f} to {row['high']:.2f})" if np.isfinite(row["low"]) else ""
    return f"{row['title']} orders these modules {row['verdict']}: rho {row['rho']:.2f}{interval}".replace("-", "−")


def _words(gains: pd.DataFrame, module: str, layer: int, kind: str) -> str:
    head = f"<b>{module}</b><br>layer {layer}, {kind}<br>"
    if module not in gains.index:
        return f"{head}not trained alone"
    row = gains.loc[module]
    return (
        f"{head}loss falls by {row['improvement']:.3f} nats ({row['low']:.3f} to {row['high']:.3f}), place "
        f"{row['rank']} of {len(gains)}<br>at learning rate {row['learning_rate']:g}"
    )
