"""`domlora jobs` and `domlora worker`: the queue as a person sees it, and the process that serves it."""

from __future__ import annotations

import argparse
import sys

from domlora.cli.actions import command, group, open_queue
from domlora.cli.output import plain, print_json, print_table
from domlora.cli.probe import add_probe_arguments, queue_probe
from domlora.cli.queueing import start_worker


def add_jobs(parser: argparse.ArgumentParser) -> None:
    """`domlora jobs`."""
    jobs = group(parser, _list)
    command(jobs, "list", _list, "all jobs, newest first", json_output=True)
    for name, run, text in (
        ("show", _show, "one job and the end of its log"),
        ("cancel", _cancel, "stop a queued or running job"),
        ("retry", _retry, "queue the request of a job again"),
    ):
        command(jobs, name, run, text).add_argument("id", help="of a job, or how it begins (`domlora jobs`)")
    add_probe_arguments(command(jobs, "submit", queue_probe, "the same as `domlora probe --queue`", json_output=True))


def add_worker(parser: argparse.ArgumentParser) -> None:
    """`domlora worker`, whose options the worker reads itself."""
    parser.set_defaults(run=_worker)


def _list(arguments: argparse.Namespace) -> None:
    from domlora.jobs.spec import KIND_NAMES
    from domlora.progress import in_words

    jobs = open_queue().list()
    if arguments.json:
        return print_json([plain(job) for job in jobs])
    if not jobs:
        return print("No jobs yet: `domlora jobs submit MODEL --task TASK` or the dashboard's Launch page queues one.")
    print_table(
        ("id", "kind", "status", "model", "task", "progress", "result"),
        [
            (j.id, KIND_NAMES[j.request.kind], j.status, j.request.model, j.request.task,
             in_words(j.stage, j.done, j.total) if j.stage else "", j.result or j.error or "")
            for j in jobs
        ],
        status=2,
    )  # fmt: skip


def _show(arguments: argparse.Namespace) -> None:
    from domlora.jobs.local import log_tail

    job = open_queue().get(arguments.id)
    print_json(plain(job))
    print(log_tail(job.id, 20), file=sys.stderr)


def _cancel(arguments: argparse.Namespace) -> None:
    job = open_queue().cancel(arguments.id)
    print(f"job {job.id}: {'cancelled' if job.ended else 'will stop within seconds'}", file=sys.stderr)


def _retry(arguments: argparse.Namespace) -> None:
    job = open_queue().retry(arguments.id)
    start_worker([job])
    print(job.id)


def _worker(arguments: argparse.Namespace) -> int:
    from domlora.jobs import worker

    return worker.main(arguments.rest)
