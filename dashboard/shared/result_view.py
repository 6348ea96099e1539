"""The result of a comparison as more than one page shows it: paired differences and the table of contestants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import streamlit as st

from dashboard.shared import contestants, words
from dashboard.shared.widgets import choosing_rows

if TYPE_CHECKING:
    from domlora.comparison.result import Comparison

CHART = {"toImageButtonOptions": {"format": "svg", "filename": "domlora-comparison"}, "displaylogo": False}


def differences(
    comparison: Comparison, *, only: Sequence[str] = (), choose: Callable[[list[str]], None] | None = None,
    config: Mapping[str, Any] = CHART,
) -> None:  # fmt: skip
    """Draws the differences to the baseline, and every contestant in a row of a table.

    Args:
        only: short names of the contestants that are drawn; all where none is named.
        choose: takes the names of the rows that a person chooses in the table.
        config: of the chart.
    """
    run, order = comparison.run, contestants.names_of(comparison.run)
    table, baseline = contestants.shortened(comparison.table), words.short_name(str(comparison.baseline))
    names = list(table["contestant"])
    drawn = table[table["contestant"].isin(only)] if set(only) & set(names) else table
    figure = contestants.differences(drawn, order, baseline, revision=run.id)
    st.plotly_chart(figure, key=f"differences-{run.id}", width="stretch", config=dict(config))
    selecting = {"key": "result"} if choose is None else choosing_rows("result", names, only, choose)
    st.dataframe(
        contestants.result_table(table), hide_index=True, width="stretch",
        column_config=_columns(comparison), **selecting,
    )  # fmt: skip
    st.caption(
        ("Choose rows to draw only those. " if choose else "")
        + f"Losses on {comparison.rows} {comparison.part} rows at the learning rate chosen on validation rows; "
        f"differences to {baseline} on the same seeds and rows. Intervals of "
        "differences hold for all pairs at once, each loss's own interval for itself."
    )


def _columns(comparison: Comparison) -> dict:
    number = st.column_config.NumberColumn
    return {
        "parameters": number(format="localized", help="trainable parameters"),
        "loss": number(format="%.3f", help=f"mean over seeds and {comparison.part} rows"),
        "accuracy": number(format="percent", help="fraction of response tokens that are the most likely ones"),
        "rate": number(format="%g", help="learning rate chosen on validation rows"),
        "difference": number(format="%+.3f", help="loss minus that of the baseline; below 0 is better"),
        "surely lower": st.column_config.TextColumn(
            help="how sure it is that its loss is below the baseline's, this pair taken by itself"
        ),
    }
