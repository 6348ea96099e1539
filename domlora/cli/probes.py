"""`domlora probes`: which probes there are, and which of them to trust. Torch only once something is computed."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from domlora.cli.actions import command, group, open_store
from domlora.cli.arguments import (
    add_model_and_task,
    add_settings,
    checked,
    list_of,
    probe_config,
    subject,
    task_of,
)
from domlora.cli.output import plain, print_json, print_table, progress_bar, say, say_of_rows
from domlora.cli.queueing import add_queue, print_jobs
from domlora.comparison.config import SweepConfig
from domlora.errors import UsageError
from domlora.jobs.spec import HeldOut, ProbeRequest, SweepRequest
from domlora.probes.config import ProbeConfig
from domlora.probes.registry import PROBES
from domlora.ranking.singles import MODULES, SINGLES

if TYPE_CHECKING:
    from domlora.comparison.run import Run
    from domlora.ranking.result import Ranking
    from domlora.store.store import Store

# Options that say what is trained; with one of them given, a stored run of other settings will not do.
TRAINING = (
    "learning_rates", "rank", "alpha", "budget", "seeds", "steps", "batch_size", "train_rows", "validation_rows",
    "test_rows", "data_seed",
)  # fmt: skip


def add_probes(parser: argparse.ArgumentParser) -> None:
    """`domlora probes list|rank`."""
    actions = group(parser, _list)
    command(actions, "list", _list, "all probes: what each needs, its formula and its source", json_output=True)
    _add_rank(actions)


def _add_rank(actions: Any) -> None:
    words = "train adapters at single modules and hold every probe's scores against what they achieve"
    parser = actions.add_parser(
        "rank", help=words,
        description=f"{words}. A finished comparison of single modules in the store is used where there is one; any "
        "training option asks for one with exactly these settings.",
    )  # fmt: skip
    add_model_and_task(parser)
    parser.add_argument(
        "--run", dest="run_id", metavar="ID",
        help="a comparison of single modules (`domlora runs`; default: one that fits, or else one is trained)",
    )  # fmt: skip
    parser.add_argument("--modules", type=int, help=f"single modules to train (default {MODULES})")
    parser.add_argument(
        "--probes", type=list_of(str), default=("all",), metavar="NAME,...",
        help=f"of {', '.join(PROBES)} (default all)",
    )  # fmt: skip
    add_settings(parser, ProbeConfig, "against", "samples", "max_length")
    add_settings(parser, SweepConfig, *TRAINING, defaults=SINGLES, only_given=True)
    add_queue(parser)
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="one JSON object on stdout")
    parser.set_defaults(run=_rank)


def _list(arguments: argparse.Namespace) -> None:
    if arguments.json:
        return print_json([plain(info) for info in PROBES.values()])
    print_table(
        ("name", "probe", "needs", "adapt where", "formula", "source"),
        [
            (i.name, i.title, i.needs, f"it is {i.prefers}", i.formula, i.source)
            for i in PROBES.values()
        ],
    )  # fmt: skip
    print("\nWhich to trust on a model and a task: `domlora probes rank MODEL --task TASK`.")


def _rank(arguments: argparse.Namespace) -> None:
    from domlora.jobs.execute import run_probe, run_sweep
    from domlora.models.fetch import localise
    from domlora.models.reference import resolve
    from domlora.ranking import rank

    probes = _probes(arguments)
    _check_run(arguments)
    store = open_store()
    if arguments.queue:
        return _queue(arguments, probes, store)
    with progress_bar("row") as progress:
        progress("fetching the model", 0, 0)
        local = localise(resolve(arguments.model, arguments.revision), progress)
        progress("reading the task", 0, 0)
        run = _settled(arguments, store, local.revision)
    if run is None:
        request = _training(arguments)
        with progress_bar("pass") as progress:
            run = store.runs.get(run_sweep(request, store, progress))
    keys = _keys(run.model_revision, rank.rows_hash(run), probes)
    measuring = _measuring(arguments, probes, keys, store, HeldOut.of(run))
    if measuring is not None:
        with progress_bar("sample", arguments.samples) as progress:
            run_probe(measuring, store, progress)
    maps = [energy for key in keys if (energy := store.maps.find(key)) is not None]
    ranked = rank.rank(run, store.runs.evaluations(run.id), maps)
    print_json(ranked.to_json()) if arguments.json else _print(ranked)


def _queue(arguments: argparse.Namespace, probes: Sequence[ProbeConfig], store: Store) -> None:
    """Leaves to a worker what a ranking lacks; the same command answers once that is computed."""
    from domlora.jobs.matrix import revision_if_known
    from domlora.jobs.queue import Queue
    from domlora.models.reference import resolve
    from domlora.ranking import rank
    from domlora.training.rows import choose_rows, training_task

    revision = revision_if_known(resolve(arguments.model, arguments.revision))  # nothing is fetched here
    run = _settled(arguments, store, revision)
    training = None
    if run is not None:
        revision, rows, without = run.model_revision, rank.rows_hash(run), HeldOut.of(run)
    else:
        training, task = _training(arguments), task_of(arguments)
        left = training_task(task, choose_rows(task, training.sweep))
        rows, without = left.content_hash, None if left is task else HeldOut.by(training.sweep)
    keys = _keys(revision, rows, probes) if revision else [None] * len(probes)
    measuring = _measuring(arguments, probes, keys, store, without)
    # Probes first: single modules are chosen by the map of that pass.
    requests = [measuring, training]
    jobs = Queue(store).submit_new([request for request in requests if request is not None])
    print_jobs(jobs, arguments.json, "Nothing to compute: all of it is known or queued.")


def _probes(arguments: argparse.Namespace) -> list[ProbeConfig]:
    """One configuration a probe.

    Raises:
        UsageError: a name that is no probe's, or interference without its other task.
    """
    names = [name.lower() for name in arguments.probes]
    if "all" in names:
        names = [info.name for info in PROBES.values() if info.needs != "two tasks" or arguments.against]
    if unknown := [name for name in names if name not in PROBES]:
        raise UsageError(f"no probe is called {unknown[0]!r}: known are all, {', '.join(PROBES)}")
    if any(PROBES[name].needs == "two tasks" for name in names) and not arguments.against:  # type: ignore[index]
        raise UsageError("interference compares two tasks: name the other one with --against")
    settings = argparse.Namespace(samples=arguments.samples, max_length=arguments.max_length, dtype=arguments.dtype)
    return [
        checked(
            ProbeConfig, settings, probe=name,
            against=arguments.against if PROBES[name].needs == "two tasks" else None,  # type: ignore[index]
        )
        for name in dict.fromkeys(names)
    ]  # fmt: skip


def _given(arguments: argparse.Namespace) -> dict[str, Any]:
    """The training options that were given."""
    return {name: value for name in TRAINING if (value := getattr(arguments, name)) is not None}


def _check_run(arguments: argparse.Namespace) -> None:
    if arguments.run_id and (_given(arguments) or arguments.modules):
        raise UsageError("--run names a comparison that is trained already: leave out --modules and what it trains")


def _settled(arguments: argparse.Namespace, store: Store, revision: str | None) -> Run | None:
    """The comparison that was named, or one in the store that fits; None if one has to be trained.

    Args:
        revision: of the model; None if it is not known before it is fetched.

    Raises:
        DomLoRAError: the named one is of another model or task.
    """
    from domlora.ranking import rank

    wanted = (revision, task_of(arguments).content_hash)
    if arguments.run_id:
        run = store.runs.get(arguments.run_id)
        if (run.model_revision if revision else None, run.task_hash) != wanted:
            raise UsageError(f"run {run.id} is of {run.model} on {run.task}: name that model and that task")
        return run
    if _given(arguments) or arguments.modules is not None or arguments.refresh:
        return None
    known = [  # a race has few single modules after few steps: it is ranked where it is named
        r for r in store.runs.list()
        if rank.qualifies(r) and not r.config.race and (r.model_revision, r.task_hash) == wanted
    ]  # fmt: skip
    return max(known, key=lambda r: (len(rank.singles(r)), r.created), default=None)


def _training(arguments: argparse.Namespace) -> SweepRequest:
    """The comparison of single modules that the options ask for."""
    given = _given(arguments)
    settings = SINGLES.model_dump() | {"max_length": arguments.max_length, "dtype": arguments.dtype} | given
    settings["placements"] = (f"spread:{MODULES if arguments.modules is None else arguments.modules}",)
    settings["evaluate_every"] = max(1, settings["steps"])
    settings["alpha"] = given.get("alpha")
    sweep = checked(SweepConfig, argparse.Namespace(**settings))
    return SweepRequest(probe=probe_config(arguments), sweep=sweep, **subject(arguments))


def _keys(revision: str, task_hash: str, probes: Sequence[ProbeConfig]) -> list[str]:
    from domlora.energy.key import request_key

    return [request_key(revision, task_hash, config) for config in probes]


def _measuring(
    arguments: argparse.Namespace,
    probes: Sequence[ProbeConfig],
    keys: Sequence[str | None],
    store: Store,
    without: HeldOut | None,
) -> ProbeRequest | None:
    """One pass for all probes that the store has no map of; None if it has all. A key that is not known has none.

    Args:
        without: training rows that it leaves alone, since modules are judged by them.
    """
    missing = [
        config for config, key in zip(probes, keys, strict=True)
        if arguments.refresh or key is None or store.maps.find(key) is None
    ]  # fmt: skip
    if not missing:
        return None
    first, *others = sorted(missing, key=lambda config: config.against is None)  # `also` names no other task
    return ProbeRequest(config=first, also=tuple(c.probe for c in others), without=without, **subject(arguments))


def _print(ranking: Ranking) -> None:
    run, page = ranking.run, ranking.table[~ranking.table["baseline"]]
    say(
        f"{run.model} on {run.task}: {len(ranking.modules)} single modules, {run.config.steps} steps, "
        f"{ranking.rows} {ranking.part} rows; best found: {ranking.best}, "
        f"{ranking.modules['improvement'].iloc[0]:.3f} nats better than the base model\n"
    )
    head = (
        "probe", "rho", "95 % interval", "within kinds", "regret (nats)", "95 % interval", f"of best {ranking.top}",
        "top pick", "its rank", "seconds", "of PAGE",
    )  # fmt: skip
    print_table(head, [_cells(row) for row in ranking.table.itertuples()])
    say(f"\n{ranking.sentence}", "bold")
    say_of_rows(ranking.warnings, run.facts.get("remarks", ()))
    say(f"Run {run.id}; maps {', '.join(page['map'])}")


def _cells(row: Any) -> tuple[str, ...]:
    """One line of the table; baselines in brackets."""

    def span(low: float, high: float, digits: int) -> str:
        return "" if math.isnan(low) else f"{_number(low, digits)} to {_number(high, digits)}"

    return (
        f"({row.title})" if row.baseline else row.title, _number(row.rho, 2), span(row.low, row.high, 2),
        "" if math.isnan(row.within) else f"{_number(row.within, 2)} ({span(row.within_low, row.within_high, 2)})",
        _number(row.regret, 3), span(row.regret_low, row.regret_high, 3), f"{row.hits:.0%}",
        row.pick if row.picked == 1 else f"any of {row.picked}", f"{row.pick_rank:.3g}",
        "" if row.baseline else f"{row.seconds:.1f}",
        "" if row.baseline or math.isnan(row.relative_cost) else f"{row.relative_cost:.2g}",
    )  # fmt: skip


def _number(value: float, digits: int) -> str:
    """Without the sign of a zero."""
    text = f"{value:.{digits}f}"
    return text if float(text) else text.lstrip("-")
