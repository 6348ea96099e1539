"""One comparison: what can be concluded, the picture, the curves as they grow, and the way to take it away."""

import re

import streamlit as st

from dashboard.compare import controls, details, live, more, table
from dashboard.shared import address, queries
from dashboard.shared.running import is_live, job_of
from domlora.comparison.run import Run
from domlora.errors import DomLoRAError, StoreError

FINISHED, BEGUN = "Result", "Curves"  # the first view of a run
VIEWS = (
    FINISHED, BEGUN, "Variants", "Learning rates", "Forgetting", "Answers", "Settings", "Take away", "All runs",
)  # fmt: skip
LIVE_VIEWS = VIEWS[:5]
RUN, VIEW = "run", "view"  # in the address
OPENED = "run_opened"  # in the session: the run that was looked at last


def opened(runs: list[Run]) -> Run:
    """The run that the address names, which from now on it does by its whole id; else the last one, or the newest."""
    asked = address.text(RUN)
    if asked is None:
        known = {run.id for run in runs}
        last = st.session_state.get(OPENED)
        newest = next((run.id for run in runs if not run.notes.archived), runs[0].id)
        run = queries.run(last if last in known else newest)
    else:
        labelled = re.search(r"\(([0-9a-f]{12})\)$", asked)  # links of before had all of a run's label
        run = queries.run(labelled[1] if labelled else asked)
    if asked != run.id:
        address.put(RUN, run.id)
    st.session_state[OPENED] = run.id
    return run


def choose(runs: list[Run], current: Run | None) -> None:
    """The box that opens another run; it writes the address, which decides."""
    listed = [run for run in runs if not run.notes.archived or (current and run.id == current.id)]
    if current and current.id not in {run.id for run in listed}:
        listed.insert(0, current)  # younger than the list
    listed.sort(key=lambda run: not run.notes.pinned)
    labels = {table.label(run): run.id for run in listed}
    shown = next((label for label, id in labels.items() if current and id == current.id), None)
    if st.session_state.get("run_box") != shown:
        st.session_state["run_box"] = shown
    st.selectbox(
        "Run", list(labels), index=None, key="run_box", placeholder="choose a run",
        on_change=lambda: address.put(RUN, labels.get(st.session_state["run_box"]) or (current and current.id)),
    )  # fmt: skip


def draw(run: Run, runs: list[Run]) -> None:
    """Everything below the choice of the run."""
    job = job_of(run)
    running = is_live(run, job)
    if not running:
        live.conclusion(run)
    address.follow(VIEW, VIEWS, BEGUN if running or run.status != "done" else FINISHED)
    view = st.segmented_control(
        "View", VIEWS, required=True, key=VIEW, label_visibility="collapsed", wrap=True, **address.kept(VIEW)
    )
    with st.container(horizontal=True):
        choice = controls.draw(run, runs, view, running)
        if not running and run.status == "done" and not run.config.race:
            more.form(run)
        if running:
            live.cancel(run, job)
    if view in LIVE_VIEWS:
        if running:
            live.live(run.id, view, choice)
        else:
            live.body(run, job, view, choice)
    elif view == "Answers":
        details.answers(run)
    elif view == "Settings":
        details.settings(run, runs)
    elif view == "Take away":
        details.take_away(run)
    else:
        table.draw(runs, run)


st.title("Compare")
try:
    runs = queries.run_rows()
    if not runs:
        st.info("No comparison yet: choose placements and train them side by side first.")
        st.page_link(
            "launch/page.py", label="Launch a comparison", icon=":material/play_arrow:",
            query_params={"kind": "Comparison"},
        )  # fmt: skip
        st.stop()
    try:
        run = opened(runs)
    except StoreError:
        st.warning(f"The store has no run {address.text(RUN)!r}: it was deleted, or is of another store.")
        choose(runs, None)
        table.draw(runs, None)
        st.stop()
    choose(runs, run)
    draw(run, runs)
except DomLoRAError as error:
    st.error(str(error))
