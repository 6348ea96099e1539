"""A comparison is deleted with its files and maps, and never while somebody computes it."""

import pytest

from domlora.errors import JobError
from domlora.jobs.queue import Queue
from domlora.jobs.removing import remove_run
from domlora.jobs.spec import SweepRequest
from domlora.store.shipped import SHIPPED
from domlora.store.store import Store
from domlora.training.lock import alone, run_folder
from tests.helpers.runs import CONFIG, a_run


@pytest.fixture
def store(home):
    return Store()


def test_files_go_with_a_run(store):
    run = store.runs.start(a_run(job=None))
    (run_folder(run.id) / "adapters").mkdir(parents=True)
    assert remove_run(store, run.id[:4]) == run.id
    assert not run_folder(run.id).exists() and not store.runs.list()


def test_a_run_that_is_computed_is_not_deleted(store):
    job = Queue(store).submit(SweepRequest(model="smollm2-135m", task="math", sweep=CONFIG))
    by_job, by_python = store.runs.start(a_run("a", job=job.id)), store.runs.start(a_run("b", job=None))
    with alone(run_folder(by_python.id), lambda: None):
        for run, way in ((by_job, f"`domlora jobs cancel {job.id}`"), (by_python, "end the process")):
            with pytest.raises(JobError, match=way):
                remove_run(store, run.id)
    assert len(store.runs.list()) == 2
    Queue(store).cancel(job.id)  # still queued: it ends at once
    remove_run(store, by_job.id)
    remove_run(store, by_python.id)
    assert not store.runs.list()


def test_what_comes_with_domlora_is_archived_and_not_deleted(store):
    run = store.runs.start(a_run(job=None))
    store.runs.finish(run.id, {SHIPPED: True})
    with pytest.raises(JobError, match="archive it"):
        remove_run(store, run.id)
    assert store.runs.get(run.id).id == run.id
