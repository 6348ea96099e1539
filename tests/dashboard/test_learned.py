"""The panel of Launch that shows what the chosen model will learn of the chosen task."""

import json
import sys
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.shared import learned, showing
from dashboard.shared.learned import html_of
from domlora.data.tasks import load_task
from domlora.models.fetch import localise
from domlora.models.reference import resolve
from domlora.models.shown import Run, show
from tests.helpers.pages import APP, typed
from tests.helpers.waiting import eventually


def launch(own_model, own_task, kind="Probe", **more):
    """The page with its panel open."""
    app = AppTest.from_file(str(APP), default_timeout=60).run()
    query = {"kind": kind, "model": "another one", "own_model": own_model, "task": "another one", "own_task": own_task}
    for name, value in {**query, "learned": "true", **more}.items():
        app.query_params[name] = str(value)
    app.switch_page("launch/page.py").run()
    assert not app.exception
    return app


def html(app):
    return "".join(block.value for block in app.get("html") if not block.value.startswith("<style>"))  # of every page


def said(app):
    return "\n".join(element.value for kind in (app.caption, app.warning) for element in kind)


def ended(app):
    """The page when nothing is under way any more, as its clock would run it."""

    def over():
        app.run()
        assert not app.exception
        return "Reading the first rows" not in said(app)

    eventually(over)
    return app


@pytest.fixture
def started(monkeypatch):
    """All questions that a process was started for, with processes that never answer."""
    made = []

    class Endless(showing.Showing):
        def __init__(self, question):
            made.append(self)
            super().__init__(question, command=(sys.executable, "-c", "import time; time.sleep(600)"))

        def goes_on(self):
            return self._process.poll() is None

    monkeypatch.setattr(learned, "Showing", Endless)
    yield made
    for one in made:
        one.stop()


@pytest.mark.parametrize("kind", ["Probe", "Comparison"])
def test_both_forms_show_what_is_trained_as_soon_as_it_is_known(tiny_folder, task_file, kind):
    app = launch(tiny_folder, task_file, kind)
    assert "Reading the first rows as the model does" in said(app)  # drawn at once
    text = html(ended(app))
    assert text.count("<mark") == 3
    assert "&lt;|assistant|&gt;</span><mark" in text
    assert ">four, the lazy dog&lt;|end|&gt;</mark>" in text
    assert "In all 8 train rows: " in text


def test_what_a_row_says_is_text(tiny_folder, tmp_path):
    strange = "<script>alert(1)</script></mark> **b** [red]x[/red] :red[y] $z$ \u202e\x1b"
    path = tmp_path / "strange.jsonl"
    path.write_text(json.dumps({"prompt": strange, "completion": strange}), encoding="utf-8")
    text = html_of(show(localise(resolve(str(tiny_folder))), load_task(path), 1, 400))
    shown = "&lt;script&gt;alert(1)&lt;/script&gt;&lt;/mark&gt; **b** [red]x[/red] :red[y] $z$ \\u202e\\x1b"
    assert text.count(shown) == 2
    assert "<script" not in text
    assert text.count("</mark>") == 1


def test_reasons_are_text_too(tiny_folder, task_file):
    found = show(localise(resolve(str(tiny_folder))), load_task(task_file), 1, 400)
    name = found.model_copy(update={"split": "<img src=x onerror=alert(1)>", "samples": ()})
    assert "<img" not in html_of(name)


def test_what_is_trained_is_told_apart_without_colour():
    trained, read = learned._run(Run(text="a", trained=True)), learned._run(Run(text="b", trained=False))
    assert "text-decoration:underline" in trained and "underline" not in read


def test_nothing_is_started_before_the_panel_is_open(started, tiny_folder, task_file):
    launch(tiny_folder, task_file, learned="false")
    assert not started


def test_a_built_in_model_that_is_not_here_is_not_fetched(started):
    app = launch("", "", model="smollm2-135m", task="math")
    assert "Shown once smollm2-135m is on this machine" in said(app)
    assert not started


def test_a_hub_model_that_is_not_here_is_not_fetched(started, task_file):
    app = launch("someone/unknown-model", task_file)
    assert "Shown once unknown-model is on this machine" in said(app)
    assert [block.value for block in app.code] == ["domlora models get someone/unknown-model"]
    assert not started


def test_nothing_is_asked_of_a_task_that_cannot_be_read(started, tiny_folder):
    assert "Shown once a model and a task are chosen" in said(launch(tiny_folder, "no-such-file.jsonl"))
    assert not started


def test_another_choice_ends_the_process_of_the_last(started, tiny_folder, task_file):
    app = launch(tiny_folder, task_file)
    app.run()
    assert [one.question.max_length for one in started] == [512]  # looked at again, not started again
    for length in (64, 128):
        app.number_input(key="max_length").set_value(length).run()
    assert [one.question.max_length for one in started] == [512, 64, 128]
    eventually(lambda: [one.goes_on() for one in started] == [False, False, True])
    typed(app, "model", "no such model")  # nothing can be asked any more
    eventually(lambda: not started[-1].goes_on())


def test_an_answer_is_kept_for_the_same_question(tiny_folder, task_file, monkeypatch):
    first = html(ended(launch(tiny_folder, task_file)))
    monkeypatch.setattr(learned, "Showing", lambda _: pytest.fail("asked again"))
    assert html(launch(tiny_folder, task_file)) == first
    assert len(learned._answers()) == 1


def test_changed_rows_are_another_question(started, tiny_folder, task_file):
    launch(tiny_folder, task_file)
    st.cache_data.clear()  # as after a minute
    task_file.write_text(task_file.read_text(encoding="utf-8").replace("fox", "cat"), encoding="utf-8")
    launch(tiny_folder, task_file)
    hashes = {one.question.task_hash for one in started}
    assert len(hashes) == 2


def test_an_error_is_its_line_and_can_be_asked_again(tiny_folder, task_file):
    app = ended(launch(tiny_folder, task_file, split="test"))
    assert "has no split 'test'" in said(app)
    before = app.session_state[learned.HELD]
    app.button(key="learned_again").click().run()
    assert app.session_state[learned.HELD] is not before


def test_answers_do_not_pile_up(tiny_folder, task_file, monkeypatch):
    answer = show(localise(resolve(str(tiny_folder))), load_task(task_file), 1, 400)
    monkeypatch.setattr(learned, "KEPT", 2)
    made = {"answer": answer, "stop": lambda: None}
    monkeypatch.setattr(learned, "Showing", lambda question: SimpleNamespace(question=question, **made))
    app = launch(tiny_folder, task_file)
    for length in (64, 65):
        app.number_input(key="max_length").set_value(length).run()
        assert html(app) == html_of(answer)
    assert [question.max_length for question in learned._answers()] == [64, 65]
