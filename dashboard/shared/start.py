"""The button that starts a job, and beside it all that decides whether to press it: what, how long, what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.shared import fields, words


def row(
    what: str, problems: Sequence[str], notes: Sequence[str], known: Callable[[], None] | None = None
) -> str | None:
    """Draws the row. The button starts a job, or opens what is known unless it is to be done again.

    Args:
        what: will run, in a sentence: a name that was typed and not taken is seen to be missing here.
        problems: one line for each thing that is wrong; nothing starts then.
        notes: lines on what it takes.
        known: draws the way to a result that is there already.

    Returns:
        None where nothing was pressed, else `start`, `again` (although it is known), or `open` (what is known).
    """
    left, right = st.columns([1, 5], vertical_alignment="center")
    again = known is not None and bool(st.session_state.get("again"))
    pressed = left.button(
        "Open it" if known is not None and not again else "Start", type="primary", key="start",
        disabled=bool(problems), width="stretch",
    )  # fmt: skip
    with right:
        fields.say(problems)
        if not problems:
            st.markdown(words.literal(what))
        if known is not None:
            with st.container(horizontal=True, vertical_alignment="center"):
                known()
                st.toggle("Do it again", key="again")
        if not problems and (known is None or again):
            st.caption("  \n".join(filter(None, notes)))
    if not pressed:
        return None
    return "start" if known is None else "again" if again else "open"
