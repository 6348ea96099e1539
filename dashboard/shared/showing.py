"""What a model will learn of a task, found out beside a page: `domlora tasks show --json` in a process of its own.

In: a `Question`. Out: a `Shown`, or one line that says why there is none. Whoever asks goes on at once and looks at
`Showing.answer` now and then. Nothing is fetched for it, and no torch and no tokenizer is imported here.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from domlora.data.tasks import NamedTask
from domlora.jobs.local import environment
from domlora.models.shown import Shown

COMMAND = (sys.executable, "-m", "domlora.cli")
LIMIT_SECONDS = 120.0
ROWS = 3
ERROR = "domlora: "  # what a line begins with that says what went wrong


@dataclass(frozen=True)
class Question:
    """What is to be shown. Equal questions have equal answers.

    Attributes:
        files: what stands for the model's files on this disk (`models.fetch.found_here`).
        task_hash: of the task's content.
    """

    model: str
    revision: str | None
    files: str
    task: NamedTask
    task_hash: str
    split: str
    max_length: int

    @property
    def arguments(self) -> list[str]:
        """Of the command line."""
        revision = [] if self.revision is None else [f"--revision={self.revision}"]
        return [
            "tasks", "show", "--json", "--no-fetch", f"--model={self.model}", *revision, f"--rows={ROWS}",
            f"--split={self.split}", f"--max-length={self.max_length}", f"--system={self.task.system}",
            *([f"--columns={self.task.columns}"] if self.task.columns else []), "--", self.task.source,
        ]  # fmt: skip


class Showing:
    """One question on its way to an answer.

    Args:
        command: the process that answers; the arguments are added.
        limit: seconds after which it is ended.
    """

    def __init__(self, question: Question, *, command: Sequence[str] = COMMAND, limit: float = LIMIT_SECONDS) -> None:
        self.question = question
        self.answer: Shown | str | None = None  # None as long as there is none
        self._limit = limit
        try:
            self._process = subprocess.Popen(
                [*command, *question.arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**environment(), "PYTHONIOENCODING": "utf-8"},
            )
        except OSError as error:
            self.answer = f"the process that reads the task could not be started: {error}"
            return
        threading.Thread(target=self._wait, name="showing", daemon=True).start()

    def stop(self) -> None:
        """Ends the process, if it has not ended: nobody wants its answer any more."""
        if self.answer is None:
            self._process.kill()

    def _wait(self) -> None:
        try:
            out, err = self._process.communicate(timeout=self._limit)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            self.answer = (
                f"not known after {self._limit:g} s, and given up: ask `domlora tasks show` with --model, which waits"
            )
            return
        self.answer = _read(self._process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def _read(status: int, out: str, err: str) -> Shown | str:
    if status == 0:
        try:
            return Shown.model_validate(json.loads(out)["shown"])
        except (ValueError, KeyError) as error:
            return f"what `domlora tasks show` printed cannot be read ({type(error).__name__}): install domlora again"
    if status < 0:
        return f"the process that reads the task was killed by signal {-status} (out of memory?)"
    lines = [line.strip() for line in err.splitlines() if line.strip()]
    said = next((line.removeprefix(ERROR) for line in reversed(lines) if line.startswith(ERROR)), None)
    return said or (lines[-1] if lines else f"the process that reads the task ended with status {status}")
