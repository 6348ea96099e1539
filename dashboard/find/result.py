"""What a search has found: the answer in words, its finalists, and the way to take it away."""

from __future__ import annotations

import json

import streamlit as st

from dashboard.shared import queries, report_button, result_view, taking, words
from domlora.comparison.result import Comparison
from domlora.export.taken import Taken
from domlora.placements.placement import Placement
from domlora.search.answer import Answer
from domlora.search.facts import FIND


def answer(found: Answer) -> None:
    """The headline, what else is known, what makes it unequal or incomplete."""
    st.markdown(f"### {words.literal(found.headline)}")
    st.markdown("\n".join(f"- {words.literal(sentence)}" for sentence in found.told))
    warnings = [*found.race.warnings, *(found.final.run.warnings if found.final is not None else ())]
    said = dict.fromkeys(f"{warning[0].upper()}{warning[1:].rstrip('.')}." for warning in warnings)
    if said:
        st.caption(" ".join(words.literal(warning) for warning in said))


def finalists(found: Answer) -> None:
    """Differences to the answer, and each finalist's row; nothing where nobody was judged."""
    if found.final is None or found.chosen is None:
        return
    result_view.differences(queries.comparison(found.final.run, found.chosen))


def take_away(found: Answer) -> None:
    """The config as Python and as a file, the adapter, and the pages that show more."""
    if found.final is None or found.placement is None:
        return
    final, placement = found.final, found.placement
    st.subheader("Take away")
    with st.container(horizontal=True):
        st.download_button(
            "adapter_config.json", config_json(placement, final.run.config.dropout), "adapter_config.json",
            mime="application/json", key="config_json", on_click="ignore", icon=":material/download:", type="primary",
            help="What `peft.LoraConfig.from_pretrained` reads.",
        )  # fmt: skip
        report_button.of_run(found.id)
        if found.variant is not None:
            taking.adapter(Taken.of(final.run, final, found.variant, queries.metrics(final.run.id)))
    taking.snippet(placement, dropout=final.run.config.dropout)


def links(found: Answer) -> None:
    """To the comparison of the finalists, the race as a run, and the energy map."""
    rows = {row.id: row.label for row in queries.map_rows()}
    page_map = found.race.facts[FIND]["maps"]["page"]
    with st.container(horizontal=True):
        if found.final is not None:
            _run_link("The finals on Compare", found.final)
        st.page_link(
            "compare/page.py", label="The race on Compare", icon=":material/compare_arrows:",
            query_params={"run": queries.run_label(found.race)},
        )  # fmt: skip
        if page_map in rows:
            st.page_link(
                "energy_map/page.py", label="Its energy map", icon=":material/grid_on:",
                query_params={"map": rows[page_map]},
            )  # fmt: skip


def _run_link(label: str, final: Comparison) -> None:
    st.page_link(
        "compare/page.py", label=label, icon=":material/compare_arrows:",
        query_params={"run": queries.run_label(final.run), "view": "Result"},
    )  # fmt: skip


def config_json(placement: Placement, dropout: float) -> str:
    """The placement's `LoraConfig` as PEFT keeps it beside an adapter."""
    return json.dumps({"peft_type": "LORA", **placement.settings("lora", dropout)}, indent=2)
