"""The race of a search as it goes on: how far it is, who leads, where on the model. Drawn again only while it runs."""

from __future__ import annotations

import streamlit as st

from dashboard.find import charts, tables
from dashboard.find import queries as find_queries
from dashboard.find.queries import JOB, Search
from dashboard.shared import job_view, queries, words
from dashboard.shared.figures import ACCENT
from domlora.errors import DomLoRAError
from domlora.search.answer import Answer, entries_of
from domlora.search.facts import FIND, PLAN, SPENT
from domlora.search.race import everyone

REFRESH_SECONDS = 2.0
CHART = {"toImageButtonOptions": {"format": "svg", "filename": "domlora-find"}, "displaylogo": False}
ROW_HEIGHT, ROWS_SHOWN = 35, 12  # pixels; a longer table is scrolled
STATUS_WIDTH = 250  # pixels of its longest words


@st.fragment(run_every=REFRESH_SECONDS)
def live(address: dict[str, str]) -> None:
    """Draws the search that an address names, and again every two seconds until it ends."""
    try:
        search = find_queries.opened(address)
        if search is None or not search.running:
            queries.forget_lists()
            st.rerun()  # once more, without the fragment's clock
            return
        _progress(search)
        if search.race is not None:
            answer = find_queries.answer(search.race)
            st.markdown(f"#### {words.literal(answer.headline)}")
            body(answer)
    except DomLoRAError as error:
        st.error(str(error))


def ended_early(search: Search) -> None:
    """What became of a search that ended without an answer, and the way to go on with it."""
    job = search.job
    if job is None:
        st.warning("Ended early: no process computes it any more. The same search again goes on with it.")
        return
    job_view.draw(job)
    if job.status == "cancelled":
        st.warning("It was cancelled. What was trained is kept, and the search can go on from there.")
    if st.button("Go on with it", key="go_on", type="primary"):
        again = queries.submit(job.request)
        st.query_params.from_dict({JOB: again.id})
        st.rerun()


def body(answer: Answer) -> None:
    """The chart of the race, the table of its candidates, and the map."""
    tournament(answer)
    table = tables.candidates(answer)
    st.dataframe(
        table, key="candidates", hide_index=True, width="stretch", column_config=_columns(),
        height=ROW_HEIGHT * (min(len(table), ROWS_SHOWN) + 1),
    )  # fmt: skip
    for name, why in answer.race.facts[FIND]["left_out"].items():
        st.caption(f"Takes no part: {words.literal(f'{name}: {why}')}.")
    _map(answer)


def _progress(search: Search) -> None:
    if search.job is not None:
        job_view.draw(search.job)
    elif search.race is not None:
        spent, planned = search.race.facts[SPENT], search.race.facts[PLAN]["seconds"]
        st.caption(
            f"It runs from the command line or from Python: {words.duration(spent)} were spent at the end of the last "
            f"rung, and training was planned to take {words.duration(planned)}."
        )


def tournament(answer: Answer) -> None:
    """The chart of the race; nothing before its first rung has ended."""
    race, rungs = answer.race, answer.rungs
    if not rungs:
        return
    points = tables.points(race, rungs)
    running = race.status == "running" and answer.final is None
    to_come = tables.steps_to_come(race, rungs) if running else []
    going = len(tables.still_running(rungs)) + len(rungs[-1].joined)
    title = (
        charts.race_title(len(rungs), len(to_come), going, len(everyone(entries_of(race), rungs)))
        if running
        else f"{words.count(len(rungs), 'rung')} of the race"
        + ("; the finalists are named" if answer.final is not None else "")
    )
    figure = charts.tournament(points, tables.palette(answer), title, to_come=to_come, revision=race.id)
    st.plotly_chart(figure, key=f"race-{race.id}", width="stretch", config=CHART)


def _map(answer: Answer) -> None:
    """PAGE's map with the cells that matter lit: those of placements in the race, then those of the one to adapt."""
    energy = queries.energy(answer.race.facts[FIND]["maps"]["page"])
    modules = {p.name: [placed.module for placed in p.modules] for p in answer.race.placements}
    chosen, palette = answer.chosen, tables.palette(answer)
    whole = len(energy.modules)
    if chosen in modules:
        lit, outlined = modules[chosen], modules[chosen]
        what = "What to adapt" if answer.race.status == "done" else "So far"
        title = f"{what}: {words.short_name(chosen)}, {words.count(len(lit), 'module')}"
        wide, leader = [], chosen
    else:
        left = {name: modules[name] for name in tables.placements_left(answer.race, answer.rungs)}
        shown = charts.narrow(left, whole)
        wide = [words.short_name(name) for name in left if name not in shown]
        lit = list(dict.fromkeys(module for own in shown.values() for module in own))
        leader = str(answer.table.iloc[0]["placement"])
        outlined = shown.get(leader, []) if answer.rungs else []
        title = f"In the race: {words.count(len(left), 'placement')}, of which {len(shown)} light their modules"
    colour = palette.get(words.short_name(leader), ACCENT)
    for stack in energy.table["stack"].unique():
        figure = charts.lit_map(energy, str(stack), lit, outlined if len(outlined) < whole else [], colour, title)
        st.plotly_chart(figure, key=f"where-{answer.id}-{stack}", width="stretch", config=CHART)
    notes = [f"Colour: share of PAGE's energy, of map `{energy.id}`."]
    if outlined and chosen is None:
        notes.append(f"The frame: {words.literal(words.short_name(leader))}, which leads.")
    if wide:
        notes.append(f"Half of all modules or more, and so not lit: {words.literal(', '.join(wide))}.")
    st.caption(" ".join(notes))


def _columns() -> dict:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "place": number("", width=40, help="by how far its best entry came, then by its loss there"),
        "placement": text(width=150), "status": text(width=STATUS_WIDTH),
        "validation loss": number(format="%.3f", help="at the last rung that one of its entries finished"),
        "learning rate": number(format="%g", help="the best of those tried"),
        "step": number(width=60, help="optimizer steps at that rung"),
        "parameters": number(format="localized", help="trainable parameters"),
        "proposed as": text(width="large"),
    }  # fmt: skip
