"""The commands that place adapters and compare placements: `place`, `compare`, `runs`. Torch only once they compute."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domlora.cli.arguments import add_model_and_task, checked, list_of, subject
from domlora.cli.output import plain, print_json, print_table, progress_bar
from domlora.comparison.config import METHODS, SweepConfig
from domlora.errors import SweepError, UsageError
from domlora.probes.config import ProbeConfig

if TYPE_CHECKING:
    from domlora.comparison.analysis import Comparison
    from domlora.comparison.run import Run
    from domlora.store.store import Store

PROBE_ARGUMENTS = ("samples", "max_length", "dtype")
PLACEMENT_HELP = (
    "dominant, top-k:4, all-linear, attention, mlp, qv, o, random:3, least, same-kind, spread:30, down@11, module:NAME"
)


def add_place(commands: Any) -> None:
    """`domlora place`."""
    text = "choose modules by their energy and write the adapter_config.json that PEFT loads"
    parser = commands.add_parser("place", help=text, description=text)
    default = SweepConfig()
    add_model_and_task(parser)
    parser.add_argument("--placement", default="dominant", help=PLACEMENT_HELP)
    _add_ranks(parser)
    parser.add_argument("--method", choices=list(METHODS), default="lora", help="LoRA variant")
    parser.add_argument("--samples", type=int, default=ProbeConfig().samples, help="of the probe")
    parser.add_argument("--max-length", type=int, default=default.max_length, help="tokens kept of a sample")
    parser.add_argument("--seed", type=int, default=0, help="of `random`")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--json", action="store_true", help="the placement as one JSON object on stdout")
    parser.set_defaults(run=_place)


def add_compare(commands: Any) -> None:
    """`domlora compare`."""
    text = "fine-tune placements side by side and compare them"
    parser = commands.add_parser("compare", help=text, description=text)
    default = SweepConfig()
    add_model_and_task(parser)
    parser.add_argument(
        "--placements", type=list_of(str), default=default.placements, metavar="NAME,...", help=PLACEMENT_HELP
    )
    _add_ranks(parser)
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


def add_runs(commands: Any) -> None:
    """`domlora runs`."""
    text = "comparisons in the store"
    parser = commands.add_parser("runs", help=text, description=text)
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    parser.set_defaults(run=_runs_list)
    actions = parser.add_subparsers(metavar="ACTION")

    def action(name: str, run: Callable, words: str, *, json_output: bool = True) -> argparse.ArgumentParser:
        one = actions.add_parser(name, help=words, description=words)
        if json_output:
            one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="JSON on stdout")
        one.set_defaults(run=run)
        return one

    action("list", _runs_list, "all comparisons, newest first")
    show = action("show", _runs_show, "one comparison: its table and what it says")
    show.add_argument("id")
    show.add_argument("--baseline", help="the contestant that differences are given to (all-linear)")
    export = action("export", _runs_export, "write an adapter and all that is needed to use it", json_output=False)
    export.add_argument("id")
    export.add_argument("--variant", help="its name; the first seed of the best contestant where none is given")
    export.add_argument("--out", type=Path, required=True, metavar="DIR")
    cancel = action("cancel", _runs_cancel, "end one variant and go on with the others", json_output=False)
    cancel.add_argument("id")
    cancel.add_argument("variant")
    action("remove", _runs_remove, "delete a comparison", json_output=False).add_argument("id")


def _add_ranks(parser: argparse.ArgumentParser) -> None:
    default = SweepConfig()
    parser.add_argument("--rank", type=int, default=default.rank)
    parser.add_argument("--alpha", type=float, help="twice the rank where it is not given")
    parser.add_argument("--budget", type=int, help="trainable parameters of a placement at most, instead of a rank")
    parser.add_argument("--allocation", choices=["equal", "energy"], default=default.allocation, help="spread of ranks")


def _probe_config(arguments: argparse.Namespace) -> ProbeConfig:
    """How the map is measured that placements are chosen by; ranks and seeds of these commands mean the adapters."""
    return checked(ProbeConfig, argparse.Namespace(**{name: getattr(arguments, name) for name in PROBE_ARGUMENTS}))


def _place(arguments: argparse.Namespace) -> None:
    from domlora.jobs.execute import run_probe
    from domlora.jobs.spec import ProbeRequest
    from domlora.models.reference import base_name
    from domlora.placements.place import check_name, place
    from domlora.store.store import Store

    check_name(arguments.placement)
    probe = _probe_config(arguments)
    request = ProbeRequest(config=probe, **subject(arguments))
    store = Store()
    with progress_bar("sample", probe.samples) as progress:
        energy = store.map(run_probe(request, store, progress))
    placement = place(
        energy,
        arguments.placement,
        rank=arguments.rank,
        alpha=arguments.alpha,
        budget=arguments.budget,
        allocation=arguments.allocation,
        seed=arguments.seed,
    )
    config = placement.lora_config(arguments.method)
    config.base_model_name_or_path = base_name(energy.provenance.model, energy.provenance.model_source)
    try:
        arguments.out.mkdir(parents=True, exist_ok=True)
        config.save_pretrained(str(arguments.out))
        (arguments.out / "placement.json").write_text(placement.model_dump_json(indent=1))
    except OSError as error:
        raise SweepError(f"cannot write into {arguments.out}: {error.strerror}") from error
    if arguments.json:
        return print_json(plain(placement) | {"trainable_parameters": placement.parameters(arguments.method)})
    share = energy.table.set_index("module").loc[[m.module for m in placement.modules], "share"].sum()
    print(
        f"{placement.name}: {len(placement.modules)} modules with {share:.1%} of the energy, "
        f"{placement.parameters(arguments.method):,} trainable parameters\n"
    )
    print(placement.snippet(arguments.method))
    print(f"Wrote {arguments.out / 'adapter_config.json'}; placement.json beside it lists modules and ranks.")


def _compare(arguments: argparse.Namespace) -> None:
    from domlora.jobs.execute import run_sweep
    from domlora.jobs.local import ensure_worker
    from domlora.jobs.spec import SweepRequest
    from domlora.placements.place import check_name
    from domlora.store.store import Store

    if arguments.alpha is None:
        arguments.alpha = 2.0 * arguments.rank
    config = checked(SweepConfig, arguments)
    for name in config.placements:
        check_name(name)
    probe = _probe_config(arguments)
    request = SweepRequest(probe=probe, sweep=config, **subject(arguments))
    store = Store()
    if arguments.queue:
        job = store.submit(request)
        ensure_worker()
        return print_json({"job": job.id}) if arguments.json else print(job.id)
    with progress_bar("pass") as progress:
        run = store.runs.get(run_sweep(request, store, progress))
    _print_comparison(_comparison(store, run, arguments.baseline), arguments.json)


def _comparison(store: Store, run: Run, baseline: str | None) -> Comparison:
    from domlora.comparison.analysis import compare_run

    return compare_run(run, store.runs.evaluations(run.id), baseline=baseline)


def _print_comparison(comparison: Comparison, as_json: bool) -> None:
    if as_json:
        return print_json(comparison.to_json())
    run, facts = comparison.run, comparison.run.facts
    spent = f"; {facts['device']} {facts['dtype']}, {facts['seconds'] / 60:.1f} min" if "seconds" in facts else ""
    print(f"{run.model} on {run.task}: {len(run.variants)} variants, {run.config.steps} steps{spent}")
    print(f"Loss on {comparison.rows} {comparison.part} rows, differences to {comparison.baseline}:\n")
    rows = [
        (
            str(name), f"{row['trainable_parameters']:,}", f"{row['learning_rate']:g}", str(row["seeds"]),
            f"{row['loss']:.3f}", f"{row['low']:.3f} to {row['high']:.3f}", f"{row['accuracy']:.1%}",
            f"{row['difference']:+.3f} ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})",
            "yes" if row["on_front"] else "", row["verdict"] if row["status"] == "done" else row["status"],
        )
        for name, row in comparison.table.iterrows()
    ]  # fmt: skip
    head = ("placement", "parameters", "lr", "seeds", "loss", "95 % interval", "accuracy", "difference", "front", "")
    print_table(head, rows)
    print(f"\n{comparison.conclusion}")
    for warning in (*comparison.warnings, *run.warnings):
        print(f"Note: {warning[0].upper()}{warning[1:].rstrip('.')}.")
    print(f"Run {run.id}")


def _runs_list(arguments: argparse.Namespace) -> None:
    from domlora.store.store import Store

    runs = Store().runs.list()
    if arguments.json:
        return print_json([plain(run) for run in runs])
    if not runs:
        return print("No comparisons yet: `domlora compare smollm2-135m --task math` makes one.")
    print_table(
        ("id", "status", "model", "task", "placements", "variants", "steps", "made"),
        [
            (
                run.id, run.status, run.model, run.task, _shortened([p.name for p in run.placements]),
                _counts(run), str(run.config.steps), f"{run.created:%Y-%m-%d %H:%M}",
            )
            for run in runs
        ],
    )  # fmt: skip


def _shortened(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _counts(run: Run) -> str:
    done = sum(variant.status == "done" for variant in run.variants)
    return f"{done} of {len(run.variants)} done"


def _runs_show(arguments: argparse.Namespace) -> None:
    from domlora.store.store import Store

    store = Store()
    _print_comparison(_comparison(store, store.runs.get(arguments.id), arguments.baseline), arguments.json)


def _runs_export(arguments: argparse.Namespace) -> None:
    from domlora.comparison import export
    from domlora.store.store import Store

    store = Store()
    run = store.runs.get(arguments.id)
    comparison = _comparison(store, run, None)
    if arguments.variant is None:
        variant = export.best_variant(comparison)
    else:
        named = [variant for variant in run.variants if variant.name == arguments.variant]
        if not named:
            some = "; ".join(v.name for v in run.variants[:4])
            raise UsageError(f"run {run.id} has no variant {arguments.variant!r}: it has {some}, ...")
        variant = named[0]
    try:
        for name, content in export.files(run, comparison, variant).items():
            path = arguments.out / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    except OSError as error:
        raise SweepError(f"cannot write into {arguments.out}: {error.strerror}") from error
    print(f"wrote {variant.name} to {arguments.out}", file=sys.stderr)


def _runs_cancel(arguments: argparse.Namespace) -> None:
    from domlora.store.store import Store

    store = Store()
    run = store.runs.get(arguments.id)
    store.runs.cancel_variant(run.id, arguments.variant)
    print(f"{arguments.variant} will stop within seconds", file=sys.stderr)


def _runs_remove(arguments: argparse.Namespace) -> None:
    import shutil

    from domlora.store.store import Store
    from domlora.training.lock import run_folder

    store = Store()
    removed = store.runs.remove(arguments.id)
    for energy in store.maps(run=removed):
        store.remove_map(energy.id)
    shutil.rmtree(run_folder(removed), ignore_errors=True)
    print(f"removed run {removed}", file=sys.stderr)
