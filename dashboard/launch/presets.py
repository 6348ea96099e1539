"""Settings that belong together under a name, for those who do not want to think of each: a click fills the form.

In: the fields of a form's settings. Out: a row of names, each with the time that it takes; the one is lit whose
settings the form holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from dashboard.shared.estimates import Estimate
from dashboard.shared.fields import rates_in_words

PROBE: Mapping[str, Mapping[str, Any]] = {
    "quick look": {"samples": 8, "max_length": 256},
    "standard": {"samples": 32, "max_length": 512},
    "thorough": {"samples": 128, "max_length": 512},
}
COMPARISON: Mapping[str, Mapping[str, Any]] = {
    "quick look": {
        "learning_rates": (3e-3,), "seeds": 1, "steps": 30, "max_length": 256, "validation_rows": 16, "test_rows": 32,
        "forgetting_rows": 0, "answers": 0,
    },
    "standard": {
        "learning_rates": (1e-3, 3e-3, 1e-2), "seeds": 2, "steps": 60, "max_length": 512, "validation_rows": 48,
        "test_rows": 96, "forgetting_rows": 16, "answers": 4,
    },
    "thorough": {
        "learning_rates": (3e-4, 1e-3, 3e-3, 1e-2), "seeds": 3, "steps": 200, "max_length": 512,
        "validation_rows": 64, "test_rows": 192, "forgetting_rows": 32, "answers": 8,
    },
}  # fmt: skip


def choose(
    presets: Mapping[str, Mapping[str, Any]],
    now: Mapping[str, Any],
    time: Callable[[Mapping[str, Any]], Estimate | None],
) -> None:
    """Draws the names, above or below the form.

    Args:
        now: what the form holds.
        time: how long settings take.
    """
    times = {name: time(settings) for name, settings in presets.items()}

    def label(name: str) -> str:
        found = times[name]
        return name if found is None else f"{name} · {found.time}"

    held = next((name for name, one in presets.items() if all(now.get(key) == one[key] for key in one)), None)
    key = f"preset-{held}"  # another widget where the form holds another one: nothing is written over it
    st.segmented_control(
        "How thorough", list(presets), default=held, required=True, key=key, format_func=label, on_change=_fill,
        args=(presets, key), label_visibility="collapsed",
    )  # fmt: skip


def _fill(presets: Mapping[str, Mapping[str, Any]], key: str) -> None:
    """Puts the settings of a preset into the form's widgets; the rest of the form stays."""
    for name, value in presets[st.session_state[key]].items():
        if name == "learning_rates":
            st.session_state["rates"] = rates_in_words(value)
        else:
            st.session_state[name] = value
