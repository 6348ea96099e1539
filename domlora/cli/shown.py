"""`domlora tasks show`: what is in a task and, for a model, which of its text is read and which is trained.

In: a task and perhaps a model. Out: a first row as it is in the task, or rows as the model reads them, with counts and
the reasons for what is left out. No weights are loaded.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from domlora.cli.actions import count
from domlora.cli.arguments import add_settings, checked, task_of
from domlora.cli.output import marks, plain, print_json, progress_bar, say, say_marked, say_of_rows
from domlora.errors import UsageError
from domlora.jobs.spec import ProbeRequest
from domlora.probes.config import ProbeConfig
from domlora.settings import setting

if TYPE_CHECKING:
    from domlora.data.tasks import Task
    from domlora.models.shown import Shown

ROWS = 3
MOST = 12  # names of columns that are listed


def add_show(parser: argparse.ArgumentParser) -> None:
    """The arguments of `domlora tasks show`."""
    parser.add_argument("task", help=setting(ProbeRequest, "task").description)
    model = setting(ProbeRequest, "model").description
    parser.add_argument("--model", help=f"show what this model learns of it: {model} (default: the task alone)")
    add_settings(parser, ProbeRequest, "columns", "system", "revision")
    parser.add_argument("--rows", type=count, help=f"how many rows are shown as the model reads them (default {ROWS})")
    add_settings(parser, ProbeConfig, "max_length", "split", only_given=True)
    parser.add_argument(
        "--no-fetch",
        action="store_true",
        help="only if the model is on this machine: nothing is downloaded or converted",
    )


def show_task(arguments: argparse.Namespace) -> None:
    """`domlora tasks show`."""
    settings = _settings(arguments)
    with progress_bar("row") as progress:
        progress("reading the task", 0, 0)
        task = task_of(arguments)
    shown = None if arguments.model is None else _shown(arguments, task, settings)
    first = [{"role": m.role, "content": m.content} for m in task.samples[0].messages]
    facts = {"task": task.name, "source": task.source, "format": task.format, "rows": task.splits,
             "without_response": task.without_response, "hash": task.content_hash, "first": first,
             "unread": task.unread, "remarks": [plain(remark) for remark in task.remarks]}  # fmt: skip
    if arguments.json:
        return print_json(facts if shown is None else {**facts, "shown": plain(shown)})
    if shown is not None:
        say(marks(f"What {shown.model} learns of {shown.task}") + "\n")
    say(f"{task.name}: format {task.format}, rows {task.splits}, {task.without_response} without a response left out\n")
    if shown is not None:
        _print(shown)
        return _say_unused(task)
    for turn in first:
        say(f"[{turn['role']}] {turn['content']}\n")
    for remark in task.remarks:
        say(f"{remark.words}.")
    _say_unused(task)


def _say_unused(task: Task) -> None:
    if task.unread:
        say(f"Columns that are not read: {', '.join(name[:40] for name in task.unread[:MOST])}.")
    say_of_rows([task.warning] if task.warning else [], ())


def _settings(arguments: argparse.Namespace) -> ProbeConfig:
    """How long samples may be and which split they are of.

    Raises:
        UsageError: a value that cannot be, or what only says something about a model where none is named.
    """
    if arguments.model is None:
        options = {"--revision": arguments.revision, "--rows": arguments.rows, "--max-length": arguments.max_length,
                   "--split": arguments.split, "--no-fetch": arguments.no_fetch or None}  # fmt: skip
        given = next((name for name, value in options.items() if value is not None), None)
        if given is not None:
            raise UsageError(f"{given} says how a model reads the task: name one with --model")
    named = {"max_length": arguments.max_length, "split": arguments.split}
    return checked(
        ProbeConfig, argparse.Namespace(**{name: value for name, value in named.items() if value is not None})
    )


def _shown(arguments: argparse.Namespace, task: Task, settings: ProbeConfig) -> Shown:
    from domlora.models.fetch import localise
    from domlora.models.reference import resolve
    from domlora.models.shown import show

    with progress_bar("row") as progress:
        progress("fetching the model", 0, 0)
        local = localise(resolve(arguments.model, arguments.revision), progress, fetch=not arguments.no_fetch)
        progress("reading the first rows as the model does", 0, 0)
        return show(local, task, arguments.rows or ROWS, settings.max_length, settings.split)


def _print(shown: Shown) -> None:
    for sample in shown.samples:
        say(sample.words, "bold")
        say_marked([(run.text, run.trained) for run in sample.runs])
        say()
    for sentence in shown.sentences:
        say(sentence)
