"""Where the rows of a task lie: fields from `load_task`, and from the words that earlier versions wrote down."""

from __future__ import annotations

import pytest

from domlora.data.origin import TaskOrigin, task_origin_of
from domlora.data.tasks import load_task


def test_a_file_is_named_again_by_its_absolute_path(task_file, monkeypatch):
    monkeypatch.chdir(task_file.parent)
    task = load_task(task_file.name)
    assert task.origin == TaskOrigin(kind="file", place=str(task_file), format="messages")
    assert task.origin.named_again == str(task_file) and task.origin.known
    assert task.source == "rows.jsonl"
    monkeypatch.chdir("/")
    assert load_task(task.origin.named_again).content_hash == task.content_hash


def test_a_built_in_task_is_named_again_by_its_name():
    task = load_task("math")
    assert (task.origin.kind, task.origin.named_again, task.source) == ("builtin", "math", "built-in math")
    assert task.origin.format == task.format


@pytest.mark.parametrize(("task", "words", "kind", "again", "known"), [
    ("math", "built-in math", "builtin", "math", True),
    ("rows", "Hub owner/rows:main", "hub", "owner/rows:main", True),
    ("rows", "rows.jsonl", "file", "rows.jsonl", False),
    ("rows", "/data/rows.jsonl", "file", "/data/rows.jsonl", True),
])  # fmt: skip
def test_the_words_of_earlier_versions_are_read(task, words, kind, again, known):
    origin = task_origin_of(task, words)
    assert (origin.kind, origin.named_again, origin.known) == (kind, again, known)
