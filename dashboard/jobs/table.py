"""The jobs as a table that a person reads. No store here, and no column in which nothing stands."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from dashboard.shared import job_view, words
from domlora.jobs.spec import KIND_NAMES, Job

ALWAYS = ("job", "status", "kind", "model", "task")


def of(jobs: Sequence[Job]) -> pd.DataFrame:
    """One row a job, in their order; columns that are empty for all of them are left out."""
    table = pd.DataFrame([_row(job) for job in jobs])
    empty = [name for name in table if name not in ALWAYS and not any(table[name])]
    return table.drop(columns=empty)


def columns() -> dict:
    """How wide each is."""
    text = st.column_config.TextColumn
    return {
        "job": text(width=110), "status": text(width=90), "kind": text(width=100),
        "samples": text(width=80, alignment="right"),
        "progress": text(width="medium"), "error": text(width="large"), "result": text(width=110),
        "created": text(width=150), "took": text(width=80),
    }  # fmt: skip


def _row(job: Job) -> dict[str, object]:
    request = job.request
    return {
        "job": job.id, "status": "stopping" if job.cancel_requested and not job.ended else job.status,
        "kind": KIND_NAMES[request.kind], "model": request.model, "task": request.task,
        "probe": request.config.probe if request.kind == "probe" and request.config.probe != "page" else "",
        "samples": str(request.config.samples) if request.kind == "probe" else "",
        "progress": job_view.progress_text(job) if job.status == "running" else "",
        "took": _took(job), "created": f"{job.created:%Y-%m-%d %H:%M:%S}", "error": job.error or "",
        "result": job.result or "",
    }  # fmt: skip


def _took(job: Job) -> str:
    if job.started is None or job.finished is None:
        return ""
    return words.duration((job.finished - job.started).total_seconds())
