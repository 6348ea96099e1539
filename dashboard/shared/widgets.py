"""What widgets hold between two runs of a page, kept true: a choice that no longer exists is forgotten.

In: the key of a widget, and what it offers this time. Out: a session state that the widget can be drawn with. Links,
earlier visits and another run, map or probe leave choices behind that are not among the options any more, and
Streamlit fails on those. Call these before the widget is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import streamlit as st


def forget_unknown(key: str, options: Collection[object]) -> None:
    """Drops a choice, or a list of choices, that is not wholly among the options: the widget begins at its default."""
    held = st.session_state.get(key)
    chosen = held if isinstance(held, list) else [held]
    if held is not None and not set(chosen) <= set(options):
        del st.session_state[key]


def keep_known(key: str, options: Collection[object]) -> None:
    """Of a list of choices, keeps those that are among the options, be it none."""
    held = st.session_state.get(key)
    if held and not set(held) <= set(options):
        st.session_state[key] = [choice for choice in held if choice in options]


def at_most(key: str, largest: float) -> None:
    """Lowers a number that was set where more was possible."""
    held = st.session_state.get(key)
    if held is not None and held > largest:
        st.session_state[key] = largest


def clicked(chart: str) -> str | None:
    """The `customdata` of the point of a chart that was clicked on, in its `on_select`; None where it has none."""
    points = st.session_state[chart].selection.points
    return (points[0].get("customdata") or None) if points else None


def with_held(key: str, options: Collection[str]) -> list[str]:
    """The options of a box that takes what is typed, with what it holds, or what the address gives it.

    What a link or a visitor has named beside what is offered is an option too, or it would be dropped in silence.
    """
    held = st.session_state.get(key, st.query_params.get_all(key))
    own = held if isinstance(held, list) else [held]
    return list(dict.fromkeys([*options, *filter(None, own)]))


def choosing_rows(
    key: str, names: Sequence[str], chosen: Sequence[str], choose: Callable[[list[str]], None]
) -> dict[str, Any]:
    """For a table with a name a row: those of the chosen names are ticked, and ticking others hands on their names.

    Args:
        key: of the table; it is made longer, since under another order the same numbers are other rows.
    """
    own = f"{key}-{hash((*names, *chosen))}"
    rows = [i for i, name in enumerate(names) if name in chosen]
    return {
        "key": own,
        "on_select": lambda: choose(list(dict.fromkeys(names[i] for i in st.session_state[own].selection.rows))),
        "selection_mode": "multi-row",
        "selection_default": {"selection": {"rows": rows, "columns": [], "cells": []}},
    }


CLICKABLE = ("single-row", "single-cell")  # selection modes of a table whose rows open on a click anywhere in them


def clicked_row(event: Any) -> int | None:
    """The row of a `CLICKABLE` table that was clicked on, by its place in the data."""
    if event.selection.rows:
        return event.selection.rows[0]
    cells = event.selection.get("cells", ())
    return cells[0][0] if cells else None


def toggle_clicked(chart: str, key: str) -> None:
    """Puts what was clicked on into a list of choices, or takes it out.

    The chart's own key must hold `clicks()`: a chart of the same key would not report a second click on one point.
    """
    choice, held = clicked(chart), list(st.session_state.get(key, []))
    if choice is not None:
        st.session_state[key] = [one for one in held if one != choice] if choice in held else [*held, choice]
        click_anew()


def click_anew() -> None:
    """Lets a chart forget what was clicked on, where the choice was changed without it: its next click counts again."""
    st.session_state["clicks"] = clicks() + 1


def clicks() -> int:
    """How often charts were made to forget a click; part of their keys."""
    return st.session_state.get("clicks", 0)
