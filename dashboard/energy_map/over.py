"""Which placements are laid over the map: chosen or typed by name, in the URL, and what is wrong with a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError
from domlora.placements.place import place_all
from domlora.placements.placement import Placement

OFFERED = ("dominant", "top-k:4", "top-k:16", "top-share:0.5", "qv", "attention", "mlp", "down", "all-linear")


def choose(energy: EnergyMap) -> Mapping[str, Sequence[str]]:
    """Draws the chooser; the modules of each placement that was chosen and exists on this map."""
    # What a link or a visitor has named beside what is offered is an option too, or it would be dropped in silence.
    held = st.session_state.get("over", st.query_params.get_all("over"))
    options = list(dict.fromkeys([*OFFERED, *held]))
    names = st.multiselect(
        "Show placements", options, key="over", bind="query-params", accept_new_options=True,
        placeholder="such as dominant, or type top-k:8, down@11",
    )  # fmt: skip
    found: dict[str, Sequence[str]] = {}
    for name in names:
        try:
            found |= {one.name: _modules(one) for one in place_all(energy, [name], rank=1)}
        except DomLoRAError as error:
            st.caption(f":material/warning: {error}")
    return found


def _modules(placement: Placement) -> Sequence[str]:
    return [placed.module for placed in placement.modules]
