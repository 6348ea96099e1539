"""`domlora matrix`: several models on several tasks, what is missing measured, and what the whole says.

Arguments come in, tables and sentences go to stdout (one JSON object with `--json`), progress to stderr. Known cells
are answered without importing torch.
"""

from __future__ import annotations

import argparse
import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domlora.cli.arguments import add_settings, checked, list_of
from domlora.cli.output import complain, note, plain, print_json, print_table, progress_bar, say
from domlora.cli.queueing import add_queue, print_jobs
from domlora.data.tasks import BUILTIN
from domlora.errors import ProbeError, UsageError
from domlora.jobs.spec import ProbeRequest
from domlora.probes.config import ProbeConfig
from domlora.probes.registry import check
from domlora.settings import setting

if TYPE_CHECKING:
    import pandas as pd

    from domlora.jobs.matrix import Cell
    from domlora.matrix.agreement import Agreement
    from domlora.matrix.matrix import Matrix

log = logging.getLogger(__name__)


def add_matrix(parser: argparse.ArgumentParser) -> None:
    """Adds the command to the parser of `domlora`."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help=setting(ProbeRequest, "model").description)
    parser.add_argument(
        "--tasks", type=list_of(str), default=",".join(BUILTIN), metavar="NAME,...",
        help=f"each a {setting(ProbeRequest, 'task').description} (default %(default)s)",
    )  # fmt: skip
    add_settings(
        parser, ProbeConfig, "samples", "split", "probe", "against", "estimator", "reduction", "rank", "alpha",
        "max_length", "seed",
    )  # fmt: skip
    add_settings(parser, ProbeRequest, "device")
    add_settings(parser, ProbeConfig, "dtype")
    parser.add_argument("--top-k", type=int, default=5, help="modules whose overlap is compared (default %(default)s)")
    parser.add_argument("--curve", action="store_true", help="also how many samples a stable winner needs, per cell")
    add_settings(parser, ProbeRequest, "refresh")
    add_queue(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE.csv", help="also write every module of every cell (default: no file)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.set_defaults(run=_matrix)


def _matrix(arguments: argparse.Namespace) -> int:
    if arguments.top_k < 1:
        raise UsageError(f"--top-k {arguments.top_k}: give 1 or more")
    if arguments.out and arguments.out.suffix != ".csv":
        raise UsageError(f"{arguments.out}: the cells are written as .csv")
    config = checked(ProbeConfig, arguments)
    check(config)
    tasks = arguments.tasks
    if not tasks:
        raise UsageError("--tasks names no task")
    if arguments.queue:
        return _queue(arguments, tasks, config)
    with _collector_paused():
        from domlora.jobs import matrix
        from domlora.store.store import Store
        from domlora.wording import listed

        store = Store()
        cells = matrix.plan(store, arguments.models, tasks, config, refresh=arguments.refresh)
    if any(cell.energy is None and cell.error is None for cell in cells):
        cells = _measured(store, cells, config, arguments.device)
    failed = [cell for cell in cells if cell.error is not None]
    if len(failed) < len(cells):
        with _collector_paused():
            _show(matrix.matrix_of(cells), failed, arguments)
    elif arguments.json:
        print_json({"cells": [], "failed": _failures(failed)})
    for model, reason in dict.fromkeys((cell.model_name, cell.error) for cell in failed):
        on = listed([cell.task_name for cell in failed if (cell.model_name, cell.error) == (model, reason)])
        complain(f"{model} on {on}: {reason}")
    return 1 if failed else 0


@contextmanager
def _collector_paused() -> Iterator[None]:
    """What is imported and read here lives to the end: looking for garbage in it takes a sixth of a stored answer."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _measured(store: Any, cells: Sequence[Cell], config: ProbeConfig, device: str) -> list[Cell]:
    from domlora.jobs import matrix

    settled = []
    asked = {id(cell) for cell in cells}
    with progress_bar("sample", config.samples) as progress:
        for cell in matrix.measure(store, cells, config, progress, device):
            settled.append(cell)
            if cell.energy is not None and id(cell) not in asked:
                best, seconds = cell.energy.dominant, cell.energy.provenance.seconds
                log.info("%s on %s: %s, %.1f s", cell.model_name, cell.task_name, best["module"], seconds)
    return settled


def _queue(arguments: argparse.Namespace, tasks: Sequence[str], config: ProbeConfig) -> int:
    from domlora.jobs import matrix
    from domlora.store.store import Store

    jobs = matrix.submit_missing(Store(), arguments.models, tasks, config, arguments.device, arguments.refresh)
    print_jobs(jobs, arguments.json, "Nothing to measure: every cell is known or queued.")
    return 0


