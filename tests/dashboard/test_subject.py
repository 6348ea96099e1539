"""Model and task of a request on Launch: how a user's own rows are read, and what is said of them."""

import json

import pytest

from dashboard.shared.queries import queue
from tests.helpers.pages import page, text

ROWS = [{"frage": f"{i}+{i}?", "antwort": "the fox", "`# quelle`": "x"} for i in range(39)] + [
    {"frage": "?", "antwort": None}
]
MAPPED = "frage=prompt,antwort=completion"


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    return str(path)


def launch(rows, **more):
    app = page("launch", kind="Probe", model="ref-llama", task="another one", own_task=rows, **more)
    assert not app.exception
    return app


def test_columns_that_have_other_names_are_named(rows):
    app = launch(rows)
    assert "--columns frage=prompt,antwort=completion" in app.error[0].value
    app = launch(rows, columns=MAPPED)
    assert not app.error
    said = text(app)
    assert "Task: format prompt_completion, 39 train rows." in said
    assert "Rows: 1 row without a response left out (row 40)." in said
    assert "Columns that are not read: `# quelle`." in said  # as code, whatever markup the name holds


def test_a_request_says_how_its_rows_are_read(rows, monkeypatch):
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda *_: None)
    app = launch(rows, columns=MAPPED, system="fold")
    app.button(key="start").click().run()
    assert not app.exception
    (job,) = queue().list()
    assert (job.request.columns, job.request.system) == (MAPPED, "fold")


def test_a_built_in_task_asks_for_no_columns():
    app = page("launch", kind="Probe", model="ref-llama", task="math")
    assert not any(widget.key == "columns" for widget in app.text_input)
