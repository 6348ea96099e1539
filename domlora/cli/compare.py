"""`domlora compare`: fine-tune placements side by side and print what that says. Torch only once it trains."""

from __future__ import annotations

import argparse

from domlora.cli.actions import open_store
from domlora.cli.arguments import add_model_and_task, add_ranks, add_settings, checked, probe_config, subject
from domlora.cli.output import progress_bar
from domlora.cli.queueing import add_queue, leave_to_worker
from domlora.cli.runs import add_baseline, comparison_of, print_comparison
from domlora.comparison.config import SweepConfig
from domlora.probes.config import ProbeConfig


def add_compare(parser: argparse.ArgumentParser) -> None:
    """`domlora compare`."""
    add_model_and_task(parser)
    add_settings(parser, SweepConfig, "placements")
    add_ranks(parser)
    add_settings(
        parser, SweepConfig, "methods", "learning_rates", "seeds", "steps", "batch_size", "accumulation", "max_length",
        "train_rows", "validation_rows", "test_rows", "evaluate_every", "answers", "answer_tokens", "forgetting_rows",
        "checkpoint_every", "data_seed", "energy_every", "energy_samples", "schedule", "warmup", "weight_decay",
        "max_grad_norm", "loraplus_ratio", "run_code",
    )  # fmt: skip
    add_settings(parser, ProbeConfig, "samples")
    add_baseline(parser)
    add_queue(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> None:
    from domlora.jobs.execute import run_sweep
    from domlora.jobs.spec import SweepRequest
    from domlora.placements.place import check_name

    config = checked(SweepConfig, arguments)
    for name in config.placements:
        check_name(name)
    probe = probe_config(arguments)
    request = SweepRequest(probe=probe, sweep=config, **subject(arguments))
    store = open_store()
    if arguments.queue:
        return leave_to_worker(request, store, arguments.json)
    with progress_bar("pass") as progress:
        run = store.runs.get(run_sweep(request, store, progress))
    print_comparison(comparison_of(store, run, arguments.baseline), arguments.json)
