"""Which placements are laid over the map: chosen or typed by name, in the URL, and what is wrong with a name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.shared.widgets import with_held
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError
from domlora.placements.place import place_all
from domlora.placements.placement import Placement

OFFERED = ("dominant", "top-k:4", "top-k:16", "top-share:0.5", "qv", "attention", "mlp", "down", "all-linear")


def choose(energy: EnergyMap) -> Mapping[str, Sequence[str]]:
    """Draws the chooser; the modules of each placement that was chosen and exists on this map."""
    names = st.multiselect(
        "Show placements", with_held("over", OFFERED), key="over", bind="query-params", accept_new_options=True,
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
