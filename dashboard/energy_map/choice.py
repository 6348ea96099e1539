"""Which energy map is looked at: the choice of a probe and of one of its maps, both in the URL."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard.shared.queries import MapRow
from domlora.probes.registry import PROBES

WIDE = 0.72  # of the room, for the name of a map


def choose(rows: Sequence[MapRow]) -> MapRow:
    """Draws both choosers. A map that a link names decides its probe; else PAGE's newest is shown.

    Args:
        rows: all maps, one at least.
    """
    wanted = st.session_state.get("map") or st.query_params.get("map")
    by_label = {row.label: row for row in rows}
    probes = [name for name in PROBES if any(row.probe == name for row in rows)]
    titles = {PROBES[name].title: name for name in probes}  # as the URL has them
    asked = st.session_state.get("probe") or titles.get(st.query_params.get("probe", ""))
    probe = by_label[wanted].probe if wanted in by_label else asked
    if probe not in probes:
        probe = probes[0]
    # The newest map stands in the URL like any other and is no default of the widget: a default is left out of the URL,
    # so that a link would lead elsewhere once there is a newer map. It says its probe, which may be bound by now.
    if wanted not in by_label:
        st.session_state.pop("map", None)
        newest = next(row.label for row in rows if row.probe == probe)
        others = {name: value for name, value in st.query_params.to_dict().items() if name != "probe"}
        st.switch_page("energy_map/page.py", query_params={**others, "map": newest})
    st.session_state["probe"] = probe
    left, right = st.columns([1 - WIDE, WIDE])
    probe = left.selectbox(
        "Probe", probes, key="probe", bind="query-params", format_func=lambda name: PROBES[name].title,
        on_change=_follow, args=(rows,),
    )  # fmt: skip
    labels = {row.label: row for row in rows if row.probe == probe}
    label = right.selectbox("Energy map", list(labels), index=None, key="map", bind="query-params")
    return labels[label or next(iter(labels))]


def _follow(rows: Sequence[MapRow]) -> None:
    """Another probe was chosen: its map of the same model and task, or of the same model, or its newest."""
    before = next((row for row in rows if row.label == st.session_state.get("map")), None)
    after = [row for row in rows if row.probe == st.session_state["probe"]]
    if before is not None:
        after.sort(key=lambda row: (row.model != before.model, row.task != before.task))
    st.session_state["map"] = after[0].label
