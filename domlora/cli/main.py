"""The command line. Arguments come in, results go to stdout, progress and logs to stderr.

Exit status: 0 done, 1 failed (one line says why and what to do; `--debug` shows the traceback), 2 bad usage.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from domlora.cli import compare, matrix, place, probes, runs
from domlora.cli.arguments import command, count, group
from domlora.cli.catalogue import _models_get, _models_list, _tasks_list, _tasks_show
from domlora.cli.jobs import _jobs_cancel, _jobs_list, _jobs_retry, _jobs_show, _worker
from domlora.cli.maps import (
    _maps_export,
    _maps_list,
    _maps_remove,
    _maps_show,
)
from domlora.cli.output import complain, replace_unknown_characters
from domlora.cli.probe import _add_probe, add_probe_arguments, queue_probe
from domlora.errors import DomLoRAError, UsageError
from domlora.jobs.spec import ProbeRequest
from domlora.settings import setting
from domlora.version import __version__

MAP_ID = "of a map, or how it begins (`domlora maps`)"


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `domlora` command; returns its exit status."""
    replace_unknown_characters()
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.run not in PASSED_ON:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.rest = rest
    # Before transformers loads: an unreachable Hub says so once, in our words, and other bars stay out of ours.
    for name, value in (("HF_HUB_VERBOSITY", "error"), ("HF_HUB_DISABLE_PROGRESS_BARS", "1"), ("TQDM_DISABLE", "1")):
        os.environ.setdefault(name, value)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    for chatty in ("httpx", "httpx2", "transformers", "huggingface_hub"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    try:
        return arguments.run(arguments) or 0
    except DomLoRAError as error:
        if arguments.debug:
            raise
        complain(str(error))
        return 2 if isinstance(error, UsageError) else 1
    except KeyboardInterrupt:
        complain("interrupted; what was stored before is kept")
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has left: nothing to say to anybody
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="domlora", description="Where should a LoRA adapter go? Measure it.")
    parser.add_argument("--version", action="version", version=f"domlora {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    words = "measure every module of a model on a task, by PAGE or another probe"
    _add_probe(commands.add_parser("probe", help=words, description=words))
    place.add_place(commands)
    compare.add_compare(commands)
    runs.add_runs(commands)
    probes.add_probes(commands)
    matrix.add_matrix(commands)

    maps = group(commands, "maps", _maps_list, "energy maps in the store")
    command(maps, "list", _maps_list, "all maps, newest first", json_output=True)
    show = command(maps, "show", _maps_show, "one map: its strongest modules and its verdict", json_output=True)
    show.add_argument("id", help=MAP_ID)
    show.add_argument("--top", type=count, default=10, help="modules shown (default 10)")
    export = command(maps, "export", _maps_export, "write a map to a file")
    export.add_argument("id", help=MAP_ID)
    export.add_argument("out", type=Path, metavar="FILE.parquet|.csv|.json", help="file to write")
    command(maps, "remove", _maps_remove, "delete a map").add_argument("id", help=MAP_ID)

    models = group(commands, "models", _models_list, "built-in models, and how to name others")
    command(models, "list", _models_list, "what is built in", json_output=True)
    get = command(models, "get", _models_get, "bring a model onto this machine")
    get.add_argument("model", help=setting(ProbeRequest, "model").description)

    tasks = group(commands, "tasks", _tasks_list, "built-in tasks, and what a file holds")
    command(tasks, "list", _tasks_list, "what is built in", json_output=True)
    show = command(tasks, "show", _tasks_show, "format, rows and a first sample of a task", json_output=True)
    show.add_argument("task", help=setting(ProbeRequest, "task").description)

    jobs = group(commands, "jobs", _jobs_list, "queued, running and ended jobs")
    command(jobs, "list", _jobs_list, "all jobs, newest first", json_output=True)
    for name, run, text in (
        ("show", _jobs_show, "one job and the end of its log"),
        ("cancel", _jobs_cancel, "stop a queued or running job"),
        ("retry", _jobs_retry, "queue the request of a job again"),
    ):
        command(jobs, name, run, text).add_argument("id", help="of a job, or how it begins (`domlora jobs`)")
    submit = command(jobs, "submit", queue_probe, "the same as `domlora probe --queue`", json_output=True)
    add_probe_arguments(submit)

    worker = commands.add_parser("worker", help="run queued jobs until stopped", add_help=False)
    worker.set_defaults(run=_worker)
    words = "open the dashboard; options go to `streamlit run`"
    commands.add_parser("dashboard", help=words, add_help=False).set_defaults(run=_dashboard)
    return parser


def _dashboard(arguments: argparse.Namespace) -> int:
    import importlib.util

    from streamlit.web import cli

    package = importlib.util.find_spec("dashboard")
    if package is None or package.origin is None:
        raise UsageError("the dashboard is not installed here: pip install -e . in the checkout")
    sys.argv = ["streamlit", "run", str(Path(package.origin).parent / "app.py"), *arguments.rest]
    return cli.main()


PASSED_ON = (_worker, _dashboard)  # commands that have an argument parser of their own
