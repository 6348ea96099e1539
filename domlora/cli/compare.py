"""`domlora compare`: fine-tune placements side by side and print what that says. Torch only once it trains."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from domlora.cli.actions import open_store
from domlora.cli.arguments import add_model_and_task, add_settings, checked, flag, given, probe_config, subject
from domlora.cli.output import progress_bar
from domlora.cli.queueing import add_queue, leave_to_worker
from domlora.cli.runs import add_baseline, comparison_of, print_comparison, say_where
from domlora.comparison.config import SweepConfig
from domlora.comparison.extension import ADDED, extended
from domlora.errors import UsageError
from domlora.jobs.spec import SweepRequest, more_of
from domlora.probes.config import ProbeConfig
from domlora.tracking.services import destination

if TYPE_CHECKING:
    from domlora.store.store import Store


ASIDE = ("add_to", "device", "log_to", "log_project")  # options that change no number of a comparison


def add_compare(parser: argparse.ArgumentParser) -> None:
    """`domlora compare`."""
    add_model_and_task(parser, may_lack=True)
    add_settings(parser, SweepRequest, "add_to", only_given=True)
    add_settings(
        parser, SweepConfig, "placements", "rank", "alpha", "budget", "allocation", "methods", "learning_rates",
        "own_rates",
        "seeds", "rate_seeds", "order", "steps", "batch_size", "accumulation", "loss_mean", "max_length", "train_rows",
        "validation_rows", "test_rows", "evaluate_every", "patience", "minutes", "dropout", "gradient_checkpointing",
        "answers", "answer_tokens", "forgetting_rows", "keep", "checkpoint_every", "data_seed", "energy_every",
        "energy_samples", "schedule", "warmup", "weight_decay", "max_grad_norm", "loraplus_ratio", "run_code",
        only_given=True,
    )  # fmt: skip
    add_settings(parser, ProbeConfig, "samples", only_given=True)
    add_baseline(parser)
    add_settings(parser, SweepRequest, "log_to", "log_project")
    add_queue(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> None:
    from domlora.jobs.execute import run_sweep

    to = destination(arguments.log_to, arguments.log_project)
    store = open_store()
    request = _anew(arguments) if arguments.add_to is None else _more(arguments, store)
    request = request.model_copy(update={"log_to": to.services, "log_project": to.project})
    if arguments.queue:
        return leave_to_worker(request, store, arguments.json)
    with progress_bar("pass") as progress:
        run = store.runs.get(run_sweep(request, store, progress))
    say_where(run, to.services)
    print_comparison(comparison_of(store, run, arguments.baseline), arguments.json)


def _anew(arguments: argparse.Namespace) -> SweepRequest:
    """A comparison of its own."""
    if arguments.model is None or arguments.task is None:
        raise UsageError("name a model and its --task, or a finished comparison with --add-to")
    config = checked(SweepConfig, argparse.Namespace(**given(arguments, SweepConfig)))
    _check_names(config.placements)
    return SweepRequest(probe=probe_config(arguments), sweep=config, **subject(arguments))


def _more(arguments: argparse.Namespace, store: Store) -> SweepRequest:
    """A finished comparison with more in it; its model, rows and all else are as they were."""
    asked = given(arguments, SweepConfig) | given(arguments, ProbeConfig) | given(arguments, SweepRequest)
    left = {name: value for name, value in asked.items() if name not in (*ADDED, *ASIDE)}
    run = store.runs.get(arguments.add_to)
    for name in left:
        raise UsageError(
            f"{'the model' if name == 'model' else flag(name)} is as run {run.id} has it: with --add-to give "
            f"{', '.join(map(flag, ADDED))}"
        )
    added = {name: value for name, value in asked.items() if name in ADDED}
    _check_names(added.get("placements", ()))
    return more_of(run, extended(run, added), arguments.device)


def _check_names(names: Sequence[str]) -> None:
    from domlora.placements.place import check_name

    for name in names:
        check_name(name)
