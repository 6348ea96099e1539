"""What is taken away of one variant, as more than one page offers it: its adapter as a ZIP, its `LoraConfig`."""

from __future__ import annotations

import streamlit as st

from dashboard.shared import words
from domlora.export.bundle import archive, files_of, has_adapter, texts_of
from domlora.export.taken import Taken
from domlora.placements.methods import Method
from domlora.placements.placement import Placement

SHOWN_MODULES = 20  # a longer list is scrolled
SNIPPET_HEIGHT = 420  # pixels


def adapter(taken: Taken) -> None:
    """The button that hands out the adapter with its recipes, or the recipes alone where it is not here."""
    variant = taken.variant
    file_name = f"{taken.run.model}-{words.file_name(variant.name)}.zip"
    if variant.adapter is None:
        st.caption(f"Its adapter is saved when it is done; it is {variant.status}.")
    elif has_adapter(variant):
        st.download_button(
            "Adapter and recipes as ZIP", lambda: archive(files_of(taken)), file_name,
            key="adapter_zip", on_click="ignore", icon=":material/download:",
            help="The PEFT folder, its rows, and what trains it again: TRL, Unsloth, Axolotl, LLaMA-Factory.",
        )  # fmt: skip
    else:
        st.caption(f"Its adapter is not on this machine: it lies in `{variant.adapter}` where it was trained.")
        st.download_button(
            "Recipes as ZIP", lambda: archive(texts_of(taken)), file_name,
            key="recipes_zip", on_click="ignore", icon=":material/download:",
            help="What trains it again: TRL, Unsloth, Axolotl, LLaMA-Factory.",
        )  # fmt: skip


def snippet(placement: Placement, method: Method = "lora", dropout: float = 0.0) -> None:
    """Python that builds the placement's `LoraConfig`."""
    long = len(placement.modules) > SHOWN_MODULES
    st.code(placement.snippet(method, dropout), language="python", height=SNIPPET_HEIGHT if long else "content")
