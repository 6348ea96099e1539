"""Whether a run of the store is still being computed, and by which job."""

from __future__ import annotations

from dashboard.shared import queries
from domlora.comparison.run import Run
from domlora.jobs.spec import Job
from domlora.training.lock import is_held


def job_of(run: Run) -> Job | None:
    """The job that computes a run; None where it runs from Python, or the job is gone."""
    return queries.queue().of_run(run)


def is_live(run: Run, job: Job | None) -> bool:
    """Whether more is to come."""
    if run.status != "running":
        return False
    return not job.ended if job is not None else is_held(run.id)
