"""Generated code in its limits: what passes, what does not, and what each accident is called."""

import os
import time
from pathlib import Path

import psutil
import pytest

from domlora.generation import code_runner
from domlora.generation.code_runner import CodeResult, CodeRunnerError, Limits, check_runner, extract_code, run_tests
from tests.helpers.waiting import eventually

GOOD = "def double(x):\n    return 2 * x\n"
TESTS = "assert double(4) == 8\nassert double(0) == 0"
SHORT = Limits(seconds=2)


def test_right_code_passes():
    assert run_tests(GOOD, TESTS) == CodeResult(True, "all tests passed")


def test_the_runner_can_be_checked_before_it_is_needed():
    check_runner()


def test_a_failing_assertion_is_named_with_its_line():
    result = run_tests(GOOD, "assert double(4) == 8\nassert double(1) == 3")
    assert not result.passed
    assert result.reason == "AssertionError (line 2 of the tests: assert double(1) == 3)"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def double(x) return 2", "SyntaxError"),
        ("raise ValueError('no')", "ValueError: no (in the answer)"),
        ("", "NameError"),
        ("import sys\nsys.exit(0)", "SystemExit: 0 (in the answer)"),
        ("raise SystemExit", "SystemExit"),
        ("import os\nos._exit(0)", "ended before its tests did (exit status 0)"),
        ("import os\nos.kill(os.getpid(), 9)", "ended before its tests did (signal 9)"),
        ("def double(x):\n    import sys\n    sys.exit(0)", "SystemExit: 0 (line 1 of the tests"),
        ("def double(x):\n    import os\n    os._exit(0)", "ended before its tests did"),
        ("def double(x): return double(x)", "RecursionError"),
        ("import threading\nthreading.Thread(target=print).start()", "can't start new thread"),
        ("import atexit, os\natexit.register(os._exit, 0)\nraise KeyError(1)", "KeyError: 1"),
        ("class E(Exception):\n    def __str__(self): raise E\nraise E", "E: <exception str() failed>"),
    ],
)
def test_code_that_ends_early_does_not_pass(code, reason):
    result = run_tests(code, TESTS)
    assert not result.passed
    assert reason in result.reason
    assert "\n" not in result.reason


def test_a_pass_that_is_printed_or_guessed_is_none():
    forged = 'import os, sys\nfor fd in range(3, 20):\n    try: os.write(fd, b\'["passed", "x"]\\n\')\n'
    result = run_tests(forged + "    except OSError: pass\nprint('passed')\nos._exit(0)", TESTS)
    assert not result.passed


@pytest.mark.parametrize("line", ['["failed", 1, [], "x"]', "[" * 9000, "7", "[]", '["failed", "tests", "no", 99]'])
def test_nonsense_in_the_pipe_of_the_verdict_is_a_failure(line):
    code = f"import os, sys\nos.write(int(sys.argv[1]), b'{line}\\n')\nos._exit(0)"
    assert not run_tests(code, TESTS).passed


@pytest.mark.parametrize("body", ["while True: pass", "import time\ntime.sleep(60)"])
def test_what_does_not_end_is_ended(body):
    start = time.monotonic()
    result = run_tests(body, TESTS, SHORT)
    assert not result.passed
    assert "not done after 2 s" in result.reason or "processor time" in result.reason
    assert time.monotonic() - start < 10


def test_a_loop_that_hides_its_pipes_is_ended():
    result = run_tests("import os\nos.closerange(0, 50)\nwhile True: pass", TESTS, SHORT)
    assert not result.passed


def test_memory_is_limited():
    result = run_tests("x = bytearray(4 << 30)", TESTS)
    assert not result.passed
    assert result.reason == "MemoryError (in the answer)"


def test_memory_taken_piece_by_piece_is_limited():
    result = run_tests("kept = []\nwhile True: kept.append(bytes(1 << 20))", TESTS, Limits(memory_bytes=200 << 20))
    assert not result.passed
    assert "MemoryError" in result.reason or "ended before" in result.reason


