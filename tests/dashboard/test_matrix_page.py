"""The page of architectures × tasks with Streamlit's own test runner: what it says, what it lacks, what it launches."""

import json

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.matrix import missing_cells
from dashboard.matrix import queries as matrix_queries
from dashboard.matrix.queries import Choice
from dashboard.shared import queries
from domlora.data.origin import TaskOrigin
from domlora.jobs.queue import Queue
from domlora.jobs.spec import ProbeRequest
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from tests.helpers.matrix_cells import FUSED, cell
from tests.helpers.pages import APP
from tests.helpers.waiting import eventually

PANELS = ("Maps", "Winners", "Agreement", "Samples")


@pytest.fixture(autouse=True)
def no_worker(monkeypatch):
    """Jobs are only queued: what a worker does with them is tested with the worker."""
    from domlora.jobs import local

    monkeypatch.setattr(local, "ensure_worker", lambda: None)


@pytest.fixture
def some_cells(no_shipped_maps):
    """Two models; one lacks a task."""
    store = Store()
    for energy in (cell("ref-llama", "math"), cell("ref-llama", "code", (0, "v")), cell("b", "math", kinds=FUSED)):
        store.maps.add(energy)
    return store


def page(**query) -> AppTest:
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    app.query_params.update(query)
    return app.switch_page("matrix/page.py").run()


def text_of(app: AppTest) -> str:
    return " ".join(element.value for element in (*app.markdown, *app.info, *app.warning, *app.error, *app.caption))


def test_shipped_maps_are_shown_on_first_start():
    app = page()
    assert not app.exception
    assert not app.error
    assert app.multiselect(key="architectures").value == ["smollm2-135m", "gemma3-270m"]
    text = text_of(app)
    assert "The dominant module does not depend on the task." in text
    assert r"**smollm2-135m**: model.layers.11.mlp.down\_proj leads on 3 of 4 tasks" in text
    assert "All 8 cells are measured by PAGE" in text
    assert app.button(key="measure_missing").disabled


def test_without_maps_the_page_says_what_to_do(no_shipped_maps):
    app = page()
    assert not app.exception
    assert "No energy map yet" in app.info[0].value


@pytest.mark.parametrize("panel", PANELS)
def test_each_panel_opens_from_a_link(some_cells, panel):
    app = page(panel=panel)
    assert not app.exception
    assert not app.error
    assert app.segmented_control(key="panel").value == panel


@pytest.mark.parametrize("panel", PANELS)
def test_one_model_and_one_task_are_enough_for_a_page(no_shipped_maps, panel):
    Store().maps.add(cell("alone", "math"))
    app = page(panel=panel)
    assert not app.exception
    assert not app.error
    if panel == "Agreement":
        assert [info.value.split(" needs")[0] for info in app.info] == [
            "Agreement between tasks", "Agreement between models",
        ]  # fmt: skip


@pytest.mark.parametrize("panel", PANELS)
def test_maps_without_single_samples_have_a_page(no_shipped_maps, panel):
    store = Store()
    for model in ("a", "b"):
        for task in ("math", "code"):
            store.maps.add(cell(model, task, keep_samples=False))
    app = page(panel=panel)
    assert not app.exception
    assert not app.error


def test_a_model_measured_on_one_of_the_tasks_has_nothing_to_agree_with(some_cells):
    app = page(panel="Agreement", agree_model="b")
    assert not app.exception
    assert "b is measured on one of these tasks only" in text_of(app)


def test_a_link_to_what_is_gone_shows_the_rest(some_cells):
    app = page(architectures=["ref-llama", "gone"], matrix_tasks=["math", "lost"], panel="Nothing")
    assert not app.exception
    assert app.multiselect(key="architectures").value == ["ref-llama"]
    assert app.multiselect(key="matrix_tasks").value == ["math"]


def test_choosing_nothing_asks_for_something(some_cells):
    app = page()
    app.multiselect(key="architectures").set_value([]).run()
    assert not app.exception
    assert "at least one model" in text_of(app)


def test_only_probes_that_have_maps_are_offered(some_cells):
    assert page().selectbox(key="by").options == ["PAGE"]
    some_cells.maps.add(cell("ref-llama", "math", config=ProbeConfig(probe="plop", samples=8)))
    queries.forget_lists()
    app = page()
    assert app.selectbox(key="by").options == ["PAGE", "PLoP"]
    app.selectbox(key="by").set_value("plop").run()
    assert not app.exception
    assert app.multiselect(key="architectures").value == ["ref-llama"]
    assert app.segmented_control(key="colour").options == ["score"]
    assert "shallow down-projection" not in text_of(app)  # a ratio has no shares to be concentrated


