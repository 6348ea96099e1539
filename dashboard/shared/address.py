"""What a page shows stands in its address: the address decides, and the widgets follow it.

`bind="query-params"` does not do where one choice decides which other widgets there are (a run, a view). It leaves a
default out, so that a link shows something else once the default is another. And when a bound widget goes away with
its view, Streamlit takes it out of the address in a new entry of the browser's history: *Back* then changes the
address and nothing else. Here each choice makes one entry, what goes away with a view stays in the address, and Back
and Forward bring view and address back together.

A widget that is kept so: `follow("metric", names, names[0])`, then the widget with `key="metric"`, no default, no
`bind`, and `**kept("metric")`. Its key is its name in the address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

_NOT_SET = object()
_DRAWN = "drawn_"  # in the session, before a widget's key: the value that it was drawn with last


def text(key: str) -> str | None:
    """What the address says, as it stands there."""
    return st.query_params.get(key)


def many(key: str) -> list[str]:
    """All that the address says under a name that may stand there several times."""
    return [value for value in st.query_params.get_all(key) if value]


def put(key: str, value: Any, words: Callable[[Any], str] = str) -> None:
    """Writes a value into the address, a list as several; None and an empty text leave nothing there."""
    put_all({key: value}, words)


def put_all(values: Mapping[str, Any], words: Callable[[Any], str] = str) -> None:
    """As `put`, several at once: one entry in the browser's history."""
    said: dict[str, Any] = {key: st.query_params.get_all(key) for key in st.query_params}
    for key, value in values.items():
        if value is None or value == "":
            said.pop(key, None)
        elif isinstance(value, list | tuple):
            said[key] = [words(one) for one in value] or ""  # an empty list is a choice too
        else:
            said[key] = words(value)
    st.query_params.from_dict(said)


def kept(key: str, words: Callable[[Any], str] = str) -> dict[str, Any]:
    """For a widget: what a person chooses goes into the address."""

    def write() -> None:
        # A widget that goes away or comes back while one clicks on counts as changed too, with the value that it had.
        if st.session_state[key] != st.session_state.get(_DRAWN + key, _NOT_SET):
            put(key, st.session_state[key], words)

    return {"on_change": write}


def follow(key: str, options: Sequence[Any], default: Any, words: Callable[[Any], str] = str) -> None:
    """Sets a widget to what the address says; to the default where that is nothing, or none of the options.

    Args:
        words: how an option stands in the address; as it is shown is understood too.
    """
    asked = text(key)
    _set(key, next((option for option in options if asked in (words(option), str(option))), default))


def follow_many(key: str, options: Sequence[str], default: Sequence[str] = ()) -> None:
    """As `follow`, for a widget that takes several; those that are no options are left out."""
    _set(key, [one for one in many(key) if one in options] if key in st.query_params else list(default))


def follow_text(key: str) -> None:
    """As `follow`, for a line that is typed."""
    _set(key, text(key) or "")


def follow_number(key: str, low: float, high: float, default: float) -> None:
    """As `follow`, for a fraction; what is no number within the bounds counts as nothing."""
    try:
        asked = float(text(key) or "")
    except ValueError:
        asked = default
    _set(key, asked if low <= asked <= high else default)


def follow_switch(key: str, default: bool = False) -> None:
    """As `follow`, for yes or no."""
    _set(key, default if text(key) is None else (text(key) or "").lower() == "true")


def _set(key: str, value: Any) -> None:
    if st.session_state.get(key, _NOT_SET) != value:
        st.session_state[key] = value
    st.session_state[_DRAWN + key] = value
