"""Executes one request: the same function for the command line, a local worker and a cluster.

Whatever is cheap and can fail comes first, and torch is imported only if the store does not have the answer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from domlora.jobs.spec import FindRequest, ProbeRequest, SweepRequest, named_task
from domlora.models.fetch import LocalModel, localise
from domlora.models.reference import check_trainable, objective_of, resolve
from domlora.placements.place import check_name
from domlora.probes.config import Dtype
from domlora.probes.registry import check
from domlora.progress import Progress
from domlora.search.asked import FindAsked
from domlora.search.asked import ask as ask_find
from domlora.store.measured import measured_maps
from domlora.store.store import Store
from domlora.tracking.services import destination
from domlora.training.asked import ask, check_probe, run_of
from domlora.training.rows import choose_rows, training_task

if TYPE_CHECKING:
    from domlora.models.loading import LoadedModel
    from domlora.search.candidates import Proposed
    from domlora.search.plan import Plan


def run_probe(request: ProbeRequest, store: Store, progress: Progress, job_id: str | None = None) -> str:
    """Answers a probe request from the store, or measures and stores it, with those of `also` that are not there.

    Returns:
        The id of the energy map of `request.config`.

    Raises:
        DomLoRAError: whatever a user can mend.
    """
    for config in request.configs:
        check(config)
    progress("reading the task", 0, 0)
    task = named_task(request).load()
    if request.without is not None:
        task = training_task(task, choose_rows(task, request.without.sweep))
    task.draw(request.config.samples, request.config.seed, request.config.split)
    local, load = _model(request, request.config.dtype, progress)
    maps = measured_maps(store, local.revision, task, request.configs, load, refresh=request.refresh, progress=progress)
    return maps[request.config].id


def run_sweep(request: SweepRequest, store: Store, progress: Progress, job_id: str | None = None) -> str:
    """Answers a comparison from the store, goes on with it, or trains it from the start.

    The energies that placements are chosen by come from the store, or are measured first.

    Returns:
        The id of the run.

    Raises:
        DomLoRAError: whatever a user can mend.
    """
    check(request.probe)
    old = store.runs.get(request.add_to) if request.add_to is not None else None
    send_to = destination(request.log_to, request.log_project)
    for name in request.sweep.placements:
        if old is None or name not in old.config.placements:
            check_name(name)
    progress("reading the task", 0, 0)
    asked = ask(named_task(request).load(), request.sweep, continues=old)
    if old is None:  # else there is a map
        check_probe(asked, request.probe)
    local, load = _model(request, request.sweep.dtype, progress)
    check_trainable(local.ref.name, objective_of(local.folder))
    return run_of(
        asked, local, load, store, probe=request.probe, job=job_id, refresh=request.refresh, progress=progress,
        send_to=send_to,
    ).id  # fmt: skip


def run_find(request: FindRequest, store: Store, progress: Progress, job_id: str | None = None) -> str:
    """Answers a search from the store, goes on with it, or begins it.

    Returns:
        The id of the run of its race.

    Raises:
        DomLoRAError: whatever a user can mend.
    """
    asked, local, load = _search(request, progress)
    known = store.runs.find(asked.key(local.revision))
    if known is not None and known.status == "done" and not request.refresh:
        return known.id

    from domlora.search.find import find_run

    return find_run(asked, local, load, store, job=job_id, refresh=request.refresh, progress=progress).id


def plan_find(request: FindRequest, store: Store, progress: Progress) -> tuple[Proposed, Plan]:
    """What a search would do, and how long it is thought to take. Trains nothing; errors as `run_find`."""
    asked, local, load = _search(request, progress)

    from domlora.search.find import plan_of

    return plan_of(asked, local, load(), store, progress)


def _search(request: FindRequest, progress: Progress) -> tuple[FindAsked, LocalModel, Callable[[], LoadedModel]]:
    """What is asked for, where its model lies, and what brings that."""
    progress("reading the task", 0, 0)
    asked = ask_find(named_task(request).load(), request.config)
    local, load = _model(request, request.config.training.dtype, progress)
    check_trainable(local.ref.name, objective_of(local.folder))
    return asked, local, load


def _model(
    request: ProbeRequest | SweepRequest | FindRequest, dtype: Dtype, progress: Progress
) -> tuple[LocalModel, Callable[[], LoadedModel]]:
    """Where the model of a request lies, and what brings it."""
    progress("fetching the model", 0, 0)
    local = localise(resolve(request.model, request.revision), progress)

    def load() -> LoadedModel:
        from domlora.models.loading import load_local

        progress("loading the model", 0, 0)
        return load_local(local, dtype=dtype, device=request.device)

    return local, load
