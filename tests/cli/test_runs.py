"""`domlora runs`: what owners say of their runs, and what is archived."""

import json

from domlora.store.store import Store
from tests.helpers.command import run
from tests.helpers.runs import a_run


def printed(capsys, *arguments: str) -> str:
    status, out, _ = run(capsys, *arguments)
    assert status == 0
    return out


def test_lists_show_names_and_leave_out_what_is_archived(capsys, home):
    runs = Store().runs
    old, new = runs.start(a_run("a")), runs.start(a_run("b"))
    assert "called" not in printed(capsys, "runs")
    runs.set_notes([old.id], name="rates too high", tags=("gsm8k",), pinned=True)
    lines = printed(capsys, "runs", "list").splitlines()
    assert "called" in lines[0] and lines[1].startswith(old.id) and "rates too high #gsm8k pinned" in lines[1]
    runs.set_notes([new.id], archived=True)
    hidden = printed(capsys, "runs")
    assert new.id not in hidden and "1 archived: `domlora runs --all`" in hidden
    for every in (("runs", "--all"), ("runs", "list", "--all")):
        assert new.id in printed(capsys, *every)
    shown = json.loads(printed(capsys, "runs", "--json", "--all"))
    assert shown[0]["notes"] == {
        "name": "rates too high", "tags": ["gsm8k"], "text": "", "pinned": True, "archived": False,
    }  # fmt: skip
    runs.set_notes([old.id], archived=True)
    assert "2 archived" in printed(capsys, "runs")
