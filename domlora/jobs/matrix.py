"""Which cells of a matrix are known, and who measures the others: this process, or a worker.

In: a store, the models and tasks as a user names them, one probe configuration. Out: known maps, measured maps, jobs.
No torch until a cell is measured here, so that the dashboard and an answer from the store stay fast.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from domlora.data.tasks import Task, load_task
from domlora.energy.energy_map import EnergyMap
from domlora.energy.key import request_key
from domlora.errors import DomLoRAError, UsageError
from domlora.jobs.queue import Queue
from domlora.jobs.spec import Job, ProbeRequest
from domlora.matrix.matrix import Matrix
from domlora.models.catalogue import BUILTIN_MODELS, is_ready
from domlora.models.fetch import gguf_hash, localise
from domlora.models.reference import ModelRef, resolve
from domlora.probes.config import ProbeConfig
from domlora.progress import Progress
from domlora.store.shipped import known_map
from domlora.store.store import Store

if TYPE_CHECKING:
    from domlora.models.loading import LoadedModel

Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Cell:
    """One model on one task, as named in a request.

    Attributes:
        model, task: what the user named: built-in name, folder, file, Hub id.
        model_name, task_name: as maps name them.
        energy: its map, if it is known or was measured.
        error: why it cannot be measured, or could not.
    """

    model: str
    task: str
    model_name: str
    task_name: str
    energy: EnergyMap | None = None
    error: str | None = None


def matrix_of(cells: Sequence[Cell]) -> Matrix:
    """The maps of these cells, with rows and columns in the order they were asked for."""
    maps = [cell.energy for cell in cells if cell.energy is not None]
    models = tuple(dict.fromkeys(cell.model_name for cell in cells))
    return Matrix(maps, models, tuple(dict.fromkeys(cell.task_name for cell in cells)))


def plan(
    store: Store, models: Sequence[str], tasks: Sequence[str], config: ProbeConfig, *, refresh: bool = False
) -> list[Cell]:
    """The cells of a request, row by row: with the map of exactly this request if there is one.

    A map is looked up in the store and among those that come with domlora. Nothing is fetched: of a built-in model
    that is not on this machine the revision is the one it would be fetched as, of a Hub id the one in the local cache.

    Args:
        refresh: take none from the store.

    Raises:
        UsageError: two models, or two tasks, of one name.
    """
    rows = [(model, *_settled(resolve, model)) for model in dict.fromkeys(models)]
    columns = [(source, *_settled(_drawable, source, config)) for source in dict.fromkeys(tasks)]
    _distinct("models", [ref.name if ref else model for model, ref, _ in rows])
    _distinct("tasks", [task.name if task else source for source, task, _ in columns])
    cells = []
    for model, ref, wrong in rows:
        revision, unreadable = _settled(revision_if_known, ref) if ref and not refresh else (None, None)
        for source, task, missing in columns:
            names = ref.name if ref else model, task.name if task else source
            cell = Cell(model, source, *names, error=wrong or unreadable or missing)
            if revision is not None and task is not None:
                cell = replace(cell, energy=_known(store, request_key(revision, task.content_hash, config), *names))
            cells.append(cell)
    return cells


def measure(
    store: Store, cells: Sequence[Cell], config: ProbeConfig, progress: Progress, device: str = "auto"
) -> Iterator[Cell]:
    """Measures the cells that have no map, each model loaded once, and stores them one by one.

    A cell that cannot be measured comes back with its error, and the next one is measured.

    Yields:
        Each of `cells`, in order, as soon as it is settled.
    """
    for model in dict.fromkeys(cell.model for cell in cells):
        row = [cell for cell in cells if cell.model == model]
        if all(cell.energy is not None or cell.error is not None for cell in row):
            yield from row
            continue
        progress(f"loading {row[0].model_name}", 0, 0)
        loaded, error = _settled(_load, model, config, device, progress)
        for cell in row:
            if cell.energy is not None or cell.error is not None:
                yield cell
            elif loaded is None:
                yield replace(cell, error=error)
            else:
                energy, reason = _settled(_measured, store, loaded, cell, config, progress)
                yield replace(cell, energy=energy, error=reason)
        del loaded  # before the next one takes its place in memory


def submit_missing(
    store: Store,
    models: Sequence[str],
    tasks: Sequence[str],
    config: ProbeConfig,
    device: str = "auto",
    refresh: bool = False,
) -> list[Job]:
    """Queues a probe for each cell that is neither known nor queued already; the caller sees to a worker.

    Raises:
        DomLoRAError: a model or a task that cannot be meant; then nothing was queued.
    """
    cells = plan(store, models, tasks, config, refresh=refresh)
    wrong = next((cell.error for cell in cells if cell.error is not None), None)
    if wrong is not None:
        raise UsageError(wrong)
    requests = [
        ProbeRequest(model=cell.model, task=cell.task, config=config, device=device, refresh=refresh)
        for cell in cells
        if cell.energy is None
    ]
    return Queue(store).submit_new(requests)


def _settled(function: Callable[..., Result], *arguments: Any) -> tuple[Result | None, str | None]:
    """The result, or the one line that says why there is none: one bad cell must not take the others with it."""
    try:
        return function(*arguments), None
    except DomLoRAError as error:
        return None, str(error)


def _load(model: str, config: ProbeConfig, device: str, progress: Progress) -> LoadedModel:
    from domlora.models.loading import load_local

    return load_local(localise(resolve(model), progress), dtype=config.dtype, device=device)


def _measured(store: Store, model: LoadedModel, cell: Cell, config: ProbeConfig, progress: Progress) -> EnergyMap:
    from domlora.energy.measure import probe

    stage = f"{cell.model_name} on {cell.task_name}"
    energy = probe(model, load_task(cell.task), config, progress=lambda done, total: progress(stage, done, total))
    store.maps.add(energy)
    return energy


def _drawable(source: str, config: ProbeConfig) -> Task:
    task = load_task(source)
    task.draw(config.samples, config.seed, config.split)
    return task


def _distinct(what: str, names: Sequence[str]) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"two of the {what} are called {twice}: rename one, so that the matrix can tell them apart")


def revision_if_known(ref: ModelRef) -> str | None:
    """What the files of a model will be known as, without fetching any; None if only fetching can tell."""
    if ref.kind == "builtin" and ref.source in BUILTIN_MODELS and not is_ready(ref.source):
        return BUILTIN_MODELS[ref.source].sha256
    if ref.kind == "hub":
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(ref.source, "config.json", revision=ref.revision)
        return Path(found).parent.name if isinstance(found, str) else None
    if ref.kind == "gguf":  # as `localise` names it, without converting it
        return gguf_hash(ref.path)
    return localise(ref).revision


def _known(store: Store, key: str, model: str, task: str) -> EnergyMap | None:
    energy = known_map(store, key)
    if energy is None:
        return None
    p = energy.provenance
    if (p.model, p.task) == (model, task):
        return energy
    # Equal files and rows under another name are the same measurement; here it goes by the name it was asked for.
    return EnergyMap(energy.modules, p.model_copy(update={"model": model, "task": task}))
