"""What the tests of whole sweeps start from."""

from __future__ import annotations

import pytest

from domlora.data.tasks import load_task
from tests.helpers.sweep_place import Place
from tests.helpers.sweeping import write_task


@pytest.fixture
def place(tiny_folder, tmp_path, monkeypatch):
    task = load_task(str(write_task(tmp_path / "rows.jsonl")))
    return Place(tiny_folder, task, tmp_path, monkeypatch)
