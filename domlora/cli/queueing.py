"""`--queue`: one flag, one way and one answer for every command that can leave its work to a worker.

In: requests. Out: jobs in the queue, a worker that takes them, and their ids on stdout. No torch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from domlora.cli.output import print_json, print_table

if TYPE_CHECKING:
    from domlora.jobs.spec import Job, Request
    from domlora.store.store import Store


def add_queue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--queue", action="store_true", help="leave it to a worker and return at once; prints job ids")


def leave_to_worker(request: Request, store: Store, as_json: bool) -> None:
    """Queues the one request of a command and prints its job."""
    from domlora.jobs.queue import Queue

    job = Queue(store).submit(request)
    start_worker([job])
    print_json({"job": job.id}) if as_json else print(job.id)


def print_jobs(jobs: Sequence[Job], as_json: bool, nothing: str) -> None:
    """Sees to a worker and prints what a command of many requests has queued; `nothing` says why it may be none."""
    start_worker(jobs)
    if as_json:
        print_json({"jobs": [{"id": job.id, "model": job.request.model, "task": job.request.task} for job in jobs]})
    elif jobs:
        print_table(("job", "model", "task"), [(job.id, job.request.model, job.request.task) for job in jobs])
    else:
        print(nothing, file=sys.stderr)


def start_worker(jobs: Sequence[Job]) -> None:
    """Whoever queues a job sees to it that somebody computes it."""
    from domlora.jobs.local import ensure_worker

    if jobs:
        ensure_worker()
