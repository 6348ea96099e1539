"""From a model, a task and placements to a finished run in the store: train, evaluate, choose, evaluate what is chosen.

In: a loaded model, a task, the energy map that placements are chosen by. Out: a Run with everything that belongs to
it, kept in the store as it grows, and a Comparison of it. A run that was interrupted goes on where it was; a run that
is complete is answered from the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from domlora.comparison.analysis import compare_run
from domlora.comparison.config import SweepConfig
from domlora.comparison.extension import ADDED, extended
from domlora.comparison.result import Comparison
from domlora.data.tasks import Task
from domlora.energy.energy_map import EnergyMap
from domlora.errors import UsageError
from domlora.models.loading import LoadedModel
from domlora.placements.place import check_name
from domlora.placements.placement import Placement
from domlora.progress import Progress, silent
from domlora.store.store import Store
from domlora.tracking.services import Destination, destination
from domlora.training.asked import ask, run_of


def compare(
    model: LoadedModel,
    task: Task,
    placements: Sequence[str | Placement],
    config: SweepConfig | None = None,
    *,
    energy: EnergyMap | None = None,
    store: Store | None = None,
    add_to: str | None = None,
    progress: Progress = silent,
    log_to: Sequence[str] = (),
    log_project: str | None = None,
    **settings: Any,
) -> Comparison:
    """Fine-tunes placements side by side and compares them.

    Args:
        model: from `domlora.load_model`; as it was afterwards.
        task: from `domlora.load_task`.
        placements: names (`dominant`, `qv`, `random:3`, see `domlora.placements.names.NAMES`) or placements.
        config: all other settings at once; or name them as keywords (`learning_rates=[1e-3, 5e-3], seeds=2, ...`).
        energy: the map that names are read against, used as it is; where none is given, that of 32 training rows that
            are not held out (or of all, where there are fewer), from the store if it is there, else measured.
        store: where the run and the map are kept, the default one where none is given. The same request again is
            answered from it.
        add_to: id of a finished run to go on with: `placements`, `methods`, `learning_rates`, `seeds`, `rate_seeds` and
            `steps` are what is added to it (numbers: what they shall be); all else is as it was, and nothing that is
            there is trained again. The result is a run of its own.
        progress: called with (stage, passes done, passes in all).
        log_to: services that curves and conclusion are sent to: `tensorboard`, `trackio`, `wandb`. One that fails is a
            warning of the run.
        log_project: the project there; None leaves it to the service's environment, else `domlora`.

    Raises:
        DomLoRAError: settings, placements or rows that cannot be used, no memory, no space.
    """
    store = store or Store()
    names = tuple(item if isinstance(item, str) else item.name for item in placements)
    send_to = destination(log_to, log_project)
    if add_to is not None:
        return _more(model, task, names, store, add_to, settings, progress, send_to)
    if config is not None and settings:
        raise UsageError("give `config` or single settings to compare(), not both")
    try:
        config = SweepConfig(**(config.model_dump() if config else settings) | {"placements": names})
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "settings"
        raise UsageError(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
    for item in placements:
        if isinstance(item, str):
            check_name(item)
    asked = ask(task, config, placements)
    run = run_of(asked, model.local, lambda: model, store, energy=energy, progress=progress, send_to=send_to)
    return compare_run(run, store.runs.evaluations(run.id))


def _more(
    model: LoadedModel,
    task: Task,
    names: Sequence[str],
    store: Store,
    add_to: str,
    settings: Mapping[str, Any],
    progress: Progress,
    send_to: Destination,
) -> Comparison:
    """A finished run with more in it."""
    if others := sorted(settings.keys() - set(ADDED)):
        raise UsageError(f"{others[0]} is as run {add_to} has it: add {', '.join(ADDED)}")
    old = store.runs.get(add_to)
    for name in names:
        check_name(name)
    asked = ask(task, extended(old, {**settings, "placements": names}), continues=old)
    run = run_of(asked, model.local, lambda: model, store, progress=progress, send_to=send_to)
    return compare_run(run, store.runs.evaluations(run.id))
