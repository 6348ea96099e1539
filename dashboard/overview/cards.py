"""One card a model: its newest map at a glance, where the energy is, what training said."""

from __future__ import annotations

import streamlit as st

from dashboard.overview.queries import DOMINANT, Card, Trained
from dashboard.shared import heatmap, queries, words

WIDTH = 452  # pixels: three fit beside one another at 1440, one at 800 with its text whole
STILL = {"displayModeBar": False}


def draw(card: Card) -> None:
    """The card; a click on its map, or on its button, opens the map."""
    with st.container(border=True, width=WIDTH):
        if card.rows:
            _thumbnail(card)
            st.markdown(words.model_sentence(card.rows))
        else:
            st.markdown(f"**{words.literal(card.model)}**: no energy map yet.")
        if card.trained is not None:
            st.markdown(training_sentence(card.trained))
        with st.container(horizontal=True):
            if card.rows and st.button("Open its map", key=f"open-{card.model}", icon=":material/grid_on:"):
                _open(card)
            if card.trained is not None:
                run = card.trained.run
                if st.button("See its training", key=f"trained-{card.model}", icon=":material/compare_arrows:"):
                    st.switch_page("compare/page.py", query_params={"run": queries.run_label(run)})
            else:
                query = {"model": card.model, "kind": "Comparison"}
                if st.button("Train placements", key=f"train-{card.model}", icon=":material/play_arrow:"):
                    st.switch_page("launch/page.py", query_params=query)


def training_sentence(trained: Trained) -> str:
    """What the newest run of a model found, and where PAGE's first module stands in it."""
    run = trained.run
    where = f"**Trained** on {words.literal(run.task)}, {words.count(trained.steps, 'step')}: "
    best = (
        f"{words.literal(words.short_name(trained.best))} is best of {len(run.placements)} with {trained.loss:.3f} nats"
    )
    before = "" if trained.before is None else f" ({trained.before:.3f} before)"
    if trained.dominant is None or trained.best == DOMINANT:
        return f"{where}{best}{before}."
    return f"{where}{best}{before}, PAGE's first module alone {trained.dominant:.3f}."


def _thumbnail(card: Card) -> None:
    row = card.rows[0]
    key = f"map-{row.id}"
    st.plotly_chart(
        heatmap.thumbnail(queries.energy(row.id)), key=key, width="stretch", config=STILL, selection_mode="points",
        on_select="rerun",
    )  # fmt: skip
    if st.session_state[key].selection.points:
        _open(card)


def _open(card: Card) -> None:
    st.switch_page("energy_map/page.py", query_params={"map": card.rows[0].label})
