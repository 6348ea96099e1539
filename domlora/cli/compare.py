"""The commands that place adapters and compare placements: `place`, `compare`, `runs`. Torch only once they compute."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from domlora.cli.arguments import (
    PLACEMENT_HELP,
    add_model_and_task,
    add_ranks,
    checked,
    list_of,
    probe_config,
    subject,
)
from domlora.cli.output import print_json, progress_bar
from domlora.cli.runs import (
    comparison_of,
    print_comparison,
)
from domlora.comparison.config import SweepConfig
from domlora.placements.methods import METHODS
from domlora.probes.config import ProbeConfig

if TYPE_CHECKING:
    pass


def add_compare(commands: Any) -> None:
    """`domlora compare`."""
    text = "fine-tune placements side by side and compare them"
    parser = commands.add_parser("compare", help=text, description=text)
    default = SweepConfig()
    add_model_and_task(parser)
    parser.add_argument(
        "--placements", type=list_of(str), default=default.placements, metavar="NAME,...", help=PLACEMENT_HELP
    )
    add_ranks(parser)
    parser.add_argument(
        "--methods", type=list_of(str), default=default.methods, metavar="NAME,...", help=", ".join(METHODS)
    )
    parser.add_argument(
        "--lr", dest="learning_rates", type=list_of(float), default=default.learning_rates, metavar="RATE,...",
        help="the best one of each placement is chosen on validation rows",
    )  # fmt: skip
    for name, words in (
        ("seeds", "starts of the adapters"),
        ("steps", "optimizer steps"),
        ("batch_size", "rows of a batch"),
        ("accumulation", "batches of a step"),
        ("max_length", "tokens kept of a row"),
        ("train_rows", "at most so many training rows (all)"),
        ("validation_rows", "at most so many"),
        ("test_rows", "at most so many"),
        ("evaluate_every", "steps between two evaluations"),
        ("answers", "test rows answered in free text; 0 for none"),
        ("answer_tokens", "at most so many tokens an answer"),
        ("forgetting_rows", "rows of each other task; 0 for none"),
        ("checkpoint_every", "steps between two checkpoints"),
        ("data_seed", "chooses rows, their order, and random placements"),
        ("energy_every", "steps between two energy maps of each variant while it trains; 0 for none"),
        ("energy_samples", "training rows that each of them reads"),
    ):
        value = getattr(default, name)
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=value, help=f"{words} (default {value})")
    parser.add_argument("--schedule", choices=["constant", "linear", "cosine"], default=default.schedule)
    parser.add_argument("--warmup", type=float, default=default.warmup, help="fraction of the steps")
    parser.add_argument("--weight-decay", type=float, default=default.weight_decay)
    parser.add_argument("--max-grad-norm", type=float, default=default.max_grad_norm)
    parser.add_argument("--loraplus-ratio", type=float, default=default.loraplus_ratio)
    parser.add_argument("--run-code", action="store_true", help="run generated code against the task's tests")
    parser.add_argument("--samples", type=int, default=ProbeConfig().samples, help="of the probe, if it must run")
    parser.add_argument("--baseline", help="the contestant that differences are given to (all-linear)")
    parser.add_argument("--queue", action="store_true", help="leave it to a worker, and print the job's id")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> None:
    from domlora.jobs.execute import run_sweep
    from domlora.jobs.local import ensure_worker
    from domlora.jobs.queue import Queue
    from domlora.jobs.spec import SweepRequest
    from domlora.placements.place import check_name
    from domlora.store.store import Store

    if arguments.alpha is None:
        arguments.alpha = 2.0 * arguments.rank
    config = checked(SweepConfig, arguments)
    for name in config.placements:
        check_name(name)
    probe = probe_config(arguments)
    request = SweepRequest(probe=probe, sweep=config, **subject(arguments))
    store = Store()
    if arguments.queue:
        job = Queue(store).submit(request)
        ensure_worker()
        return print_json({"job": job.id}) if arguments.json else print(job.id)
    with progress_bar("pass") as progress:
        run = store.runs.get(run_sweep(request, store, progress))
    print_comparison(comparison_of(store, run, arguments.baseline), arguments.json)
