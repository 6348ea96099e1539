"""`domlora probe`: measure every module of a model on a task, by PAGE or by another probe."""

from __future__ import annotations

import argparse
from pathlib import Path

from domlora.cli.actions import count, open_store
from domlora.cli.arguments import add_model_and_task, add_settings, checked, list_of, subject
from domlora.cli.maps import print_map
from domlora.cli.output import print_json, progress_bar
from domlora.cli.queueing import add_queue, leave_to_worker
from domlora.errors import UsageError
from domlora.jobs.spec import ProbeRequest
from domlora.probes.config import ProbeConfig
from domlora.probes.registry import PROBES


def add_probe(parser: argparse.ArgumentParser) -> None:
    """`domlora probe`."""
    add_probe_arguments(parser)
    add_queue(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="also write the map: .parquet, .csv or .json (default: no file)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--top", type=count, default=10, help="modules shown (default 10)")
    parser.set_defaults(run=_probe)


def add_probe_arguments(parser: argparse.ArgumentParser) -> None:
    """What is measured, and how."""
    add_model_and_task(parser)
    add_settings(parser, ProbeConfig, "probe", "against")
    add_settings(parser, ProbeRequest, "also", types={"also": _probe_names})
    add_settings(
        parser, ProbeConfig, "samples", "split", "estimator", "reduction", "rank", "alpha", "rslora", "draws",
        "max_length", "seed",
    )  # fmt: skip


def probe_request(arguments: argparse.Namespace) -> ProbeRequest:
    return ProbeRequest(config=checked(ProbeConfig, arguments), also=arguments.also, **subject(arguments))


def queue_probe(arguments: argparse.Namespace) -> None:
    """`domlora probe --queue`, and `domlora jobs submit`."""
    leave_to_worker(probe_request(arguments), open_store(), arguments.json)


def _probe(arguments: argparse.Namespace) -> None:
    if arguments.queue:
        if arguments.out:
            raise UsageError("--out writes what is measured here: leave out --queue, or `domlora maps export` it later")
        return queue_probe(arguments)
    from domlora.energy import files as energy_files
    from domlora.jobs.execute import run_probe

    if arguments.out:
        energy_files.check_suffix(arguments.out)
    request = probe_request(arguments)
    store = open_store()
    with progress_bar("sample", request.config.samples) as progress:
        energy = store.maps.get(run_probe(request, store, progress))
    if arguments.out:
        energy_files.write(energy, arguments.out)
    if arguments.json:
        print_json(energy_files.to_json(energy, lists=False))
    else:
        print_map(energy, arguments.top)


def _probe_names(text: str) -> tuple[str, ...]:
    names = list_of(str)(text)
    unknown = [name for name in names if name not in PROBES]
    if unknown:
        raise argparse.ArgumentTypeError(f"no probe is called {unknown[0]!r}: known are {', '.join(PROBES)}")
    return names
