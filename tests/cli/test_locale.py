"""The same files in, the same numbers out, whatever the locale says: our files are UTF-8, and a poor terminal gets `?`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

C_LOCALE = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
ROWS = [{"prompt": f"Größe {i} – 日本語?", "completion": f"naïve × {i} 🙂"} for i in range(8)]


def domlora(*argv, **env):
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    done = subprocess.run(
        [sys.executable, "-m", "domlora.cli", *map(str, argv)], capture_output=True, env=kept | env, timeout=120
    )
    assert done.returncode == 0, done.stderr.decode()
    assert b"Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["rows.jsonl", "größe.jsonl"])
def test_a_text_that_the_locale_lacks_is_measured_all_the_same(tmp_path, tiny_folder, name):
    path = tmp_path / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")
    argv = ("probe", tiny_folder, "--task", path, "--samples", 4)
    shown = domlora(*argv, **C_LOCALE)
    assert shown.isascii()
    poor = json.loads(domlora(*argv, "--json", **C_LOCALE))
    rich = json.loads(domlora(*argv, "--json", PYTHONUTF8="1"))
    assert poor["id"] == rich["id"]
    assert poor == rich


def test_the_tasks_are_listed_where_the_locale_lacks_characters():
    assert domlora("tasks", **C_LOCALE).isascii()
    assert json.loads(domlora("tasks", "--json", **C_LOCALE)) == json.loads(domlora("tasks", "--json", PYTHONUTF8="1"))
