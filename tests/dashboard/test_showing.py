"""What a model will learn, found out in a process beside a page."""

import os
import re
import sys
import time

import pytest

from dashboard.shared.showing import Question, Showing
from domlora.data.tasks import NamedTask, load_task
from domlora.models.shown import Shown
from tests.helpers.waiting import eventually


def question(model, task, **more):
    given = {"revision": None, "files": "", "task_hash": "", "split": "train", "max_length": 64}
    return Question(model=str(model), task=NamedTask(str(task)), **{**given, **more})


def answer(*given, **more):
    showing = Showing(*given, **more)
    return eventually(lambda: showing.answer)


def python(code):
    return (sys.executable, "-c", code)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_the_answer_is_what_the_command_line_says(tiny_folder, task_file):
    begun = time.monotonic()
    showing = Showing(question(tiny_folder, task_file))
    assert time.monotonic() - begun < 2  # whoever asks does not wait
    found = eventually(lambda: showing.answer)
    assert isinstance(found, Shown), found
    assert found.task_hash == load_task(task_file).content_hash
    assert (found.model, found.max_length, len(found.samples)) == ("tiny-llama", 64, 3)


def test_an_error_is_its_one_line(tiny_folder, task_file):
    line = answer(question(tiny_folder, task_file, split="test"))
    assert line == "rows has no split 'test': choose from train (8)"


def test_a_model_that_is_not_here_is_not_fetched(task_file):
    assert answer(question("smollm2-135m", task_file)).startswith("smollm2-135m is not on this machine yet")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.exit('first\\nlast line')", "last line"),
        ("import sys; sys.exit(3)", "ended with status 3"),
        ("import os; os.kill(os.getpid(), 9)", r"killed by signal 9 \(out of memory\?\)"),
        ("print('{}')", "cannot be read"),
        ("print('no json')", "cannot be read"),
    ],
)
def test_however_the_process_ends_there_is_one_line(code, words):
    line = answer(question("a", "b"), command=python(code))
    assert re.search(words, line) and "\n" not in line


def test_a_process_that_cannot_be_started_is_one_line():
    assert "could not be started" in answer(question("a", "b"), command=("/no/such/program",))


def test_a_process_that_takes_too_long_is_ended():
    showing = Showing(question("a", "b"), command=python("import time; time.sleep(600)"), limit=0.5)
    assert "not known after 0.5 s" in eventually(lambda: showing.answer)
    assert gone(showing._process.pid)


def test_a_process_that_nobody_waits_for_any_more_is_ended():
    showing = Showing(question("a", "b"), command=python("import time; time.sleep(600)"))
    showing.stop()
    eventually(lambda: gone(showing._process.pid))
    showing.stop()  # once more does no harm


def test_names_that_look_like_options_stay_names():
    given = question("--json", "--help", revision="-x").arguments
    assert "--model=--json" in given and "--revision=-x" in given
    assert given[-2:] == ["--", "--help"]