def test_a_probe_of_weights_has_no_shares_and_no_samples(no_shipped_maps):
    config = ProbeConfig(probe="weight-norm", samples=8)
    Store().maps.add(cell("a", "math", config=config, keep_samples=False))
    app = page(panel="Winners")
    assert not app.exception
    assert "share" not in app.dataframe[0].value.columns
    app.segmented_control(key="panel").set_value("Samples").run()
    assert not app.exception
    assert "reads the weights alone" in text_of(app)


def test_maps_of_interference_with_two_tasks_are_two_probes(no_shipped_maps):
    store = Store()
    for against in ("code", "chat"):
        store.maps.add(cell("a", "math", config=ProbeConfig(probe="interference", against=against, samples=8)))
    app = page()
    assert not app.exception
    assert app.selectbox(key="by").options == ["Interference against chat", "Interference against code"]


def test_the_newest_map_of_a_cell_is_shown(no_shipped_maps):
    store = Store()
    store.maps.add(cell("a", "math", (0, "q"), created="2026-01-02T00:00:00+00:00"))
    store.maps.add(cell("a", "math", (3, "v"), created="2026-01-01T00:00:00+00:00"))
    table = matrix_queries.winners(Choice("page", ("a",), ("math",)))
    assert [(row.layer, row.kind) for row in table.itertuples()] == [(0, "q")]


def test_a_changed_map_is_not_answered_from_the_cache(no_shipped_maps):
    choice, store = Choice("page", ("a",), ("math", "code")), Store()
    store.maps.add(cell("a", "math", (0, "q")))
    assert "the one task measured" in matrix_queries.findings(choice)[1]["a"]
    store.maps.add(cell("a", "code", (0, "q")))
    queries.forget_lists()
    assert "leads on both tasks" in matrix_queries.findings(choice)[1]["a"]


# Missing cells


def test_missing_cells_are_listed_and_launched_once(some_cells):
    app = page(also="ref-qwen3", matrix_tasks=["math", "code"])
    assert not app.exception
    assert "3 of 6 cells have no map by PAGE" in text_of(app)
    app.button(key="measure_missing").click().run()
    assert not app.exception
    jobs = Queue(some_cells).list()
    assert [job.request.model for job in reversed(jobs)] == ["/models/b", "ref-qwen3", "ref-qwen3"]
    assert [job.request.task for job in reversed(jobs)] == ["code", "math", "code"]
    assert all(job.request.config == ProbeConfig(samples=8) for job in jobs)  # as the other cells were measured
    assert app.button(key="measure_missing").disabled
    table = app.dataframe[-1].value
    assert table.loc["ref-qwen3"].tolist() == ["waits for a worker", "waits for a worker"]
    assert table.loc["b"].tolist() == ["measured", "waits for a worker"]


def test_a_cell_that_was_measured_meanwhile_is_on_the_page(some_cells):
    app = page(matrix_tasks=["math", "code"])
    app.button(key="measure_missing").click().run()
    job = Queue(some_cells).claim("host:1", "cpu")
    Queue(some_cells).report(job.id, "probing", 3, 8)
    app.run()
    assert app.dataframe[-1].value.loc["b", "code"].startswith("probing: 38 %")
    Queue(some_cells).finish(job.id, "done", result=some_cells.maps.add(cell("b", "code", (2, "up"), kinds=FUSED)))
    eventually(lambda: "All 4 cells are measured" in text_of(app.run()))  # the list of maps is kept for seconds
    assert not app.exception
    assert "**b**" in text_of(app)
    assert app.button(key="measure_missing").disabled


def test_an_added_model_stays_when_its_first_cell_is_measured(some_cells):
    app = page(architectures=["b"], also="ref-qwen3", matrix_tasks=["math", "code"])
    some_cells.maps.add(cell("ref-qwen3", "math"))
    queries.forget_lists()
    app.run()
    assert not app.exception
    assert app.multiselect(key="architectures").value == ["b"]
    assert app.multiselect(key="also").value == ["ref-qwen3"]
    assert app.dataframe[-1].value.loc["ref-qwen3"].tolist() == ["measured", "no map yet"]


def test_a_new_model_leaves_the_choice_as_it_was(some_cells):
    app = page()
    app.multiselect(key="architectures").set_value(["b"]).run()
    some_cells.maps.add(cell("newcomer", "math"))
    queries.forget_lists()
    app.run()
    assert app.multiselect(key="architectures").value == ["b"]
    assert "newcomer" in app.multiselect(key="architectures").options