def _show(matrix: Matrix, failed: Sequence[Cell], arguments: argparse.Namespace) -> None:
    from domlora.matrix import agreement
    from domlora.matrix.claims import claims
    from domlora.matrix.matrix import cells
    from domlora.matrix.winners import winner_sentence
    from domlora.matrix.winners import winners as winners_of

    winners = winners_of(matrix)
    of_tasks = {model: agreement.between_tasks(matrix, model, arguments.top_k) for model in matrix.models}
    of_models = {task: agreement.between_models(matrix, task, arguments.top_k) for task in matrix.tasks}
    sentences = {model: winner_sentence(matrix, model) for model in matrix.models}
    found = claims(matrix)
    curves = _curves(matrix) if arguments.curve else {}
    if arguments.out or arguments.json:
        table = cells(matrix)
        if arguments.out:
            _write(table, arguments.out)
    if not arguments.json:
        _print_winners(winners)
        print()
        for sentence in sentences.values():
            say(sentence, "bold")
        for one in (*of_tasks.values(), *of_models.values()):
            _print_agreement(one)
        _print_curves(curves)
        print()
        for claim in found:
            say(f"{claim.claim} {claim.sentence}")
        for difference in matrix.differences:
            note(f"{difference}.")
        for remark in matrix.remarks:
            say(f"Rows of {remark}.")
        return
    print_json(
        {
            "cells": _records(table),
            "between_tasks": {model: one.to_json() for model, one in of_tasks.items()},
            "between_models": {task: one.to_json() for task, one in of_models.items()},
            "winners": _records(winners),
            "sentences": sentences,
            "missing": [{"model": model, "task": task} for model, task in matrix.missing],
            "failed": _failures(failed),
            "claims": [_without_nan(plain(claim)) for claim in found],
            "differences": matrix.differences,
            "remarks": matrix.remarks,
        }
        | ({"curves": [{"model": m, "task": t, **curve} for (m, t), curve in curves.items()]} if curves else {})
    )


def _failures(failed: Sequence[Cell]) -> list[dict[str, Any]]:
    return [{"model": cell.model_name, "task": cell.task_name, "error": cell.error} for cell in failed]


def _print_winners(winners: pd.DataFrame) -> None:
    rows = []
    for row in winners.to_dict("records"):
        known = row["low"] == row["low"]
        rows.append(
            (
                row["model"], row["task"], row["module"], f"{row['depth']:.0%}", f"{row['share']:.1%}",
                f"{row['low']:.1%} to {row['high']:.1%}" if known else "",
                f"{row['frequency']:.0%}" if known else "",
                f"{row['could_lead']} of {row['modules']}" if known else "",
                row["runner_up"] or "",
            )
        )  # fmt: skip
    head = ("model", "task", "winner", "depth", "share", "95 % interval", "wins resamples", "could lead", "runner-up")
    print_table(head, rows)


def _print_agreement(one: Agreement) -> None:
    n = len(one.labels)
    if n < 2:
        return
    say(f"\n{one.subject}, between {one.between}:")
    rows: list[tuple[str, ...]] = []
    for i in range(n):
        for j in range(i + 1, n):
            if not one.compared[i, j]:
                rows.append((one.labels[i], one.labels[j], "no kind in common", "", "", ""))
                continue
            rows.append(
                (
                    one.labels[i], one.labels[j],
                    f"{one.rho[i, j]:.2f}{_bounds(one.rho_low[i, j], one.rho_high[i, j], '.2f')}",
                    "same" if one.winner[i, j] else "another",
                    _share(one.winner_probability[i, j], one.winner_low[i, j], one.winner_high[i, j]),
                    f"{one.overlap[i, j]:.0%}{_bounds(one.overlap_low[i, j], one.overlap_high[i, j], '.0%')}",
                    f"{one.compared[i, j]} of {one.kinds[i, j]} kinds",
                )
            )  # fmt: skip
    items = "modules" if one.between == "tasks" else "cells of kind × depth"
    head = ("", "", "Spearman's rho", "winner", "same in resamples", f"top {one.top_k} shared", items)
    print_table(head, [(*row, *[""] * (len(head) - len(row))) for row in rows])


def _curves(matrix: Matrix) -> dict[tuple[str, str], dict[str, Any]]:
    from domlora.matrix.sample_size import enough, sample_curve

    found = {}
    for model, task, energy in matrix.present:
        curve = sample_curve(energy)
        if curve is not None:
            found[model, task] = {"enough": enough(curve), "points": _records(curve)}
    return found


def _print_curves(curves: dict[tuple[str, str], dict[str, Any]]) -> None:
    if not curves:
        return
    numbers = list(dict.fromkeys(point["samples"] for curve in curves.values() for point in curve["points"]))
    print("\nHow often n samples name the winner that all samples name:")
    rows = []
    for (model, task), curve in curves.items():
        by_count = {point["samples"]: f"{point['agreement']:.0%}" for point in curve["points"]}
        needed = curve["enough"] or f"more than {curve['points'][-1]['samples']}"
        rows.append((model, task, *(by_count.get(n, "") for n in numbers), str(needed)))
    print_table(("model", "task", *(f"n = {n}" for n in numbers), "95 % needs"), rows)


def _bounds(low: float, high: float, form: str) -> str:
    return f" ({low:{form}} to {high:{form}})" if low == low else ""


def _share(value: float, low: float, high: float) -> str:
    return f"{value:.0%}{_bounds(low, high, '.0%')}" if value == value else ""


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {name: table[name].tolist() for name in table}  # as Python's own numbers
    return [_without_nan(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]


def _without_nan(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    if isinstance(value, dict):
        return {name: _without_nan(one) for name, one in value.items()}
    return None if isinstance(value, float) and value - value != 0 else value


def _write(table: pd.DataFrame, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_csv(path, index=False)
    except OSError as error:
        raise ProbeError(f"cannot write {path} ({error.strerror}): free some space, or name another place") from error
