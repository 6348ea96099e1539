"""Picking modules on the energy map, and the way to Launch with them as placements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.shared import words
from dashboard.shared.widgets import keep_known, toggle_clicked
from domlora.data.tasks import builtin_tasks
from domlora.energy.energy_map import EnergyMap, Provenance
from domlora.models.catalogue import known_models

# The key of the picked modules is `cells` here and `picked` on Launch: a page cannot hand over what its own URL holds.
FROM = "from_map"  # which map the modules were picked on, so that the way back leads there
VIEW = ("cells", "module", "scale", "over")  # keys whose values stand in the URL as they are
CONTROLS = ("dominant", "all-linear")  # what picked modules are compared with unless they are the same


def click(key: str) -> None:
    """A click on a cell picks its module, or drops it."""
    toggle_clicked(key, "cells")


def show(energy: EnergyMap) -> list[str]:
    """The picked modules as chips, and two ways to train them; returns them."""
    modules = list(energy.modules["module"])
    keep_known("cells", modules)  # some may be of another model
    picked = st.multiselect(
        "Picked modules", modules, key="cells", bind="query-params", wrap=True,
        placeholder="click cells above, or choose here",
    )  # fmt: skip
    with st.container(horizontal=True):
        together = st.button(
            f"Launch them as one placement, against {' and '.join(controls(energy, picked))}", key="launch_together",
            type="primary", disabled=not picked, icon=":material/play_arrow:",
        )  # fmt: skip
        singly = st.button(
            "Launch each by itself", key="launch_singly", disabled=len(picked) < 2, icon=":material/call_split:",
            help="Each is a placement of one module. Nothing else is trained beside them.",
        )  # fmt: skip
    if together or singly:
        query = launch_query(energy, picked, singly=singly)
        # Launch would take its own defaults out of the address, and leave an entry at which Back stops.
        defaults = {"model": next(iter(known_models())), "task": next(iter(builtin_tasks()))}
        query = {key: value for key, value in query.items() if value != defaults.get(key)}
        st.switch_page("launch/page.py", query_params=query)
    return picked


def came_back() -> tuple[str, dict[str, Any]] | None:
    """Where the browser's Back leads here from Launch: the id of the map that was left, and the rest of its query.

    Streamlit leaves an entry with this page's path and Launch's query in the history, at which Back stops first. What
    Launch has bound to widgets of its own is then no longer in the query, but the session still holds the picks.
    """
    id = st.query_params.get(FROM)
    if id is None or "map" in st.query_params:
        return None
    held = {key: st.session_state[key] for key in VIEW if st.session_state.get(key)}
    picked = st.query_params.get_all("picked")  # where the browser has loaded the page anew
    return id, {**held, **({"cells": picked} if picked else {}), "pick": "true"}


def launch_query(energy: EnergyMap, picked: Sequence[str], *, singly: bool) -> dict[str, Any]:
    """What the Launch page reads from its address: this model and task, and the picked modules as placements.

    Args:
        singly: each module a placement of its own and none beside them, else all together one, against `controls`.
    """
    ordered = [module for module in energy.modules["module"] if module in set(picked)]
    query: dict[str, Any] = {**subject_query(energy.provenance), "picked": ordered, FROM: energy.id}
    if singly:
        return query | {"placements": "", "each": "true"}
    return query | {"placements": controls(energy, picked)}


def controls(energy: EnergyMap, picked: Sequence[str]) -> list[str]:
    """What picked modules, as one placement, are compared with."""
    return [name for name in CONTROLS if not (name == "dominant" and list(picked) == [energy.dominant["module"]])]


def subject_query(provenance: Provenance) -> dict[str, str]:
    """What opens Launch for a comparison of a map's model and task."""
    task = words.named_task(provenance)
    return {
        "kind": "Comparison",
        **_named("model", *words.named_again(provenance), known=known_models()),
        **_named("task", task.source, None, known=builtin_tasks()),
        **({"columns": task.columns} if task.columns else {}),
        **({"system": task.system} if task.system != "keep" else {}),
    }


def _named(what: str, name: str, revision: str | None, known: Any) -> dict[str, str]:
    if name in known:
        return {what: name}
    return {what: "another one", f"own_{what}": name} | ({"revision": revision} if revision else {})