def test_a_failed_cell_says_why_and_can_be_tried_again(some_cells):
    app = page(matrix_tasks=["math", "code"])
    app.button(key="measure_missing").click().run()
    Queue(some_cells).finish(
        Queue(some_cells).claim("host:1", "cpu").id, "failed", error="the folder /models/b is gone"
    )
    app.run()
    assert not app.exception
    assert "b on code: the folder /models/b is gone" in text_of(app)
    assert app.dataframe[-1].value.loc["b", "code"] == "failed"
    assert not app.button(key="measure_missing").disabled


def test_a_probe_of_another_kind_is_no_job_of_this_cell(some_cells):
    other = ProbeConfig(probe="plop", samples=8)
    Queue(some_cells).submit(ProbeRequest(model="/models/b", task="code", config=other))
    (lacking,) = missing_cells.missing(Choice("page", ("ref-llama", "b"), ("math", "code")))
    assert lacking.job is None
    assert not lacking.active


def test_rows_of_a_file_are_found_by_the_job_that_measured_them(some_cells):
    choice = Choice("page", ("ref-llama", "b"), ("own",))
    energy = cell("ref-llama", "own", task_source="own.jsonl")
    some_cells.maps.add(energy)
    queries.forget_lists()
    (lacking,) = missing_cells.missing(choice)
    assert lacking.request is None
    assert "not known here" in lacking.problem
    job = Queue(some_cells).submit(ProbeRequest(model="ref-llama", task="/data/own.jsonl"))
    Queue(some_cells).finish(job.id, "done", result=energy.id)
    (lacking,) = missing_cells.missing(choice)
    assert lacking.request.task == "/data/own.jsonl"


def test_rows_of_a_file_are_found_by_the_path_that_its_map_names(some_cells):
    origin = TaskOrigin(kind="file", place="/data/own.jsonl", format="messages")
    some_cells.maps.add(cell("ref-llama", "own", task_source="own.jsonl", task_origin=origin))
    queries.forget_lists()
    (lacking,) = missing_cells.missing(Choice("page", ("b",), ("own",)))
    assert lacking.request.task == "/data/own.jsonl"


@pytest.mark.parametrize(("origin", "revision", "asked"), [
    ("Hub org/b@abc", "abcdef", ("org/b", "abcdef")),
    ("folder /models/b", "hash", ("/models/b", None)),
    ("GGUF /models/b.gguf, de-quantised", "hash", ("/models/b.gguf", None)),
])  # fmt: skip
def test_a_model_is_asked_for_as_it_was_measured(no_shipped_maps, origin, revision, asked):
    Store().maps.add(cell("b", "math", model_source=origin, model_revision=revision))
    (lacking,) = missing_cells.missing(Choice("page", ("b",), ("math", "code")))
    assert (lacking.request.model, lacking.request.revision) == asked


# Downloads


def test_downloads_hold_every_chosen_cell(some_cells, tmp_path):
    choice = Choice("page", ("ref-llama", "b"), ("math", "code"))
    (tmp_path / "cells.csv").write_bytes(matrix_queries.cells_csv(choice))
    table = pd.read_csv(tmp_path / "cells.csv")
    assert table.groupby(["model", "task"]).size().to_dict() == {
        ("ref-llama", "math"): 28, ("ref-llama", "code"): 28, ("b", "math"): 16,
    }  # fmt: skip
    content = json.loads(matrix_queries.agreement_json(choice))
    assert [entry["subject"] for entry in content["between_tasks"]] == ["ref-llama", "b"]
    assert content["between_tasks"][0]["labels"] == ["math", "code"]
    assert content["between_models"][0]["labels"] == ["ref-llama", "b"]
    assert -1 <= content["between_models"][0]["rho"][0][1] <= 1
    assert len(content["claims"]) == 3


def test_what_cannot_be_compared_is_null_in_json(no_shipped_maps):
    store = Store()
    store.maps.add(cell("a", "math", (1, "q"), kinds=("q", "k")))
    store.maps.add(cell("b", "math", (1, "up"), kinds=("up", "down")))
    content = json.loads(matrix_queries.agreement_json(Choice("page", ("a", "b"), ("math",))))
    assert content["between_models"][0]["rho"] == [[1.0, None], [None, 1.0]]


def test_a_store_that_cannot_be_opened_is_one_line(home):
    home.mkdir(parents=True)
    (home / "domlora.db").write_text("this is no database, but long enough to be read as one" * 40, encoding="utf-8")
    app = page()
    assert not app.exception
    assert len(app.error) == 1
