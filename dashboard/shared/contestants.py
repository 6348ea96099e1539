"""The contestants of a comparison, as every page shows them: their order, colours, table and paired differences.

In: tables of a run and of its `Comparison`. Out: tables that a person reads, and figures that show the same colour for
the same contestant everywhere and can be read without it. Pure functions: no Streamlit, no store, no torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.shared.figures import error_bars, finish_long
from domlora.colours import colours as colours
from domlora.colours import symbols as symbols
from domlora.comparison.names import names_of as names_of
from domlora.comparison.names import shortened as shortened

TITLE = 56  # characters a line of a title, so that none is cut beside the menu at 800 pixels
LOSS = "loss (nats per response token)"


def result_table(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of a comparison's table that a person reads, with intervals in words."""

    def interval(low: float, high: float, sign: str) -> str:
        return f"{low:{sign}.3f} to {high:{sign}.3f}" if pd.notna(low) and pd.notna(high) else ""

    return pd.DataFrame(
        {
            "contestant": table["contestant"],
            "loss": table["loss"],
            "95 % interval": [interval(*pair, "") for pair in zip(table["low"], table["high"], strict=True)],
            "difference": table["difference"],
            "interval of the difference": [
                "" if row.verdict == "baseline" else interval(row.difference_low, row.difference_high, "+")
                for row in table.itertuples()
            ],
            "verdict": table["verdict"],
            "surely lower": [f"{100 * p:.0f} %" if pd.notna(p) else "" for p in table["better_probability"]],
            "accuracy": table["accuracy"],
            "parameters": table["trainable_parameters"], "modules": table["modules"], "rate": table["learning_rate"],
            "seeds": table["seeds"], "status": table["status"],
            "note": ["; ".join(filter(None, (row.edge, row.note))) for row in table.itertuples()],
        }
    )  # fmt: skip


def differences(table: pd.DataFrame, order: Sequence[str], baseline: str, *, revision: str = "") -> go.Figure:
    """Paired differences to the baseline with their intervals; left of zero is better.

    Args:
        table: contestant, difference, difference_low, difference_high; the baseline's own row is left out.
    """
    rows = table[(table["contestant"] != baseline) & np.isfinite(table["difference"])].iloc[::-1]
    palette, marks = colours(order), symbols(order)
    sure = 0
    figure = go.Figure()
    for row in rows.itertuples():
        interval = np.isfinite(row.difference_low) and np.isfinite(row.difference_high)
        differs = interval and (row.difference_low > 0 or row.difference_high < 0)
        sure += bool(differs)
        error = (
            error_bars(
                [row.difference_high - row.difference], [row.difference - row.difference_low], thickness=1.6, width=5
            )
            if interval
            else None
        )
        span = f"95 % interval {row.difference_low:+.3f} to {row.difference_high:+.3f}" if interval else "no interval"
        figure.add_scatter(
            x=[row.difference], y=[row.contestant], error_x=error, mode="markers", name=row.contestant,
            marker={"color": palette[row.contestant], "symbol": marks[row.contestant], "size": 11},
            hovertemplate=f"<b>{row.contestant}</b> minus {baseline}<br>{row.difference:+.3f}, {span}<extra></extra>",
        )  # fmt: skip
    figure.add_vline(x=0, line={"color": "grey", "dash": "dash"})
    figure.update_xaxes(title=f"loss minus that of {baseline} (nats)", zeroline=False)
    figure.update_yaxes(type="category", title="")
    title = (
        f"{sure} of {len(rows)} differ from {baseline} beyond their 95 % interval" if len(rows)
        else f"Nothing to compare with {baseline} yet"
    )  # fmt: skip
    height = 120 + 34 * max(2, len(rows))
    return finish_compared(figure, title, height, revision=f"{revision}-{baseline}", legend=False)


def finish_compared(
    figure: go.Figure, title: str, height: int, *, legend: bool = True, revision: str = ""
) -> go.Figure:
    """As all figures, with room for the lines of the legend, dragging that zooms, and a zoom that outlives a redraw.

    Args:
        height: without the legend.
        revision: the zoom is kept as long as this stays.
    """
    names = [str(trace.name) for trace in figure.data if trace.name and trace.showlegend is not False]
    widest = max(map(len, names), default=0) * 6.5 + 55  # pixels, about
    below = 26 * math.ceil(len(names) / max(1, 600 // widest))
    figure.update_layout(uirevision=revision or "fixed")
    return finish_long(
        figure, title, height, letters=TITLE, legend=legend and len(names) > 0, legend_height=below, zoom=True
    )
