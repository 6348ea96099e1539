"""All variants at once: their settings side by side, and the loss that each came to. A pure function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.compare.charts import near_the_best
from dashboard.shared.contestants import finish_compared
from dashboard.shared.figures import ACCENT
from dashboard.shared.words import cut

NAMES = ("run", "placement", "method")
BEST_TO_WORST = ((0, ACCENT), (0.4, "#E69F00"), (1, "#A8A8A8"))  # seen on white and on black
TICKS = 6  # of a logarithmic axis


def parallel(table: pd.DataFrame, *, ranked: bool = True, revision: str = "") -> go.Figure:
    """One line a variant through its settings to its loss; dragging along an axis keeps the lines that cross there.

    Args:
        table: of `tables.variant_table`, those that are done, with a column `loss`.
        ranked: whether losses of all rows may be compared, so that the title may name the best.
    """
    rows = table[np.isfinite(table["loss"].astype(float))].sort_values("loss", ascending=False)
    figure = go.Figure()
    if len(rows):
        lowest, edge = near_the_best(rows["loss"].to_numpy(dtype=float))
        dimensions = [
            *(_names(rows, name) for name in NAMES if name in rows and rows[name].nunique() > 1),
            _logs(rows, "parameters"), _logs(rows, "learning_rate", "learning rate"),
            {"label": "validation loss", "values": rows["loss"].clip(upper=edge), "tickformat": ".3f"},
        ]  # fmt: skip
        figure.add_parcoords(
            dimensions=dimensions, labelside="bottom",
            line={"color": rows["loss"], "colorscale": BEST_TO_WORST, "cmin": lowest,
                  "cmax": edge if edge > lowest else lowest + 1, "showscale": False},
        )  # fmt: skip
    finish_compared(figure, _parallel_title(rows, ranked), 420, legend=False, revision=revision)
    widest = max((len(str(name)) for name in rows.get("run", rows.get("placement", ()))), default=0)
    return figure.update_layout(margin={"l": 40 + min(220, 6 * widest), "r": 50, "b": 44})


def _parallel_title(rows: pd.DataFrame, ranked: bool) -> str:
    if rows.empty:
        return "No variant has finished yet"
    if not ranked:
        return f"{len(rows)} variants of {rows['run'].nunique()} runs, from their settings to their loss"
    best = rows.iloc[-1]  # drawn last, so that it lies above the others
    where = f" in {best['run']}" if "run" in rows else ""
    return f"Lowest of {len(rows)}: {best['contestant']} at rate {best['learning_rate']:g}{where} ({best['loss']:.3f})"


def _names(rows: pd.DataFrame, column: str) -> dict[str, Any]:
    """An axis of names."""
    names = list(dict.fromkeys(rows[column].sort_values(key=lambda c: c.map(str))))
    return {
        "label": column, "values": [names.index(value) for value in rows[column]],
        "tickvals": list(range(len(names))), "ticktext": [cut(str(name), 28) for name in names],
    }  # fmt: skip


def _logs(rows: pd.DataFrame, column: str, label: str | None = None) -> dict[str, Any]:
    """A logarithmic axis with a tick at each value that occurs, or at some where these are many."""
    values = sorted(rows[column].unique())
    ticks = values if len(values) <= TICKS else [values[round(i * (len(values) - 1) / TICKS)] for i in range(TICKS + 1)]
    return {
        "label": label or column, "values": np.log10(rows[column].astype(float)),
        "tickvals": np.log10(np.array(ticks, dtype=float)),
        "ticktext": [f"{tick:,}" if tick >= 1000 else f"{tick:g}" for tick in ticks],
    }  # fmt: skip
