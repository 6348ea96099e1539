"""All jobs: what runs, what waits, what became of the others; cancel or try again as many as are chosen."""

from collections.abc import Callable, Sequence

import streamlit as st

from dashboard.jobs import table
from dashboard.shared import job_view, queries, words
from domlora.errors import DomLoRAError
from domlora.jobs.local import worker_alive
from domlora.jobs.spec import Job

LOG_LINES = 40  # of a log that are shown: its end
DONE = "jobs_said"  # in the session's state: what the last click on a button did


def each(jobs: Sequence[Job], what: str, change: Callable[[Job], object]) -> None:
    """Does something to each job; one that has changed in the meantime does not hold up the others."""
    said, failed = 0, []
    for job in jobs:
        try:
            change(job)
            said += 1
        except DomLoRAError as error:
            failed.append(str(error))
    st.session_state[DONE] = " ".join([f"{words.count(said, 'job')} {what}.", *failed])
    st.rerun()


def buttons(chosen: Sequence[Job]) -> None:
    """What can be done to all chosen jobs at once."""
    active = [job for job in chosen if not job.ended and not job.cancel_requested]
    over = [job for job in chosen if job.status in ("failed", "cancelled")]
    with st.container(horizontal=True, vertical_alignment="center"):
        cancel = st.button(
            f"Cancel {words.count(len(active), 'job')}" if active else "Cancel", key="cancel_chosen",
            icon=":material/cancel:", disabled=not active,
        )  # fmt: skip
        again = st.button(
            f"Try {words.count(len(over), 'job')} again" if over else "Try again", key="retry_chosen",
            icon=":material/replay:", disabled=not over, help="Failed and cancelled ones are queued as new jobs.",
        )  # fmt: skip
        if not chosen:
            st.caption("Tick rows to cancel or try again several at once.")
    if cancel:
        each(active, "will stop within seconds", lambda job: queries.queue().cancel(job.id))
    if again:
        each(over, "queued again", lambda job: queries.submit(job.request))


st.title("Jobs")
try:
    jobs = queries.jobs()
    alive = worker_alive()
except DomLoRAError as error:
    st.error(str(error))
    st.stop()
if not jobs:
    st.info("No jobs yet.")
    st.page_link("launch/page.py", label="Launch a probe", icon=":material/play_arrow:")
    st.stop()
active = [job for job in jobs if not job.ended]
st.caption(
    f"{len(active)} active, {len(jobs)} in all. "
    + (
        "A worker is running."
        if alive
        else "No worker is running; starting a job starts one, as does `domlora worker`."
    )
)
if DONE in st.session_state:
    st.toast(words.literal(st.session_state.pop(DONE)))
above = st.container()
# Rows are chosen by their place: with another list, be it of one job more, nothing is chosen any more.
event = st.dataframe(
    table.of(jobs), key=f"jobs-{jobs[0].id}", width="stretch", hide_index=True, on_select="rerun",
    selection_mode="multi-row", column_config=table.columns(),
)  # fmt: skip
chosen = [jobs[row] for row in event.selection.rows if row < len(jobs)]
try:
    with above:
        buttons(chosen)
    shown = chosen[0] if chosen else active[0] if active else jobs[0]
    job_view.show(shown.id, log_lines=LOG_LINES)
except DomLoRAError as error:
    st.error(str(error))
