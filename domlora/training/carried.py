"""What an earlier comparison has trained already, taken over into the one that goes on with it.

In: the finished run, and a run whose settings are the same and more. Out: variants of the new run that are done (their
curves, losses, answers, adapters and maps are those of the old one), or that go on from where they ended. The old run
stays as it is.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from domlora.comparison.run import ENDED_VARIANT, STEPS, Metric, Run
from domlora.errors import SweepError, UsageError
from domlora.store.store import Store
from domlora.training.checkpoints import folder_name, state_of
from domlora.training.lock import run_folder

ROWS = "rows_hash"  # in the facts of a run: which rows it trained, chose and judged with


def check_same(old: Run, rows_hash: str, model_revision: str, task_hash: str, dtype: str | None = None) -> None:
    """Raises UsageError where what the old run has would be another thing here.

    Args:
        dtype: of the model that is loaded, once that is known.
    """
    anew = "start the comparison anew, without --add-to"
    if (old.model_revision, old.task_hash) != (model_revision, task_hash):
        raise UsageError(f"run {old.id} is of {old.model} on {old.task}, which are not what is given now: {anew}")
    if old.facts.get(ROWS) != rows_hash:
        raise UsageError(f"run {old.id} was made by a version of domlora that chose other rows: {anew}")
    if dtype is not None and old.facts.get("dtype") != dtype:
        raise UsageError(f"run {old.id} was computed in {old.facts.get('dtype')}, and this would be {dtype}: {anew}")


def carry(store: Store, old: Run, run: Run) -> None:
    """Takes over the variants of `run` that wait and that `old` has ended.

    Raises:
        SweepError: adapters that cannot be copied.
    """
    known = {variant.name: variant for variant in old.variants if variant.status in ENDED_VARIANT}
    taken = [known[v.name] for v in run.variants if v.status == "queued" and v.name in known]
    whole = [v for v in taken if run.config.steps > old.config.steps and v.results.get(STEPS) == old.config.steps]
    goes_on = {v.name for v in whole if state_of(run_folder(old.id), v.name).is_file()}
    taken = [v for v in taken if v not in whole or v.name in goes_on]  # the others begin anew
    if not taken:
        return
    names = {variant.name for variant in taken}
    curves = store.runs.metrics(old.id)
    points = curves[curves["variant"].isin(names)].itertuples(index=False)
    store.runs.add_metrics(run.id, [Metric(p.variant, int(p.step), p.name, float(p.value)) for p in points])
    ended = names - goes_on
    found = [one for one in store.runs.evaluations(old.id) if one.variant in ended]
    store.runs.add_evaluations(run.id, found)
    store.runs.add_answers(run.id, [one for one in store.runs.answers(old.id) if one.variant in ended])
    for variant in taken:
        _copy(state_of(run_folder(old.id), variant.name), state_of(run_folder(run.id), variant.name))
        if variant.name not in ended:
            continue
        adapter = None
        if variant.adapter is not None:
            adapter = run_folder(run.id) / "adapters" / folder_name(variant.name)
            _copy(Path(variant.adapter), adapter)
        store.runs.set_variant(
            run.id, variant.name, status=variant.status, note=variant.note, results=variant.results,
            adapter=None if adapter is None else str(adapter), ended_step=run.config.steps,
        )  # fmt: skip


def _copy(source: Path, target: Path) -> None:
    """A file or a folder, as links where the file system has them: neither run changes its files in place."""
    if not source.exists():
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, copy_function=_link, dirs_exist_ok=True)
        else:
            _link(str(source), str(target))
    except OSError as error:
        raise SweepError(f"{source} cannot be taken over to {target} ({error.strerror}): free some space") from error


def _link(source: str, target: str) -> None:
    Path(target).unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copy2(source, target)
