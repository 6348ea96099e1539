"""Runs code that a model wrote against tests, in a process of its own with limits. In: two texts; out: a CodeResult.

The limits stop accidents: endless loops, memory, processes, large files, and, where domlora runs as root, writing to
what belongs to others (the code then runs as `nobody`). They are no sandbox. The code can use the network, read every
file that its user can read (as root: nearly all), and, where domlora runs as an ordinary user, change or delete that
user's files; code that is written to deceive can also claim a pass that it has not earned. That is why nothing is run
unless the user switches it on. Knows nothing of models and tasks.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import secrets
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import IO

from domlora.errors import DomLoRAError

START_SECONDS = 60.0  # for Python itself to start, on a machine that is busy with training
REASON_CHARACTERS = 300

_FENCE = re.compile(r"^[ \t]*```[ \t]*([\w+.-]*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_PYTHON = ("python", "python3", "py")

# Runs in the child, before and around the code. Limits are set here since a function between fork and exec is unsafe
# in a process with threads, as every process with torch is. The order comes through stdin, so that it is in no file
# that the code could find; the verdict goes through a pipe of its own, so that printing is not passing.
_DRIVER = r"""
import json, os, resource, sys, traceback, types

verdict = int(sys.argv[1])
order = json.loads(sys.stdin.buffer.read())
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def leave_root(user, group):
    # On Linux the right to read (CAP_DAC_READ_SEARCH) is kept where root has it: Python may live in root's own folder.
    import ctypes

    linux = sys.platform == "linux"
    libc = ctypes.CDLL(None, use_errno=True)
    if linux and libc.prctl(8, 1, 0, 0, 0):  # PR_SET_KEEPCAPS
        raise OSError(ctypes.get_errno(), "prctl")
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    if linux:
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)
        read_all, nothing = (ctypes.c_uint32 * 6)(4, 4), (ctypes.c_uint32 * 6)()
        if libc.capset(header, read_all) and libc.capset(header, nothing):
            raise OSError(ctypes.get_errno(), "capset")
    open(os.__file__).close()


def say(*words):
    os.write(verdict, (json.dumps(words) + "\n").encode())


if order["user"]:
    leave_root(*order["user"])
for name, value in order["limits"].items():
    kind = getattr(resource, name)
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        # At the hard limit of processor time the kernel kills without a word of why.
        later = value + 1 if name == "RLIMIT_CPU" and hard == resource.RLIM_INFINITY else value
        resource.setrlimit(kind, (value, later))
    except (ValueError, OSError):
        if sys.platform != "darwin":  # macOS refuses to limit memory
            raise
say("ready")

