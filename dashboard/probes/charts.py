"""Plotly figures of how well probes foretell where an adapter works. Pure functions: no Streamlit, no store, no torch.

In: a `Ranking`. Out: figures that can be read without colour: a kind of module also has a symbol of its own, and
trivial baselines are hatched and named in brackets.
"""

from __future__ import annotations

import textwrap

import numpy as np
import plotly.graph_objects as go

from dashboard.shared.figures import ACCENT, BAR, COLOURSCALE, kind_symbol
from domlora.models.kinds import in_order
from domlora.probes.registry import PROBES
from domlora.ranking.result import Ranking

TITLE = 52  # characters a line of a title, so that none is cut beside the menu at 800 pixels
NAME = 27  # letters of a probe's name on an axis
BEST = "#2a9d8f"
LOG_FROM = 20  # largest over smallest score from which on a log axis shows more


def rhos(found: Ranking) -> go.Figure:
    """Rank correlation of every probe with what adapters achieved, with intervals, beside trivial baselines."""
    table = found.table[found.table["probe"] != "random"].iloc[::-1]  # a random order has a rho of 0: the line
    error = {
        "type": "data", "symmetric": False, "array": table["high"] - table["rho"],
        "arrayminus": table["rho"] - table["low"], "thickness": 1.2, "color": "grey",
    }  # fmt: skip
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
    probes = found.table[~found.table["baseline"]]
    told = int((probes["verdict"] == "better than chance").sum())
    title = f"{told} of {len(probes)} probes order these modules better than chance (hatched: trivial rules)"
    return _finish(figure, title, 130 + 34 * len(table))


def scatter(found: Ranking, probe: str) -> go.Figure:
    """A probe's score against the achieved improvement: one point a module, symbol by kind, colour by layer."""
    row = found.table.set_index("probe").loc[probe]
    low_first = PROBES[probe.split(" ")[0]].prefers == "low"  # type: ignore[index]
    table = found.modules.assign(score=found.scores[probe].to_numpy())
    table["score_rank"] = table["score"].rank(ascending=low_first, method="min").astype(int)
    log = bool((table["score"] > 0).all()) and table["score"].max() > LOG_FROM * table["score"].min()
    figure = go.Figure()
    kinds = in_order(table["kind"])
    for kind in kinds:
        mine = table[table["kind"] == kind]
        text = [
            f"<b>{m.module}</b><br>layer {m.layer}, {m.kind}, {m.parameters:,} trainable parameters<br>"
            f"{row['title']}: {m.score:.4g}, place {m.score_rank} of {len(table)}<br>"
            f"loss falls by {m.improvement:.3f} nats (95 % interval {m.low:.3f} to {m.high:.3f}), place {m.rank} of "
            f"{len(table)}<br>at learning rate {m.learning_rate:g}"
            for m in mine.itertuples()
        ]
        figure.add_scatter(
            x=mine["score"], y=mine["improvement"], mode="markers", showlegend=False, hovertext=text,
            hovertemplate="%{hovertext}<extra></extra>", customdata=mine["module"],
            error_y={"type": "data", "symmetric": False, "array": mine["high"] - mine["improvement"],
                     "arrayminus": mine["improvement"] - mine["low"], "thickness": 0.7, "width": 0, "color": "grey"},
            marker={"symbol": kind_symbol(kind), "size": 11, "color": mine["layer"], "coloraxis": "coloraxis",
                    "line": {"color": "grey", "width": 0.8}},
        )  # fmt: skip
        # An entry of its own: one of points coloured by layer would be black, and unseen on a dark page.
        figure.add_scatter(
            x=[None],
            y=[None],
            mode="markers",
            name=kind,
            marker={"color": "grey", "size": 11, "symbol": kind_symbol(kind)},
        )
    best, pick = table.iloc[0], table.iloc[int(np.argmax(table["placement"] == row["pick"]))]
    same = best["placement"] == pick["placement"]
    # A ring as a trace rather than an annotation: annotations on a log axis take other coordinates than points do.
    marked = [(best, "best found and top pick" if same else "best found", BEST)]
    marked += [] if same else [(pick, f"top pick of {row['title']}", ACCENT)]
    for one, name, colour in marked:
        figure.add_scatter(
            x=[one["score"]], y=[one["improvement"]], mode="markers+text", name=name, text=[one["placement"]],
            textposition="top center", hoverinfo="skip", cliponaxis=False,
            marker={"symbol": "circle-open", "size": 21, "line": {"color": colour, "width": 3}, "color": colour},
        )  # fmt: skip
    turned = "lower means: adapt here, so it falls to the right" if low_first else "higher means: adapt here"
    figure.update_xaxes(title=f"score, {'log, ' if log else ''}{turned}", type="log" if log else "linear")
    figure.update_xaxes(exponentformat="power")
    if low_first:
        figure.update_xaxes(autorange="reversed")
    figure.update_yaxes(title="achieved improvement (nats per response token)")
    figure.update_layout(
        coloraxis={"colorscale": COLOURSCALE, "colorbar": {"title": {"text": "layer"}, "thickness": 10, "len": 0.8}}
    )
    interval = f" ({_number(row['low'])} to {_number(row['high'])})" if row["low"] == row["low"] else ""
    title = f"{row['title']}: rho {_number(row['rho'])}{interval}; its top pick is place {row['pick_rank']:.3g} of "
    return _finish(figure, f"{title}{len(table)}", 460, legend=True)


def _number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def _wrapped(name: str) -> str:
    return "<br>".join(textwrap.wrap(name, NAME))


def _finish(figure: go.Figure, title: str, height: int, *, legend: bool = False) -> go.Figure:
    lines = textwrap.wrap(title, TITLE, break_on_hyphens=False)
    below = 60 if legend else 0
    figure.update_layout(
        title={"text": "<br>".join(lines), "font": {"size": 15}, "x": 0, "xanchor": "left", "y": 1, "yanchor": "top",
               "yref": "container", "pad": {"t": 10}},
        height=height + below, margin={"l": 10, "r": 16, "t": 30 + 20 * len(lines), "b": 50 + below},
        legend={"orientation": "h", "y": 0, "yref": "container", "yanchor": "bottom", "x": 0, "xanchor": "left"},
        showlegend=legend, paper_bgcolor="rgba(0,0,0,0)", plot_bgcolor="rgba(0,0,0,0)", dragmode=False,
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": "grey", "activecolor": BAR},
    )  # fmt: skip
    figure.update_xaxes(automargin=True)
    figure.update_yaxes(automargin=True)
    return figure
