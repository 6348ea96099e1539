"""Same files in, same numbers out, whatever the locale: our files are UTF-8, and a poor terminal gets a `?`."""

from __future__ import annotations

import json
import os
import subprocess
import sys

C_LOCALE = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
ROWS = [{"prompt": f"Größe {i} – 日本語?", "completion": f"naïve × {i} 🙂"} for i in range(8)]


def started(*argv, **env):
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    command = [sys.executable, "-m", "domlora.cli", *map(str, argv)]
    done = subprocess.run(command, capture_output=True, env=kept | env, timeout=120)
    assert b"Traceback" not in done.stderr
    return done


def domlora(*argv, **env):
    done = started(*argv, **env)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def test_a_text_that_the_locale_lacks_is_measured_all_the_same(tmp_path, tiny_folder):
    path = tmp_path / "rows.jsonl"
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


def test_a_name_that_the_locale_lacks_is_one_line_with_the_way_out(tmp_path, tiny_folder):
    path = tmp_path / "größe.jsonl"
    path.write_text(json.dumps(ROWS[0]), encoding="utf-8")
    done = started("probe", tiny_folder, "--task", path, **C_LOCALE)
    assert done.returncode == 1
    assert done.stderr.count(b"\n") == 1 and b"PYTHONUTF8=1" in done.stderr
    assert started("probe", tiny_folder, "--task", path, "--samples", 1, PYTHONUTF8="1").returncode == 0
