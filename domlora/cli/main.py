"""The command line. Arguments come in, results go to stdout, progress and logs to stderr.

Exit status: 0 done, 1 failed (one line says why and what to do; `--debug` shows the traceback), 2 bad usage.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from domlora.cli.output import complain, replace_unknown_characters
from domlora.errors import DomLoRAError, UsageError
from domlora.version import __version__

COMMANDS = {  # name -> (what adds its arguments, what it does), in the order of `domlora --help`
    "find": ("find:add_find", "find where the adapter should go for a model and data of yours, within a time"),
    "probe": ("probe:add_probe", "measure every module of a model on a task, by PAGE or another probe"),
    "place": ("place:add_place", "choose modules by their energy and write the adapter_config.json that PEFT loads"),
    "compare": ("compare:add_compare", "fine-tune placements side by side and compare them"),
    "runs": ("runs:add_runs", "comparisons in the store"),
    "probes": ("probes:add_probes", "the probes there are, and how well each foretells where an adapter works"),
    "matrix": ("matrix:add_matrix", "measure every model on every task, and how far the winners agree"),
    "maps": ("maps:add_maps", "energy maps in the store"),
    "report": ("report:add_report", "write maps, comparisons and searches as one HTML file that opens anywhere"),
    "models": ("catalogue:add_models", "built-in models, and how to name others"),
    "tasks": ("catalogue:add_tasks", "built-in tasks, and what a file holds"),
    "jobs": ("jobs:add_jobs", "queued, running and ended jobs"),
    "worker": ("jobs:add_worker", "run queued jobs until stopped"),
    "dashboard": ("dashboard:add_dashboard", "open the dashboard; options go to `streamlit run`"),
}
PASSED_ON = ("worker", "dashboard")  # commands that have a parser of their own


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `domlora` command; returns its exit status."""
    replace_unknown_characters()
    argv = sys.argv[1:] if argv is None else argv
    parser = build_parser(next((word for word in argv if not word.startswith("-")), ""))
    arguments, rest = parser.parse_known_args(argv)
    if rest and arguments.command not in PASSED_ON:
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


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of `domlora`, with the arguments of one command, so that no other is imported; None adds all."""
    parser = argparse.ArgumentParser(prog="domlora", description="Where should a LoRA adapter go? Measure it.")
    parser.add_argument("--version", action="version", version=f"domlora {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    for name, (code, words) in COMMANDS.items():
        one = commands.add_parser(name, help=words, description=words, add_help=name not in PASSED_ON)
        if command in (None, name):
            module, _, function = code.partition(":")
            getattr(import_module(f"domlora.cli.{module}"), function)(one)
    return parser
