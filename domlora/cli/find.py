"""`domlora find`: where the adapter should go, in one step, within a time. Torch only where something is computed."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from domlora.cli.actions import open_store
from domlora.cli.arguments import add_model_and_task, add_settings, given, subject
from domlora.cli.output import print_json, print_table, progress_bar, say, say_of_rows
from domlora.cli.queueing import add_queue, leave_to_worker
from domlora.comparison.config import SweepConfig
from domlora.errors import UsageError
from domlora.jobs.spec import FindRequest
from domlora.search.config import OWN, TRAINING, FindConfig, find_config
from domlora.settings import flag
from domlora.visible import visible

if TYPE_CHECKING:
    from domlora.search.answer import Answer
    from domlora.search.candidates import Proposed
    from domlora.search.plan import Plan
    from domlora.store.store import Store


def add_find(parser: argparse.ArgumentParser) -> None:
    """`domlora find`."""
    add_model_and_task(parser)
    add_settings(parser, FindConfig, *OWN)
    training = [name for name in TRAINING if name != "dtype"]  # among the arguments of every model
    add_settings(parser, SweepConfig, *training, defaults=FindConfig().training, only_given=True)
    parser.add_argument("--plan", action="store_true", help="print candidates, rungs and times, and train nothing")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="write the adapter and all that goes with it there (default: nowhere)"
    )
    add_queue(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=_find)


def _find(arguments: argparse.Namespace) -> None:
    if arguments.queue and (arguments.plan or arguments.out is not None):
        raise UsageError("--queue leaves it to a worker: leave out --plan and --out")
    if arguments.plan and arguments.out is not None:
        raise UsageError("--plan trains nothing, so that there is no adapter to write: leave out --out")
    own = {name: getattr(arguments, name) for name in OWN}
    training = {name: value for name, value in given(arguments, SweepConfig).items() if name in TRAINING}
    config = find_config({**own, **training, "dtype": arguments.dtype}, flag)
    request = FindRequest(config=config, **subject(arguments))
    if arguments.plan:
        return _plan(request, arguments.json)
    store = open_store()
    if arguments.queue:
        return leave_to_worker(request, store, arguments.json)
    from domlora.jobs.execute import run_find
    from domlora.search.answer import answer_of

    with progress_bar("s") as progress:
        id = run_find(request, store, progress)
    answer = answer_of(store, store.runs.get(id))
    if arguments.json:
        print_json(answer.to_json())
    else:
        print_answer(answer)
    if arguments.out is not None:
        _write(store, answer, arguments.out)


def print_answer(answer: Answer) -> None:
    """The headline, what else is known, the candidates, the config."""
    say(answer.headline, "bold")
    for sentence in answer.told:
        say(f"- {sentence}")
    say()
    print_table(
        ("placement", "parameters", "lr", "validation loss", "step", "", "proposed as"),
        [
            (
                str(row["placement"]), f"{row['parameters']:,}", f"{row['learning_rate']:g}", f"{row['loss']:.3f}",
                str(row["step"]), str(row["status"]), str(row["why"]),
            )
            for row in answer.table.to_dict("records")
        ],
    )  # fmt: skip
    if answer.placement is not None:
        say(f"\n{answer.placement.snippet()}")
    say_of_rows(answer.race.warnings, answer.race.facts.get("remarks", ()))
    final = (
        f"; finals: run {answer.final.run.id} (`domlora runs export {answer.final.run.id} --out DIR`)"
        if answer.final
        else ""
    )
    say(f"Search {answer.id}{final}")


def _plan(request: FindRequest, as_json: bool) -> None:
    from domlora.jobs.execute import plan_find

    with progress_bar("s") as progress:
        proposed, plan = plan_find(request, open_store(), progress)
    if as_json:
        return print_json(_plan_json(proposed, plan))
    print_table(
        ("placement", "parameters", "modules", "proposed as"),
        [
            (c.name, f"{c.placement.trainable_parameters:,}", str(len(c.placement.modules)), "; ".join(c.why))
            for c in proposed.candidates
        ],
    )
    for name, why in proposed.left_out.items():
        say(f"Takes no part: {name}: {why}.")
    say()
    rungs: Sequence[tuple[str, int, int, float]] = [
        *((f"rung {i + 1}", rung.entries, rung.step, rung.seconds) for i, rung in enumerate(plan.rungs)),
        ("finals", plan.finals.entries, plan.finals.step, plan.finals.seconds),
    ]
    print_table(
        ("", "adapters", "to step", "about"),
        [(name, str(entries), str(step), _minutes(seconds)) for name, entries, step, seconds in rungs],
    )
    say(f"\nAbout {_minutes(plan.seconds)} of training, if steps take what a first look at the model says.")


def _plan_json(proposed: Proposed, plan: Plan) -> dict:
    candidates = [
        {
            "placement": c.name, "parameters": c.placement.trainable_parameters, "modules": len(c.placement.modules),
            "why": list(c.why), "control": c.control,
        }
        for c in proposed.candidates
    ]  # fmt: skip
    return {"candidates": candidates, "left_out": dict(proposed.left_out), "plan": plan.to_json()}


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _write(store: Store, answer: Answer, out: Path) -> None:
    """The adapter of the answer and all that goes with it, as `domlora runs export` writes them."""
    from domlora.export import bundle
    from domlora.export.taken import Taken

    final, variant = answer.final, answer.variant
    if final is None or variant is None:
        raise UsageError("nothing was judged, so there is no adapter to write: give more --minutes")
    taken = Taken.of(final.run, final, variant, store.runs.metrics(final.run.id))
    bundle.write(bundle.files_of(taken), out)
    print(f"wrote {taken.variant.name} to {visible(str(out))}", file=sys.stderr)
