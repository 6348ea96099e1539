"""Plotly figures of how well probes foretell where an adapter works. Pure functions: no Streamlit, no store, no torch.

In: a `Ranking`, which holds the scores of probes and what adapters achieved. Out: figures that can be read without
colour: a kind of module also has a symbol of its own, and trivial baselines are hatched and named in brackets.
"""

from __future__ import annotations

import textwrap

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.shared.figures import (
    ACCENT,
    BAR,
    CHOSEN,
    COLOURSCALE,
    error_bars,
    finish_long,
    kind_in_legend,
    kind_symbol,
)
from domlora.models.kinds import in_order
from domlora.probes.registry import PROBES
from domlora.ranking.result import Ranking

TITLE = 52  # characters a line of a title, so that none is cut beside the menu at 800 pixels
NAME = 27  # letters of a probe's name on an axis
LOG_FROM = 20  # largest over smallest score from which on a log axis shows more


def rhos(ranking: Ranking) -> go.Figure:
    """Rank correlation of every probe with what adapters achieved, with intervals, beside trivial baselines."""
    table = ranking.table[ranking.table["probe"] != "random"].iloc[::-1]  # a random order has a rho of 0: the line
    error = error_bars(table["high"] - table["rho"], table["rho"] - table["low"], thickness=1.2, color="grey")
    names = [f"({row.title})" if row.baseline else row.title for row in table.itertuples()]
    text = [
        f"<b>{name}</b><br>Spearman's rho {_number(row.rho)}"
        + (f", 95 % interval {_number(row.low)} to {_number(row.high)}" if row.low == row.low else "")
        + (f"<br>within kinds {_number(row.within)}" if row.within == row.within else "")
        + f"<br>{row.verdict}"
        for name, row in zip(names, table.itertuples(), strict=True)
    ]
    figure = go.Figure(
        go.Bar(
            x=table["rho"], y=[_wrapped(name) for name in names], orientation="h", error_x=error, hovertext=text,
            hovertemplate="%{hovertext}<extra></extra>",
            marker={
                "color": ["grey" if baseline else BAR for baseline in table["baseline"]],
                "opacity": [0.55 if baseline else 1.0 for baseline in table["baseline"]],
                "pattern": {"shape": ["/" if baseline else "" for baseline in table["baseline"]]},
            },
        )
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": "grey", "width": 1})
    figure.update_xaxes(title="Spearman's rho, with 95 % interval", range=[-1, 1], dtick=0.5)
    figure.update_yaxes(ticks="")
    probes = ranking.table[~ranking.table["baseline"]]
    better = int((probes["verdict"] == "better than chance").sum())
    title = f"{better} of {len(probes)} probes order these modules better than chance (hatched: trivial rules)"
    return finish_long(figure, title, 130 + 34 * len(table), letters=TITLE, legend=False)


def scatter(ranking: Ranking, probe: str) -> go.Figure:
    """A probe's score against the achieved improvement: one point a module, symbol by kind, colour by layer."""
    row = ranking.table.set_index("probe").loc[probe]
    low_first = PROBES[probe.split(" ")[0]].prefers == "low"  # type: ignore[index]
    table = ranking.modules.assign(score=ranking.scores[probe].to_numpy())
    table["score_rank"] = table["score"].rank(ascending=low_first, method="min").astype(int)
    log = bool((table["score"] > 0).all()) and table["score"].max() > LOG_FROM * table["score"].min()
    figure = go.Figure()
    for kind in in_order(table["kind"]):
        rows = table[table["kind"] == kind]
        text = [
            f"<b>{m.module}</b><br>layer {m.layer}, {m.kind}, {m.parameters:,} trainable parameters<br>"
            f"{row['title']}: {m.score:.4g}, place {m.score_rank} of {len(table)}<br>"
            f"loss falls by {m.improvement:.3f} nats (95 % interval {m.low:.3f} to {m.high:.3f}), place {m.rank} of "
            f"{len(table)}<br>at learning rate {m.learning_rate:g}"
            for m in rows.itertuples()
        ]
        figure.add_scatter(
            x=rows["score"], y=rows["improvement"], mode="markers", showlegend=False, hovertext=text,
            hovertemplate="%{hovertext}<extra></extra>", customdata=rows["module"],
            error_y=error_bars(rows["high"] - rows["improvement"], rows["improvement"] - rows["low"],
                               thickness=0.7, width=0, color="grey"),
            marker={"symbol": kind_symbol(kind), "size": 11, "color": rows["layer"], "coloraxis": "coloraxis",
                    "line": {"color": "grey", "width": 0.8}},
        )  # fmt: skip
        kind_in_legend(figure, kind)
    _mark_best_and_pick(figure, table, row)
    meaning = "lower means: adapt here, so it falls to the right" if low_first else "higher means: adapt here"
    figure.update_xaxes(
        title=f"score, {'log, ' if log else ''}{meaning}", type="log" if log else "linear", exponentformat="power"
    )
    if low_first:
        figure.update_xaxes(autorange="reversed")
    figure.update_yaxes(title="achieved improvement (nats per response token)")
    figure.update_layout(
        coloraxis={"colorscale": COLOURSCALE, "colorbar": {"title": {"text": "layer"}, "thickness": 10, "len": 0.8}}
    )
    interval = f" ({_number(row['low'])} to {_number(row['high'])})" if row["low"] == row["low"] else ""
    title = (
        f"{row['title']}: rho {_number(row['rho'])}{interval}; its top pick is place {row['pick_rank']:.3g} "
        f"of {len(table)}"
    )
    return finish_long(figure, title, 460, letters=TITLE, legend=True, legend_height=60)


def _mark_best_and_pick(figure: go.Figure, table: pd.DataFrame, row: pd.Series) -> None:
    """Rings and names the module that adapts best and the one that the probe would take.

    The rings are traces, not annotations: on a log axis an annotation is placed by the logarithm of its value.

    Args:
        table: a row a module, the best found first.
        row: of the probe.
    """
    best, pick = table.iloc[0], table.iloc[int(np.argmax(table["placement"] == row["pick"]))]
    same = best["placement"] == pick["placement"]
    marked = [(best, "best found and top pick" if same else "best found", CHOSEN)]
    marked += [] if same else [(pick, f"top pick of {row['title']}", ACCENT)]
    for one, name, colour in marked:
        figure.add_scatter(
            x=[one["score"]], y=[one["improvement"]], mode="markers+text", name=name, text=[one["placement"]],
            textposition="top center", hoverinfo="skip", cliponaxis=False,
            marker={"symbol": "circle-open", "size": 21, "line": {"color": colour, "width": 3}, "color": colour},
        )  # fmt: skip


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _wrapped(name: str) -> str:
    return "<br>".join(textwrap.wrap(name, NAME))