def test_no_process_can_be_started():
    result = run_tests("import os\nif os.fork() == 0:\n    os.setsid()\n    while True: pass", TESTS)
    assert not result.passed
    assert result.reason.startswith("BlockingIOError")
    result = run_tests("import subprocess\nsubprocess.run(['echo'])", TESTS)
    assert not result.passed
    assert "BlockingIOError" in result.reason


def test_what_was_started_nevertheless_ends_with_the_run(monkeypatch):
    limits = {name: value for name, value in code_runner._resources(SHORT).items() if name != "RLIMIT_NPROC"}
    monkeypatch.setattr(code_runner, "_resources", lambda _: limits)
    code = "import os, time\nchild = os.fork()\nif not child:\n    time.sleep(3600)\nprint(child)\nos._exit(0)"
    result = run_tests(code, TESTS, SHORT)
    assert not result.passed
    child = int(result.output)
    eventually(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_limits_cannot_be_raised_again():
    code = "import resource\nresource.setrlimit(resource.RLIMIT_NPROC, (9, 9))"
    assert run_tests(code, TESTS).reason.startswith("ValueError: not allowed to raise maximum limit")


def test_large_output_is_cut_and_does_no_harm():
    result = run_tests(GOOD + "for _ in range(200): print('x' * 100_000)", TESTS)
    assert result.passed
    assert result.output == "x" * Limits().output_bytes


def test_large_files_are_refused():
    code = "with open('big', 'wb') as file: file.write(bytes(1 << 20))"
    result = run_tests(code, TESTS, Limits(file_bytes=1 << 16))
    assert not result.passed
    assert result.reason.startswith("OSError: [Errno 27]")


def test_there_is_nothing_to_read_from_stdin():
    assert run_tests("double = lambda x: int(input())", TESTS).reason.startswith("EOFError")
    assert run_tests(GOOD + "import sys\nassert sys.stdin.read() == ''", TESTS).passed


def test_a_script_does_not_start_itself():
    assert run_tests(GOOD + "if __name__ == '__main__':\n    raise SystemExit", TESTS).passed


def test_the_environment_is_empty_and_the_folder_its_own(monkeypatch):
    monkeypatch.setenv("SECRET", "s")
    code = (
        "import os\nassert 'SECRET' not in os.environ, 'leaked'\nassert os.listdir() == []\n"
        "open('note.txt', 'w').write('ä')\nprint(os.getcwd())"
    )
    result = run_tests(GOOD + code, TESTS)
    assert result.passed, result.reason
    folder = Path(result.output.strip())
    assert folder.name.startswith("domlora-code-")
    assert not folder.exists()


def test_root_is_left_before_the_code_runs(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only where the tests run as root")
    kept = tmp_path / "kept"
    kept.write_text("mine", encoding="utf-8")
    code = f"import os\nassert os.getuid() != 0\nos.remove({str(kept)!r})"
    assert run_tests(code, TESTS).reason.startswith("PermissionError")
    assert kept.read_text(encoding="utf-8") == "mine"
    assert run_tests("import os\nos.setuid(0)", TESTS).reason.startswith("PermissionError")


def test_a_machine_that_cannot_run_code_is_no_failed_answer(monkeypatch):
    monkeypatch.setattr(code_runner, "_DRIVER", "raise SystemExit('limits refused')")
    with pytest.raises(CodeRunnerError, match=r"cannot be run here \(limits refused\): start domlora as an ordinary"):
        run_tests(GOOD, TESTS)
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(CodeRunnerError, match="no process for generated code can be started"):
        check_runner()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Here:\n\n```python\nx = 1\n```\nDone.", "x = 1\n"),
        ("```py\nx = 1\n```", "x = 1\n"),
        ("```\nx = 1\n```", "x = 1\n"),
        ("x = 1", "x = 1"),
        ("", ""),
        ("```bash\npip install everything-there-is\n```\n```python\nx = 1\n```", "x = 1\n"),
        ("```python\ndef f():\n    return 1\n```\nUse it:\n```python\nf()\n```", "def f():\n    return 1\n"),
        ("```python\ndef f():\n    return 1", "def f():\n    return 1"),
        ("```Python title=a.py\nx = '``'\n```", "x = '``'\n"),
    ],
)
def test_the_code_of_an_answer(text, code):
    assert extract_code(text) == code
