"""The page Jobs: a table without columns of nothing, and how far jobs are in the same words everywhere."""

import pytest

from dashboard.jobs import table
from dashboard.shared import job_view
from domlora.comparison.config import SweepConfig
from domlora.energy.files import read
from domlora.jobs.queue import Queue
from domlora.jobs.spec import ProbeRequest, SweepRequest
from domlora.paths import sample_data_path
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from tests.helpers.compared import CONFIG, fill
from tests.helpers.pages import page, text


@pytest.fixture
def queue(monkeypatch):
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda *_: None)
    return Queue(Store())


def test_columns_that_are_empty_for_all_jobs_are_left_out(queue):
    queue.submit(SweepRequest(model="ref-llama", task="math", sweep=SweepConfig()))
    shown = table.of(queue.list())
    assert list(shown) == ["job", "status", "kind", "model", "task", "created"]
    queue.submit(ProbeRequest(model="ref-llama", task="math", config=ProbeConfig(probe="plop")))
    assert list(table.of(queue.list())) == ["job", "status", "kind", "model", "task", "probe", "samples", "created"]
    job = queue.claim("here:1", "cpu")
    queue.report(job.id, "training", 1, 2)
    assert table.of(queue.list())["progress"].tolist() == ["", "training: 50 %"]
    queue.finish(job.id, "failed", error="out of **memory**")
    shown = table.of(queue.list()).set_index("job").loc[job.id]
    assert (shown["error"], shown["status"]) == ("out of **memory**", "failed") and shown["took"].endswith(" s")


def test_progress_has_one_unit_and_a_time_only_once_it_is_known(queue, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(job_view, "Pace", lambda: _pace(now))
    job = queue.submit(SweepRequest(model="ref-llama", task="math"))
    queue.claim("here:1", "cpu")
    said = []
    for now[0], done in ((0.0, 100), (5.0, 150), (40.0, 500), (70.0, 560), (100.0, 590), (101.0, 600)):
        queue.report(job.id, "training", done, 600)
        said.append(job_view.progress_text(queue.get(job.id)))
    assert said[0] == "training: 17 %"
    assert said[1] == "training: 25 %, about 45 s left"
    assert said[2] == "training: 83 %, about 10 s left"
    assert said[3] == "training: 93 %, about 20 s left"  # it has become slower
    assert said[4] == "training: 98 %, about 10 s left"
    assert said[5] == "training: 100 %"


def _pace(now):
    from domlora.progress import Pace

    return Pace(lambda: now[0])


def test_what_was_found_is_said_where_the_job_is_shown(queue):
    energy = read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")
    Store().maps.add(energy)
    probe = queue.submit(ProbeRequest(model="smollm2-135m", task="math"))
    queue.finish(probe.id, "done", result=energy.id)
    app = page("launch", job=probe.id)
    assert not app.exception
    assert [success.value for success in app.success] == [energy.verdict.sentence]
    run = fill(energy, steps=20, ended=True)
    sweep = queue.submit(SweepRequest(model="smollm2-135m", task="math", sweep=CONFIG))
    queue.finish(sweep.id, "done", result=run.id)
    app = page("jobs")
    assert not app.exception
    assert app.success and "Done." not in text(app) + app.success[0].value
    removed = queue.submit(ProbeRequest(model="smollm2-135m", task="math"))
    queue.finish(removed.id, "done", result="ab" * 6)
    app = page("launch", job=removed.id)
    assert not app.exception
    assert "no longer in the store" in text(app)


def test_nothing_is_chosen_at_first_and_nothing_can_be_done_then(queue):
    queue.submit(ProbeRequest(model="ref-llama", task="math"))
    app = page("jobs")
    assert not app.exception
    assert app.button(key="cancel_chosen").disabled and app.button(key="retry_chosen").disabled
    assert "1 active, 1 in all" in text(app)
