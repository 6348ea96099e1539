"""Where should the adapter go? Ask for it, watch the race, read the answer, take it away."""

import streamlit as st

from dashboard.find import form, race, result
from dashboard.find import queries as find_queries
from dashboard.shared import subject, words
from domlora.errors import DomLoRAError

MOST = 10  # earlier searches that are listed: each headline is computed from its rows
WHAT = (
    "Find answers where the adapter should go, within a time that you give it. Probes and common practice propose "
    "placements; they train side by side at several learning rates, and from rung to rung the worse part stops. The "
    "best are trained again from fresh starts, beside random modules of the leader's size, and judged on test rows."
)


def ask() -> None:
    """The form, and what was asked before."""
    st.markdown(WHAT)
    form.form(subject.choose())
    st.subheader("Earlier searches")
    earlier = find_queries.searches()
    if not earlier:
        st.info("No search yet: choose a model and a task above, and start one.")
    for run in earlier[:MOST]:
        label = words.literal(f"{run.model} on {run.task}, {run.created:%Y-%m-%d %H:%M}")
        if st.button(label, key=f"open-{run.id}", icon=":material/search:"):
            go_to({find_queries.SEARCH: run.id})
        found = find_queries.answer(run)
        st.caption(words.literal(found.headline))
        if run is earlier[0]:
            race.tournament(found)
    if earlier[MOST:]:
        st.caption(f"{len(earlier) - MOST} older ones: `domlora runs` lists them all.")


def go_to(address: dict[str, str]) -> None:
    """This page at another address; a link from a page to itself leaves the address as it is."""
    st.query_params.from_dict(address)
    st.rerun()


def show(search: find_queries.Search) -> None:
    """One search: what it says so far, or what it has found."""
    if st.button("New search and earlier ones", key="back", icon=":material/arrow_back:"):
        go_to({})
    if search.running:
        race.live(
            {name: st.query_params[name] for name in (find_queries.JOB, find_queries.SEARCH) if name in st.query_params}
        )
        return
    if search.race is None:
        race.ended_early(search)
        return
    found = find_queries.answer(search.race)
    what = words.literal(f"{found.race.model} on {found.race.task}")
    st.caption(f"{what} · {found.race.created:%Y-%m-%d %H:%M} · search `{found.id}`")
    result.answer(found)
    if search.race.status != "done":
        race.ended_early(search)
    result.finalists(found)
    result.take_away(found)
    result.links(found)
    st.subheader("The race")
    race.body(found)


st.title("Find")
try:
    opened = find_queries.opened(st.query_params)
except DomLoRAError as error:
    st.error(str(error))
    opened = None
try:
    if opened is None:
        ask()
    else:
        show(opened)
except DomLoRAError as error:
    st.error(str(error))
