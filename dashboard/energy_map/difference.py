"""The Energy map page's tab that subtracts another map from the one that is shown."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.energy_map import charts, tables
from dashboard.energy_map.details import View
from dashboard.shared import queries
from dashboard.shared.queries import MapRow
from dashboard.shared.widgets import forget_unknown
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError
from domlora.probes.registry import PROBES


def show(view: View) -> None:
    """Choice of the other map, the difference as a map, in words and as a table."""
    found = candidates(view.energy, queries.map_rows())
    labels = {_label(row): row for row in found}
    if not labels:
        st.info("There is no other map of this model, nor of one with as many modules: measure another task first.")
        st.page_link("launch/page.py", label="Launch a probe", icon=":material/play_arrow:")
        return
    forget_unknown("other", labels)  # of another model
    label = st.selectbox("Compare with", list(labels), key="other", bind="query-params")
    if not view.open:
        return
    try:
        other = queries.energy(labels[label].id)
        difference = tables.difference(view.energy, other)
    except DomLoRAError as error:
        st.error(str(error))
        return
    names = tables.names_of(view.energy, other)
    st.markdown(tables.difference_words(difference, view.energy, other))
    for stack in difference.table["stack"].unique():
        figure = charts.difference(difference, stack, names, view.module)
        st.plotly_chart(figure, key=f"difference-{stack}", width="stretch", config=view.config)
    ordered = difference.table.sort_values("difference", key=abs, ascending=False)
    scale = 100 if difference.shares else 1
    form = "%.2f%%" if difference.shares else "%.4g"
    first, second = (f"{name} " if names[0] == names[1] else name for name in names)
    table = pd.DataFrame(
        {"module": ordered["module"], first: scale * ordered["first"], second: scale * ordered["second"],
         "difference": scale * ordered["difference"]}
    )  # fmt: skip
    columns = {name: st.column_config.NumberColumn(format=form) for name in (first, second, "difference")}
    st.dataframe(table, key="differences", hide_index=True, width="stretch", column_config=columns, height=300)


def candidates(energy: EnergyMap, rows: list[MapRow]) -> list[MapRow]:
    """Maps that may be subtracted: of the same model first, then of others with as many modules.

    Probes whose scores add up are compared with one another by their shares, any other with itself alone.
    """
    probe = energy.probe
    fitting = [
        row
        for row in rows
        if row.id != energy.id
        and (row.probe == probe.name or (probe.additive and PROBES[row.probe].additive))
        and (row.model == energy.provenance.model or row.modules == len(energy.modules))
    ]
    return sorted(fitting, key=lambda row: (row.model != energy.provenance.model, row.probe != probe.name))


def _label(row: MapRow) -> str:
    return row.label if row.probe == queries.PAGE else f"{row.label}, {PROBES[row.probe].title}"
