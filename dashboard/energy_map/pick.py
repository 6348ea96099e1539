"""Picking modules on the energy map, and the way to Launch with them as placements."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import streamlit as st

from dashboard.shared import words
from dashboard.shared.widgets import keep_known, toggle_clicked
from domlora.data.tasks import builtin_tasks
from domlora.energy.energy_map import EnergyMap, Provenance
from domlora.models.catalogue import known_models

# The key of the picked modules is `cells` here and `picked` on Launch: a page cannot hand over what its own URL holds.
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
            "Launch them as one placement", key="launch_together", type="primary", disabled=not picked,
            icon=":material/play_arrow:",
        )  # fmt: skip
        singly = st.button(
            "Launch each by itself", key="launch_singly", disabled=len(picked) < 2, icon=":material/call_split:"
        )
    if together or singly:
        st.switch_page("launch/page.py", query_params=launch_query(energy, picked, singly=singly))
    return picked


def launch_query(energy: EnergyMap, picked: Sequence[str], *, singly: bool) -> dict[str, Any]:
    """What the Launch page reads from its address: this model and task, and the picked modules as placements.

    Args:
        singly: each module a placement of its own, else all together one.
    """
    ordered = [module for module in energy.modules["module"] if module in set(picked)]
    best = energy.dominant["module"]
    held = best in ordered if singly else ordered == [best]
    query: dict[str, Any] = {
        **subject_query(energy.provenance),
        "placements": [name for name in CONTROLS if not (name == "dominant" and held)],
    }
    if singly:
        return query | {"more_placements": ", ".join(_single_name(energy, module) for module in ordered)}
    return query | {"picked": ordered}


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


def _single_name(energy: EnergyMap, module: str) -> str:
    """`down@11` where that means one module, else its full name."""
    count = Counter(zip(energy.modules["kind"], energy.modules["layer"], strict=True))
    row = energy.modules[energy.modules["module"] == module].iloc[0]
    plain = str(row["kind"]).replace(".", "").replace("_", "").isalnum()
    alone = count[row["kind"], row["layer"]] == 1 and plain
    return f"{row['kind']}@{row['layer']}" if alone else f"module:{module}"
