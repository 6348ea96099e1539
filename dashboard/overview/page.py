"""What has been measured and what it means: a card a model, and everything in one table that opens on a click."""

import pandas as pd
import streamlit as st

from dashboard.overview import cards
from dashboard.overview import queries as overview
from dashboard.shared import filtering, queries, words
from dashboard.shared.widgets import CLICKABLE, clicked_row
from domlora.errors import DomLoRAError

SHOWN = 6  # cards before the rest folds away
ROWS = 500  # of the table, so that a store of thousands is drawn as fast as one of tens
STEPS = (
    ("Measure", "PAGE says where the gradient of your task is, from a few samples: minutes."),
    ("Train", "Placements race side by side and are judged on rows that took no part: as long as you allow."),
    ("Take away", "The adapter that won, its `LoraConfig`, and the lines that train it elsewhere."),
)


def start() -> None:
    """Title, what this is for, and the two ways in."""
    st.title("Where should the adapter go?")
    st.markdown(
        "**PAGE** measures where the gradient of a task would reach a LoRA adapter, before any training; short "
        "trainings then say where an adapter *works*. Both are shown as measured, whatever they say."
    )
    with st.container(horizontal=True):
        if st.button("Find my placement", type="primary", key="find", icon=":material/search:"):
            st.switch_page("find/page.py")
        if st.button("Measure a model", key="measure", icon=":material/play_arrow:"):
            st.switch_page("launch/page.py")


def steps() -> None:
    """The three steps, until something of one's own is there."""
    for number, (column, (name, text)) in enumerate(zip(st.columns(3), STEPS, strict=True), 1):
        column.markdown(f"**{number}. {name}.** {text}")


def learned(known: list[overview.Card]) -> None:
    """The cards: models as people use them first, the small ones to try things on after them."""
    real = [card for card in known if not card.reference]
    small = [card for card in known if card.reference]
    _cards((real or small)[:SHOWN])
    if real[SHOWN:]:
        with st.expander(f"{len(real) - SHOWN} more models", key="more_models", on_change="rerun") as box:
            if box.open:
                _cards(real[SHOWN:])
    if small and real:
        label = f"{words.count(len(small), 'small reference model')}, to try things on"
        with st.expander(label, key="references", on_change="rerun") as box:
            if box.open:
                st.caption("Of 1 to 3 million parameters, shipped with domlora: no stand-in for a real model.")
                _cards(small)


def _cards(some: list[overview.Card]) -> None:
    with st.container(horizontal=True):
        for card in some:
            cards.draw(card)


def everything() -> None:
    """All that was measured; a click on a row opens it."""
    things = overview.things()
    st.subheader("Everything measured")
    left, right = st.columns([2, 1], vertical_alignment="bottom")
    pattern = left.text_input(
        "Filter", key="filter", bind="query-params", placeholder="model, task, finding", help=filtering.HELP
    )
    kinds = [kind for kind in (overview.SEARCH, overview.COMPARISON, overview.RANKING, overview.MAP)
             if any(thing.what == kind for thing in things)]  # fmt: skip
    chosen = right.multiselect("Kind", kinds, key="what", bind="query-params", placeholder="any")
    fits = filtering.matcher(pattern)
    shown = [
        thing
        for thing in things
        if (not chosen or thing.what in chosen) and fits(f"{thing.what} {thing.model} {thing.task} {thing.finding}")
    ]
    more = f" The newest {ROWS} are listed: filter for others." if len(shown) > ROWS else ""
    st.caption(f"{len(shown)} of {len(things)}. Click a row to open it.{more}")
    table = pd.DataFrame(
        {
            "kind": thing.what, "model": thing.model, "task": thing.task, "finding": thing.finding,
            "made": f"{thing.made[:10]} (shipped)" if thing.shipped else thing.made,
        }
        for thing in shown[:ROWS]
    )  # fmt: skip
    event = st.dataframe(
        table, key="things", width="stretch", hide_index=True, on_select="rerun", selection_mode=CLICKABLE,
        column_config={"finding": st.column_config.TextColumn(width="large")},
    )  # fmt: skip
    if (row := clicked_row(event)) is not None:
        thing = shown[row]
        st.switch_page(f"{thing.page}/page.py", query_params=thing.query)


start()
try:
    known = overview.cards()
    if not queries.anything_own():
        steps()
    if known:
        learned(known)
        everything()
    else:
        st.info("Nothing measured yet: start with one of the two buttons above.")
except DomLoRAError as error:
    st.error(str(error))
