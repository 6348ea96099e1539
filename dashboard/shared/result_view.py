"""The result of a comparison as more than one page shows it: paired differences and the table of contestants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shared import contestants, words

if TYPE_CHECKING:
    from domlora.comparison.result import Comparison

CHART = {"toImageButtonOptions": {"format": "svg", "filename": "domlora-comparison"}, "displaylogo": False}


def differences(comparison: Comparison) -> None:
    """Draws the differences to the baseline, and every contestant in a row of a table."""
    run, order = comparison.run, contestants.names_of(comparison.run)
    table, baseline = contestants.shortened(comparison.table), words.short_name(str(comparison.baseline))
    figure = contestants.differences(table, order, baseline, revision=run.id)
    st.plotly_chart(figure, key=f"differences-{run.id}", width="stretch", config=CHART)
    st.dataframe(
        contestants.result_table(table), key="result", hide_index=True, width="stretch",
        column_config=_columns(comparison),
    )  # fmt: skip
    st.caption(
        f"Losses on {comparison.rows} {comparison.part} rows at the learning rate chosen on validation rows; "
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
