"""Model and task of a request on Launch: what the boxes take, how a user's own rows are read, what is said of them."""

import json

import pytest

from dashboard.shared import subject
from dashboard.shared.queries import queue
from tests.helpers.pages import page, text, typed

ROWS = [{"frage": f"{i}+{i}?", "antwort": "the fox", "`# quelle`": "x"} for i in range(39)] + [
    {"frage": "?", "antwort": None}
]
MAPPED = "frage=prompt,antwort=completion"


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return str(path)


@pytest.fixture
def no_worker(monkeypatch):
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda *_: None)


def launch(rows, **more):
    app = page("launch", kind="Probe", model="ref-llama", task=rows, **more)
    assert not app.exception
    return app


def test_columns_that_have_other_names_are_named(rows):
    app = launch(rows)
    assert "--columns frage=prompt,antwort=completion" in app.error[0].value.replace("\\", "")
    app = launch(rows, columns=MAPPED)
    assert not app.error
    said = text(app)
    assert "Task: format prompt_completion, 39 train rows." in said
    assert "Rows: 1 row without a response left out (row 40)." in said
    assert "Columns that are not read: `# quelle`." in said  # as code, whatever markup the name holds


def test_a_request_says_how_its_rows_are_read(rows, no_worker):
    app = launch(rows, columns=MAPPED, system="fold")
    app.button(key="start").click().run()
    assert not app.exception
    (job,) = queue().list()
    assert (job.request.columns, job.request.system) == (MAPPED, "fold")


def test_a_built_in_task_asks_for_no_columns():
    app = page("launch", kind="Probe", model="ref-llama", task="math")
    assert not any(widget.key == "columns" for widget in app.text_input)


@pytest.mark.parametrize("kind", ["Probe", "Comparison"])
def test_what_the_model_box_shows_is_what_runs(tiny_folder, no_worker, kind):
    app = page("launch", kind=kind, task="math")
    typed(app, "model", str(tiny_folder))
    assert f"Folder, on this machine. {tiny_folder.name}" not in text(app)
    assert "Folder, on this machine." in text(app)
    app.button(key="start").click().run()
    assert not app.exception
    (job,) = queue().list()
    assert job.request.model == str(tiny_folder) == app.selectbox(key="model").value


def test_addresses_of_earlier_versions_fill_the_same_boxes(tiny_folder, rows):
    app = page("launch", model="another one", own_model=str(tiny_folder), task="another one", own_task=rows,
               columns=MAPPED, samples="7")  # fmt: skip
    assert not app.exception and not app.error
    assert (app.selectbox(key="model").value, app.selectbox(key="task").value) == (str(tiny_folder), rows)
    assert app.number_input(key="samples").value == 7
    assert not {"own_model", "own_task"} & set(app.query_params)
    app = page("launch", model="another one", task="another one")  # without what either is
    assert app.button(key="start").disabled
    assert [error.value.split(":")[0].rstrip("\\") for error in app.error] == ["Name a model", "Name a task"]


def test_a_model_that_may_not_be_fetched_is_a_line_that_names_the_variable(monkeypatch, no_worker):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for model in ("someone/unknown-model", "smollm2-135m"):
        app = page("launch", model=model, task="math")
        (error,) = app.error
        assert f"{model} is not on this machine, and HF_HUB_OFFLINE=1 forbids" in error.value.replace("\\", "")
        assert app.button(key="start").disabled
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    app = page("launch", model="someone/unknown-model", task="math")
    assert "Hub id, will be fetched first." in text(app)
    assert not app.error and not app.button(key="start").disabled


def test_what_an_address_names_is_no_markup():
    app = page("launch", model="**bold** [red](http://x.y)", task="math")
    assert "\\*\\*bold\\*\\* \\[red\\]\\(http" in app.error[0].value


STRANGE = ["../../x", "..\\..\\x.jsonl", "/etc/cron.d/x.csv", "x.jsonl/../../y", "a\0b.json", "x" * 999]


@pytest.mark.parametrize("name", STRANGE)
def test_the_name_of_an_upload_is_never_part_of_a_path(home, name):
    path = subject.kept(name, b"rows")
    assert path.parent == home / "uploads"
    assert path.name.startswith("upload-") and len(path.name) < 40
    assert path.read_bytes() == b"rows"
    assert [one.name for one in (home / "uploads").iterdir()] == [path.name]


def test_an_upload_keeps_the_suffix_that_says_what_it_holds(home):
    names = [subject.kept(name, b"rows").name for name in ("a.JSONL.gz", "b.csv", "c.exe", "d")]
    assert [name.partition(".")[2] for name in names] == ["jsonl.gz", "csv", "", ""]
