"""`domlora runs`: the comparisons of the store as tables and JSON, and their adapters as folders to take away."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domlora.cli.actions import command, group, open_store
from domlora.cli.output import plain, print_json, print_table, say, say_of_rows
from domlora.errors import UsageError
from domlora.tracking.services import SERVICES, destination
from domlora.visible import visible

if TYPE_CHECKING:
    from domlora.comparison.result import Comparison
    from domlora.comparison.run import Run
    from domlora.export.taken import Taken
    from domlora.store.store import Store


ALL = "also those that are archived"
RUN_ID = "of a comparison, or how it begins (`domlora runs`)"


def add_runs(parser: argparse.ArgumentParser) -> None:
    """`domlora runs`."""
    runs = group(parser, _list)
    parser.add_argument("--all", action="store_true", help=ALL)
    listing = command(runs, "list", _list, "all comparisons, newest first", json_output=True)
    listing.add_argument("--all", action="store_true", default=argparse.SUPPRESS, help=ALL)
    show = command(runs, "show", _show, "one comparison or search: its table and what it says", json_output=True)
    show.add_argument("id", help=RUN_ID)
    add_baseline(show)
    export = command(runs, "export", _export, "write an adapter and all that is needed to use it")
    export.add_argument("id", help=RUN_ID)
    export.add_argument("--variant", help="its name (default: the first seed of the best contestant)")
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write into")
    export.add_argument("--merged", action="store_true", help="also the whole model with the adapter in its weights")
    export.add_argument(
        "--gguf", action="store_true",
        help="also GGUF for llama.cpp, of the adapter and with --merged of the model, by its own converters",
    )  # fmt: skip
    export.add_argument(
        "--llama-cpp", type=Path, metavar="DIR", help="checkout of llama.cpp, for --gguf (default: $LLAMA_CPP)"
    )
    export.add_argument(
        "--push-to-hub", metavar="OWNER/NAME",
        help="upload all but your rows to this repository of the Hugging Face Hub, with the token in $HF_TOKEN "
        "(default: nothing is uploaded)",
    )  # fmt: skip
    export.add_argument("--private", action="store_true", help="make the repository a private one if it is new")
    sending = command(runs, "send", _send, "send curves and conclusion to TensorBoard, Trackio or Weights & Biases")
    sending.add_argument("id", help=RUN_ID)
    sending.add_argument("--to", required=True, choices=SERVICES, help="the service")
    sending.add_argument("--log-project", metavar="NAME", help="project there (default: WANDB_PROJECT, else domlora)")
    cancel = command(runs, "cancel", _cancel, "end one variant and go on with the others")
    cancel.add_argument("id", help=RUN_ID)
    cancel.add_argument("variant", help="its name, such as 'qv lr=0.001 seed=0'")
    command(runs, "remove", _remove, "delete a comparison").add_argument("id", help=RUN_ID)


def add_baseline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--baseline",
        help="the contestant that differences are given to (default: all-linear, else the one with most parameters)",
    )


def comparison_of(store: Store, run: Run, baseline: str | None) -> Comparison:
    from domlora.comparison.analysis import compare_run

    return compare_run(run, store.runs.evaluations(run.id), baseline=baseline)


def print_comparison(comparison: Comparison, as_json: bool) -> None:
    if as_json:
        return print_json(comparison.to_json())
    run, facts = comparison.run, comparison.run.facts
    spent = f"; {facts['device']} {facts['dtype']}, {facts['seconds'] / 60:.1f} min" if "seconds" in facts else ""
    say(f"{run.model} on {run.task}: {len(run.variants)} variants, {run.config.steps} steps{spent}")
    say(f"Loss on {comparison.rows} {comparison.part} rows, differences to {comparison.baseline}:\n")
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
    print_table(head, rows, status=-1)
    say(f"\n{comparison.conclusion}", "bold")
    say_of_rows((*comparison.warnings, *run.warnings), facts.get("remarks", ()))
    say(f"Run {run.id}")


def _list(arguments: argparse.Namespace) -> None:
    known = open_store().runs.list()
    runs = [run for run in known if arguments.all or not run.notes.archived]
    runs.sort(key=lambda run: not run.notes.pinned)  # the pinned first, the others as they were
    if arguments.json:
        return print_json([_json(run) for run in runs])
    if not known:
        return print("No comparisons yet: `domlora compare smollm2-135m --task math` makes one.")
    said = any(_said(run) for run in runs)  # a column of nothing is left out
    head = ("id", "status", *(["called"] if said else []), "model", "task", "placements", "variants", "steps", "made")
    print_table(
        head,
        [
            (
                run.id, run.status, *([_said(run)] if said else []), run.model, run.task,
                _shortened([p.name for p in run.placements]), _counts(run), str(run.config.steps),
                f"{run.created:%Y-%m-%d %H:%M}",
            )
            for run in runs
        ],
        status=1,
    )  # fmt: skip
    if len(runs) < len(known):
        say(f"{len(known) - len(runs)} archived: `domlora runs --all` lists them too.")


def _said(run: Run) -> str:
    """What its owner calls a run, and its tags."""
    notes = run.notes
    marks = [*(f"#{tag}" for tag in notes.tags), *(["pinned"] if notes.pinned else [])]
    return " ".join(filter(None, (notes.name, *marks, "(archived)" if notes.archived else "")))


def _json(run: Run) -> dict[str, Any]:
    """Without what files hold and `domlora maps` does not print either: the words for both are there."""
    return {name: value for name, value in plain(run).items() if name not in ("model_origin", "task_origin")}


def _shortened(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _counts(run: Run) -> str:
    done = sum(variant.status == "done" for variant in run.variants)
    return f"{done} of {len(run.variants)} done"


def _show(arguments: argparse.Namespace) -> None:
    from domlora.search.answer import answer_of, is_search

    store = open_store()
    run = store.runs.get(arguments.id)
    if is_search(run):
        from domlora.cli.find import print_answer

        answer = answer_of(store, run)
        return print_json(answer.to_json()) if arguments.json else print_answer(answer)
    print_comparison(comparison_of(store, run, arguments.baseline), arguments.json)


def _export(arguments: argparse.Namespace) -> None:
    from domlora.export import bundle
    from domlora.export.taken import Taken
    from domlora.search.answer import answer_of, is_search

    if arguments.private and arguments.push_to_hub is None:
        raise UsageError("--private is of the repository that --push-to-hub names: name one")
    if arguments.llama_cpp is not None and not arguments.gguf:
        raise UsageError("--llama-cpp is for --gguf: add it")
    store = open_store()
    run = store.runs.get(arguments.id)
    found = None
    if is_search(run):  # of its finalists the one that it names
        answer = answer_of(store, run)
        if answer.final is None or answer.variant is None:
            raise UsageError(f"search {run.id} has judged nothing yet, so there is no adapter to take away")
        run, found = answer.final.run, answer.variant
    comparison = comparison_of(store, run, None)
    if arguments.variant is None:
        variant = found or bundle.best_variant(comparison)
    else:
        named = [variant for variant in run.variants if variant.name == arguments.variant]
        if not named:
            some = "; ".join(v.name for v in run.variants[:4])
            raise UsageError(f"run {run.id} has no variant {arguments.variant!r}: it has {some}, ...")
        variant = named[0]
    _write(arguments, Taken.of(run, comparison, variant, store.runs.metrics(run.id)))


def _write(arguments: argparse.Namespace, taken: Taken) -> None:
    """The files, then what is computed, then the upload; what cannot be is refused before anything is written."""
    from domlora.export import bundle, gguf, hub, weights

    out: Path = arguments.out
    name = None if arguments.push_to_hub is None else hub.check_name(arguments.push_to_hub)
    if name is not None:
        hub.check_folder(out)
        hub.check_token()
    checkout = gguf.find_llama_cpp(arguments.llama_cpp) if arguments.gguf else None
    weights.check(taken, out, merged=arguments.merged, as_gguf=arguments.gguf)
    bundle.write(bundle.files_of(taken), out)
    weights.write_weights(taken, out, _report, merged=arguments.merged, llama_cpp=checkout)
    _report(f"wrote {taken.variant.name} to {out}")
    if name is not None:
        _report(f"uploading to {name}")
        _report(f"uploaded to {hub.push(out, name, taken.run, private=arguments.private)}")


def _report(text: str) -> None:
    print(visible(text), file=sys.stderr)


def say_where(run: Run, services: Sequence[str]) -> None:
    """On stderr: where the curves of a run are to be seen that were sent to these services."""
    for service in services:
        where = run.facts.get("sent_to", {}).get(service)
        if where is not None:
            print(f"sent to {service}: {where}", file=sys.stderr)


def _send(arguments: argparse.Namespace) -> None:
    from domlora.tracking.finished import send

    destination((arguments.to,))  # is it installed?
    store = open_store()
    where = send(store, store.runs.get(arguments.id), arguments.to, arguments.log_project)
    print(f"sent to {arguments.to}: {where}", file=sys.stderr)


def _cancel(arguments: argparse.Namespace) -> None:
    store = open_store()
    run = store.runs.get(arguments.id)
    store.runs.cancel_variant(run.id, arguments.variant)
    print(f"{arguments.variant} will stop within seconds", file=sys.stderr)


def _remove(arguments: argparse.Namespace) -> None:
    from domlora.jobs.removing import remove_run

    print(f"removed run {remove_run(open_store(), arguments.id)}", file=sys.stderr)
