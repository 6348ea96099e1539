"""One job as it goes on: progress, time left, log, cancel; and the way to its result. Live only while it runs."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from dashboard.shared import queries, words
from domlora.errors import DomLoRAError
from domlora.jobs.local import log_tail
from domlora.jobs.spec import Job

REFRESH_SECONDS = 1.0


def show(job_id: str) -> None:
    """Draws a job, and again every second until it ends."""
    job = queries.queue().get(job_id)
    if job.ended:
        draw(job)
    else:
        _live(job_id)


@st.fragment(run_every=REFRESH_SECONDS)
def _live(job_id: str) -> None:
    job = queries.queue().get(job_id)
    if job.ended:
        queries.forget_lists()
        st.rerun()  # once more, without the fragment's clock
    draw(job)


def draw(job: Job) -> None:
    """Draws a job as it is now."""
    st.markdown(f"**{job.request.model} on {job.request.task}** · job `{job.id}` · {job.status}")
    if job.status == "done" and job.result:
        st.success("Done.")
        _open_result(job, job.result)
    elif job.status == "failed":
        st.error(job.error or "failed without a reason; see its log")
    elif job.status == "running":
        st.progress(job.done / job.total if job.total else 0.0, text=progress_text(job))
    elif job.status == "queued":
        st.caption("Waiting for a worker.")
    if not job.ended and st.button("Cancel", key=f"cancel-{job.id}", disabled=job.cancel_requested):
        try:
            queries.queue().cancel(job.id)
        except DomLoRAError as error:  # it ended in the meantime
            st.info(str(error))
    log = log_tail(job.id, 12)
    if log:
        with st.expander("Log", expanded=job.status == "failed", key=f"log-{job.id}"):
            st.code(log, language=None)


def _open_result(job: Job, result: str) -> None:
    if job.request.kind == "sweep":
        if st.button("Open the comparison", key=f"open-{job.id}", type="primary"):
            st.switch_page("compare/page.py", query_params={"run": result})
        return
    if job.request.kind == "find":
        if st.button("Open the search", key=f"open-{job.id}", type="primary"):
            st.switch_page("find/page.py", query_params={"search": result})
        return
    rows = {row.id: row for row in queries.map_rows()}
    if result in rows and st.button("Open its energy map", key=f"open-{job.id}", type="primary"):
        st.switch_page("energy_map/page.py", query_params={"map": rows[result].label})


def progress_text(job: Job) -> str:
    """Stage, how much is done, time left."""
    text = job.stage or "starting"
    if job.total:
        of = f"{job.done} of {job.total}" if job.request.kind == "probe" else f"{job.done / job.total:.0%}"
        text += f": {of}"
    if job.done and job.started and job.total:
        passed = (datetime.now(UTC) - job.started).total_seconds()
        text += f", about {words.duration(passed / job.done * (job.total - job.done))} left"
    return text
