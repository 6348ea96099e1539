"""One job as it goes on: progress, time left, log, cancel; and the way to its result. Live only while it runs."""

from __future__ import annotations

import streamlit as st

from dashboard.shared import queries, words
from domlora.errors import DomLoRAError, StoreError
from domlora.jobs.local import log_tail
from domlora.jobs.spec import KIND_NAMES, Job
from domlora.paths import home
from domlora.progress import Pace, in_words

REFRESH_SECONDS = 1.0
LOG_LINES = 12
KEPT = 256  # jobs whose pace is known


def launched() -> None:
    """The job that the address names, below the button that started it, and the way to the run that it fills.

    Raises:
        DomLoRAError: there is none of that id.
    """
    job_id = st.query_params.get("job")
    if job_id:
        with st.container(border=True, key="launched"):
            show(job_id)
            _way_to_run(job_id)


def show(job_id: str, log_lines: int = LOG_LINES) -> None:
    """Draws a job, and again every second until it ends."""
    job = queries.queue().get(job_id)
    if job.ended:
        draw(job, log_lines)
    else:
        _live(job_id, log_lines)


@st.fragment(run_every=REFRESH_SECONDS)
def _live(job_id: str, log_lines: int) -> None:
    job = queries.queue().get(job_id)
    if job.ended:
        queries.forget_lists()
        st.rerun()  # once more, without the fragment's clock
    draw(job, log_lines)


def draw(job: Job, log_lines: int = LOG_LINES) -> None:
    """Draws a job as it is now, with the end of its log."""
    what = f"{KIND_NAMES[job.request.kind].capitalize()} of {job.request.model} on {job.request.task}"
    st.markdown(f"**{words.literal(what)}** · job `{job.id}` · {job.status}")
    if job.status == "done" and job.result:
        _finding(job, job.result)
        _open_result(job, job.result)
    elif job.status == "failed":
        st.error(words.literal(job.error or "failed without a reason; see its log"))
    elif job.status == "running":
        st.progress(min(1.0, job.done / job.total) if job.total else 0.0, text=words.literal(progress_text(job)))
    elif job.status == "queued":
        st.caption("Waiting for a worker.")
    if not job.ended and st.button("Cancel", key=f"cancel-{job.id}", disabled=job.cancel_requested):
        try:
            queries.queue().cancel(job.id)
        except DomLoRAError as error:  # it ended in the meantime
            st.info(str(error))
    log = log_tail(job.id, log_lines)
    if log:
        with st.expander("Log", expanded=job.status == "failed", key=f"log-{job.id}"):
            st.code(log, language=None)


def _finding(job: Job, result: str) -> None:
    """What the job has found, in a sentence."""
    try:
        found = _in_a_sentence(job.request.kind, result, str(home()))
    except StoreError:
        st.info("What it found is no longer in the store.")
        return
    st.success(found)


@st.cache_data(show_spinner=False, max_entries=256)
def _in_a_sentence(kind: str, result: str, where: str) -> str:
    """As the page of the result says it, in Markdown."""
    if kind == "probe":
        return queries.energy(result).verdict.sentence
    run = queries.run(result)
    if kind == "find":
        from domlora.search.answer import answer_of

        return words.literal(answer_of(queries.store(), run).headline)
    return queries.comparison(run, None).conclusion


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


def _way_to_run(job_id: str) -> None:
    """The link to the run that a comparison's job fills, as soon as there is one."""
    job = queries.queue().get(job_id)
    if job.request.kind != "sweep" or job.status == "done":
        return  # `draw` leads to the result
    run = queries.run_of_job(job_id)
    if run is not None:
        st.page_link(
            "compare/page.py", label="Watch it on Compare" if not job.ended else "See it on Compare",
            icon=":material/compare_arrows:", query_params={"run": queries.run_label(run)},
        )  # fmt: skip
    elif not job.ended:
        _wait_for_run(job_id)


@st.fragment(run_every=2.0)
def _wait_for_run(job_id: str) -> None:
    """Runs until the sweep has begun, then never again."""
    if queries.run_of_job(job_id) is not None or queries.queue().get(job_id).ended:
        st.rerun()
    st.caption("Its curves can be watched on Compare as soon as training begins.")


def progress_text(job: Job) -> str:
    """Stage, how much of all work is done, and the time left once it was seen to go on."""
    pace = _pace_of(job)
    text = in_words(job.stage, job.done, job.total, pace)
    return text if pace.left is None else f"{text}, about {words.roughly(pace.left)} left"


def _pace_of(job: Job) -> Pace:
    """How fast a job goes, by all looks that anybody took at it from this process."""
    paces = _paces()
    pace = paces.pop(job.id, None) or Pace()
    paces[job.id] = pace  # the last ones are kept
    for old in list(paces)[:-KEPT]:
        paces.pop(old, None)
    pace.saw(job.done, job.total)
    return pace


@st.cache_resource(show_spinner=False)
def _paces() -> dict[str, Pace]:
    return {}
