"""`domlora probe`: measure every module of a model on a task, by PAGE or by another probe."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from domlora.cli.arguments import add_model_and_task, checked, count, list_of, open_store, subject
from domlora.cli.maps import print_map
from domlora.cli.output import print_json, progress_bar
from domlora.probes.config import ProbeConfig
from domlora.probes.registry import PROBES


def _add_probe(parser: argparse.ArgumentParser) -> None:
    add_probe_arguments(parser)
    parser.add_argument("--out", type=Path, metavar="FILE", help="also write the map: .parquet, .csv or .json")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--top", type=count, default=10, help="modules shown (default 10)")
    parser.set_defaults(run=_probe)


def add_probe_arguments(parser: argparse.ArgumentParser) -> None:
    default = ProbeConfig()
    add_model_and_task(parser)
    parser.add_argument("--probe", choices=list(PROBES), default=default.probe, help="what is measured (default page)")
    parser.add_argument("--against", metavar="TASK", help="the other task of probe interference")
    parser.add_argument(
        "--also", type=_probe_names, default=(), metavar="NAME,...",
        help="other probes in the same pass, each stored as a map of its own",
    )  # fmt: skip
    parser.add_argument("--samples", type=int, default=default.samples)
    parser.add_argument("--split", default=default.split)
    parser.add_argument("--estimator", choices=["expected", "projected"], default=default.estimator)
    parser.add_argument("--reduction", choices=["per_sample", "mean_gradient"], default=default.reduction)
    parser.add_argument("--rank", type=int, default=default.rank)
    parser.add_argument("--alpha", type=float, default=default.alpha)
    parser.add_argument("--rslora", action="store_true", help="scale by alpha / sqrt(rank)")
    parser.add_argument("--draws", type=int, default=default.draws, help="draws of A (projected only)")
    parser.add_argument("--max-length", type=int, default=default.max_length, help="tokens kept of a sample")
    parser.add_argument("--seed", type=int, default=default.seed)


def probe_request(arguments: argparse.Namespace) -> Any:
    from domlora.jobs.spec import ProbeRequest

    return ProbeRequest(config=checked(ProbeConfig, arguments), also=arguments.also, **subject(arguments))


def _probe(arguments: argparse.Namespace) -> None:
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
