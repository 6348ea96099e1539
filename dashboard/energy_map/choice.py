"""Which energy map is looked at: the choice of a probe and of one of its maps, both in the URL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import streamlit as st

from dashboard.energy_map import pick
from dashboard.shared.queries import MapRow
from dashboard.shared.words import literal
from domlora.probes.registry import PROBES

WIDE = 0.72  # of the room, for the name of a map
LEAST_LETTERS = 6  # of an id that a link may cut short
AGAIN = "map_again"  # in the session's state: a map to show in the next run
CLEARED = "no_map"  # whether the visitor wants none for now
SHOWN = "shown_map"  # and the name of the map that was shown last


def choose(rows: Sequence[MapRow]) -> MapRow | None:
    """Draws both choosers. A map that a link names decides its probe; without one PAGE's newest is shown.

    Args:
        rows: all maps, one at least.

    Returns:
        None where none is chosen, or one that does not exist: it is said, and nothing else is shown for it.
    """
    by_label = {row.label: row for row in rows}
    if left := pick.came_back():
        id, view = left
        _open(next((row.label for row in rows if row.id == id), id), view)
    if AGAIN in st.session_state:
        st.session_state["map"] = st.session_state.pop(AGAIN)
    cleared = st.session_state.get(CLEARED)
    wanted = None if cleared else st.session_state.get("map") or st.query_params.get("map")
    if wanted is not None and wanted not in by_label:
        return _find(wanted, rows)
    probes = [name for name in PROBES if any(row.probe == name for row in rows)]
    titles = {PROBES[name].title: name for name in probes}  # as the URL has them
    asked = st.session_state.get("probe") or titles.get(st.query_params.get("probe", ""))
    probe = by_label[wanted].probe if wanted in by_label else asked
    if probe not in probes:
        probe = probes[0]
    if wanted is None and not cleared:
        others = {name: st.query_params.get_all(name) for name in st.query_params if name != "probe"}
        _open(next(row.label for row in rows if row.probe == probe), others)
    st.session_state["probe"] = probe
    left, right = st.columns([1 - WIDE, WIDE])
    probe = left.selectbox(
        "Probe", probes, key="probe", bind="query-params", format_func=lambda name: PROBES[name].title,
        on_change=_follow, args=(rows,),
    )  # fmt: skip
    labels = {row.label: row for row in rows if row.probe == probe}
    label = right.selectbox(
        "Energy map", list(labels), index=None, key="map", bind="query-params", on_change=_move, args=(rows,),
        placeholder="Choose an energy map",
    )  # fmt: skip
    if label is not None:
        st.session_state.pop(CLEARED, None)
        st.session_state[SHOWN] = label
        return labels[label]
    if wanted is not None:  # Back led to the address without a map that one came by
        st.session_state[AGAIN] = wanted
        st.rerun()
    st.info("Choose an energy map.")
    return None


def _find(named: str, rows: Sequence[MapRow]) -> None:
    """Opens the map that a link names by its id; where there is none, says so and offers the others.

    The choosers are not drawn here, so that the address stays as it was given.
    """
    id = named.removesuffix(")").rpartition("(")[2].strip()
    found = [row.label for row in rows if len(id) >= LEAST_LETTERS and row.id.startswith(id)]
    others = {name: st.query_params.get_all(name) for name in st.query_params if name != "probe"}
    if len(found) == 1:
        _open(found[0], others)
    st.title("Energy map")
    st.warning(f"There is no energy map “{literal(named)}” here: it was deleted, or it is in another store.")
    instead = st.selectbox("Another one", [row.label for row in rows], index=None, key="instead")
    if instead:
        _open(instead, {})


def _open(label: str, query: Mapping[str, Any]) -> NoReturn:
    """Goes to a map as a link would, with what else is in the link.

    A map that nobody chose stands in the URL like any other and is no default of the widget: a default is left out of
    the URL, so that a link would lead elsewhere once there is a newer map. It says its probe, which may be bound.
    """
    st.session_state.pop("map", None)
    st.switch_page("energy_map/page.py", query_params={**query, "map": label})


def _follow(rows: Sequence[MapRow]) -> None:
    """Another probe was chosen: its map of the same model and task, or of the same model, or its newest."""
    before = next((row for row in rows if row.label == st.session_state.get(SHOWN)), None)
    after = [row for row in rows if row.probe == st.session_state["probe"]]
    if before is not None:
        after.sort(key=lambda row: (row.model != before.model, row.task != before.task))
    st.session_state["map"] = after[0].label
    _move(rows)


def _move(rows: Sequence[MapRow]) -> None:
    """Another map was chosen: who looked at the strongest module of the one before looks at its strongest one."""
    st.session_state[CLEARED] = st.session_state["map"] is None
    by_label = {row.label: row for row in rows}
    before, after = (by_label.get(st.session_state.get(key)) for key in (SHOWN, "map"))
    if before is not None and after is not None and st.session_state.get("module") == before.module:
        st.session_state["module"] = after.module
