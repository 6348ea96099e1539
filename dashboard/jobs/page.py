"""All jobs: what runs, what waits, what became of the others."""

import pandas as pd
import streamlit as st

from dashboard.shared import job_view, queries
from domlora.errors import DomLoRAError
from domlora.jobs.local import worker_alive
from domlora.jobs.spec import KIND_NAMES

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
table = pd.DataFrame(
    {
        "job": job.id, "status": job.status, "kind": KIND_NAMES[job.request.kind], "model": job.request.model,
        "task": job.request.task, "samples": job.request.config.samples if job.request.kind == "probe" else None,
        "progress": "" if job.ended else job_view.progress_text(job),
        "result": job.result or "", "error": job.error or "", "created": f"{job.created:%Y-%m-%d %H:%M:%S}",
    }
    for job in jobs
).astype({"samples": "Int64"})  # fmt: skip
event = st.dataframe(
    table, key="jobs", width="stretch", hide_index=True, on_select="rerun", selection_mode="single-row"
)
chosen = jobs[event.selection.rows[0]] if event.selection.rows else active[0] if active else jobs[0]
try:
    job_view.show(chosen.id)
    if chosen.status in ("failed", "cancelled") and st.button("Try again", key=f"retry-{chosen.id}"):
        queries.submit(chosen.request)
        st.rerun()
except DomLoRAError as error:
    st.error(str(error))
