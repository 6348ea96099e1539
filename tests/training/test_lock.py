"""Who computes a run: one process at a time, and nobody once it is dead."""

import subprocess
import sys
import time

import pytest

from domlora.errors import SweepError
from domlora.training.lock import alone, is_held, run_folder

HOLDER = """
import time
from domlora.training.lock import alone, run_folder
with alone(run_folder("abc"), lambda: None):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_run_is_held_only_while_its_process_lives():
    assert not is_held("abc")
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        assert is_held("abc")
        assert not is_held("other")
        holder.kill()
    assert not is_held("abc")


def test_the_second_waits_for_the_first():
    waited = []
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as holder:
        holder.stdout.readline()

        def waiting():
            waited.append(time.monotonic())
            holder.kill()

        with alone(run_folder("abc"), waiting):
            assert is_held("abc")
    assert len(waited) >= 1
    assert not is_held("abc")


def test_a_folder_that_cannot_be_made_is_one_line(home):
    home.mkdir()
    (home / "runs").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises(SweepError, match="nothing can be written to"), alone(run_folder("abc"), lambda: None):
        pass
