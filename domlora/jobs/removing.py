"""A comparison is deleted with all that it left: its rows in the store, its maps, its adapters and checkpoints.

In: a store and a run's id. Never one that is still being computed. No torch here: the dashboard deletes too.
"""

from __future__ import annotations

import shutil

from domlora.comparison.run import Run
from domlora.errors import JobError
from domlora.jobs.queue import Queue
from domlora.store.shipped import is_shipped
from domlora.store.store import Store
from domlora.training.lock import is_held, run_folder


def remove_run(store: Store, id_or_prefix: str) -> str:
    """Deletes a run and returns its id.

    Raises:
        StoreError: no run begins so, or several do.
        JobError: it is being computed, or comes with domlora.
    """
    run = store.runs.get(id_or_prefix)
    if is_shipped(run):
        raise JobError(f"run {run.id} comes with domlora, and would be back at the next start: archive it on Compare")
    if is_computed(store, run):
        way = f"`domlora jobs cancel {run.job}` ends it" if run.job else "end the process that trains it"
        raise JobError(f"run {run.id} is being computed: {way}")
    store.runs.remove(run.id)
    for energy in store.maps.list(run=run.id):
        store.maps.remove(energy.id)
    shutil.rmtree(run_folder(run.id), ignore_errors=True)
    return run.id


def is_computed(store: Store, run: Run) -> bool:
    """Whether somebody computes a run, or will."""
    if run.status != "running":
        return False
    job = Queue(store).of_run(run)
    return is_held(run.id) or (job is not None and not job.ended)