module = types.ModuleType("candidate")  # no __main__: a script's own start is no part of an answer
sys.modules["candidate"] = module
for part in ("before", "code", "tests"):
    try:
        exec(compile(order[part], f"<{part}>", "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        lines = [n for frame, n in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == "<tests>"]
        told = traceback.format_exception_only(error)[-1].strip()
        say("failed", part, told[:300], lines[-1] if lines else 0)
        os._exit(1)
say("passed", order["token"])
os._exit(0)
"""


class CodeRunnerError(DomLoRAError):
    """Generated code cannot be run on this machine, whatever the code is."""


@dataclass(frozen=True)
class Limits:
    """What the code may use.

    Attributes:
        seconds: of wall-clock time, and, rounded up, of processor time.
        memory_bytes: of address space (not enforced on macOS).
        file_bytes: of each file that it writes.
        output_bytes: of what it prints; the rest is thrown away.
    """

    seconds: float = 10.0
    memory_bytes: int = 1 << 30
    file_bytes: int = 1 << 24
    output_bytes: int = 1 << 14


@dataclass(frozen=True)
class CodeResult:
    """Whether the tests ran to their end without an exception.

    Attributes:
        reason: one line; for a pass `all tests passed`.
        output: the beginning of what the code printed.
    """

    passed: bool
    reason: str
    output: str = ""


def extract_code(text: str) -> str:
    """The code of an answer: its longest Python block (usage examples are shorter), else the whole text.

    A block without a language counts where none is marked as Python; one that is not closed ends with the text.
    """
    blocks = [(language.lower(), code) for language, code in _FENCE.findall(text)]
    python = [code for language, code in blocks if language in _PYTHON]
    return max(python or [code for language, code in blocks if not language], key=len, default=text)


def run_tests(code: str, tests: str, limits: Limits | None = None, *, before: str = "") -> CodeResult:
    """Runs `before`, `code` and `tests`, one after the other, in one fresh namespace of a new, limited process.

    Raises:
        CodeRunnerError: the process does not start, or its limits cannot be set.
    """
    limits = limits or Limits()
    if os.name != "posix":
        raise CodeRunnerError("generated code cannot be limited on this system: leave running it off, or use Linux")
    token = secrets.token_hex(16)
    user = _nobody() if os.geteuid() == 0 else None
    order = {
        "before": before, "code": code, "tests": tests, "token": token, "user": user, "limits": _resources(limits)
    }  # fmt: skip
    with (
        # What the code leaves behind may resist removal; that is no reason to end a comparison.
        tempfile.TemporaryDirectory(prefix="domlora-code-", ignore_cleanup_errors=True) as folder,
        tempfile.TemporaryFile() as given,
    ):
        if user:
            os.chown(folder, *user)
        given.write(json.dumps(order).encode())
        given.seek(0)
        watched = _run(given, folder, limits)
    output = watched.output.decode(errors="replace")
    if not watched.messages:
        reason = (output.strip().splitlines() or [f"exit status {watched.status}"])[-1][:REASON_CHARACTERS]
        raise CodeRunnerError(
            f"generated code cannot be run here ({reason}): start domlora as an ordinary user, or leave running it off"
        )
    end = watched.messages[-1]
    if end == ["passed", token]:
        return CodeResult(True, "all tests passed", output)
    return CodeResult(False, _reason(end, watched, tests, limits), output)


def check_runner() -> None:
    """Runs a trivial program, so that a machine that cannot run code says so before hours of training.

    Raises:
        CodeRunnerError: as `run_tests`.
    """
    result = run_tests("import collections\nvalue = 1", "assert value == 1")
    if not result.passed:
        raise CodeRunnerError(
            f"a trivial program fails in the limits for generated code ({result.reason}): leave running it off"
        )


@dataclass(frozen=True)
class _Watched:
    """What the parent saw: the driver's messages, the printed text, how it ended."""

    messages: list[list]
    output: bytes
    status: int
    late: bool


def _nobody() -> tuple[int, int]:
    import pwd

    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:  # small containers have no such entry; the number needs none
        return 65534, 65534
    return entry.pw_uid, entry.pw_gid


def _resources(limits: Limits) -> Mapping[str, int]:
    return {
        "RLIMIT_CPU": math.ceil(limits.seconds),
        "RLIMIT_FSIZE": limits.file_bytes,
        "RLIMIT_NPROC": 0,  # counts the processes that the user has already: no further one, and no thread
        "RLIMIT_CORE": 0,
        "RLIMIT_AS": limits.memory_bytes,
    }


def _run(given: IO[bytes], folder: str, limits: Limits) -> _Watched:
    reading, writing = os.pipe()
    command = [sys.executable, "-I", "-u", "-X", "utf8", "-c", _DRIVER, str(writing)]
    try:
        process = subprocess.Popen(
            command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            cwd=folder, env={}, pass_fds=(writing,), start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        os.close(reading)
        raise CodeRunnerError(f"no process for generated code can be started ({error}): free memory") from error
    finally:
        os.close(writing)
    try:
        told, output, late = _watch(process, reading, limits)
    finally:
        os.close(reading)
        # Before the process is waited for: until then its number, and so its group's, is no one else's.
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: only a zombie is left of the group
            os.killpg(process.pid, signal.SIGKILL)
        status = process.wait()
        if process.stdout:
            process.stdout.close()
    return _Watched(_messages(told), output, status, late)


def _watch(process: subprocess.Popen, reading: int, limits: Limits) -> tuple[bytes, bytes, bool]:
    """Reads both pipes until the verdict is complete, both are closed or time is up: (verdict, output, time is up)."""
    assert process.stdout is not None
    printed = process.stdout.fileno()
    kept = {reading: bytearray(), printed: bytearray()}
    caps = {reading: 1 << 14, printed: limits.output_bytes}
    ready, deadline = False, time.monotonic() + START_SECONDS
    with selectors.DefaultSelector() as selector:
        for pipe in kept:
            selector.register(pipe, selectors.EVENT_READ)
        while selector.get_map() and kept[reading].count(b"\n") < 2:
            left = deadline - time.monotonic()
            if left <= 0:
                return bytes(kept[reading]), bytes(kept[printed]), True
            for key, _ in selector.select(left):
                data = os.read(key.fd, 1 << 16)
                if not data:
                    selector.unregister(key.fd)
                kept[key.fd] += data[: caps[key.fd] - len(kept[key.fd])]
            if not ready and b"\n" in kept[reading]:
                ready, deadline = True, time.monotonic() + limits.seconds
    return bytes(kept[reading]), bytes(kept[printed]), False


def _messages(told: bytes) -> list[list]:
    """The whole lines of JSON among what came through the pipe; code that finds it may write anything into it."""
    found = []
    for line in told.split(b"\n")[:-1]:
        with contextlib.suppress(ValueError, RecursionError):
            found.append(json.loads(line))
    return [message for message in found if isinstance(message, list) and message]


def _reason(end: list, watched: _Watched, tests: str, limits: Limits) -> str:
    if [type(word) for word in end] == [str, str, str, int] and end[0] == "failed":
        _, part, told, line = end
        if line <= 0:
            return f"{told} (in the {'answer' if part == 'code' else part})"
        lines = tests.splitlines()
        source = lines[line - 1].strip()[:120] if line <= len(lines) else ""
        return f"{told} (line {line} of the tests: {source})"
    if watched.late:
        return f"not done after {limits.seconds:g} s"
    if watched.status == -signal.SIGXCPU:
        return f"used more than {math.ceil(limits.seconds)} s of processor time"
    ended = f"signal {-watched.status}" if watched.status < 0 else f"exit status {watched.status}"
    return f"ended before its tests did ({ended})"
