"""The command line. Arguments come in, results go to stdout, progress and logs to stderr.

Exit status: 0 done, 1 failed (one line says why and what to do; `--debug` shows the traceback), 2 bad usage.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence

from domlora.cli.catalogue import add_models, add_tasks
from domlora.cli.compare import add_compare
from domlora.cli.dashboard import add_dashboard
from domlora.cli.jobs import add_jobs, add_worker
from domlora.cli.maps import add_maps
from domlora.cli.matrix import add_matrix
from domlora.cli.output import complain, replace_unknown_characters
from domlora.cli.place import add_place
from domlora.cli.probe import add_probe
from domlora.cli.probes import add_probes
from domlora.cli.runs import add_runs
from domlora.errors import DomLoRAError, UsageError
from domlora.version import __version__

COMMANDS = (  # in the order of `domlora --help`
    add_probe, add_place, add_compare, add_runs, add_probes, add_matrix, add_maps, add_models, add_tasks, add_jobs,
    add_worker, add_dashboard,
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point of the `domlora` command; returns its exit status."""
    replace_unknown_characters()
    parser = _parser()
    arguments, rest = parser.parse_known_args(argv)
    if rest and not getattr(arguments, "passes_on", False):  # to a parser of its own
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

    for add in COMMANDS:
        add(commands)
    return parser
