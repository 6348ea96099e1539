"""Code generation, openai/human-eval. One row:

    {"task_id": "HumanEval/0", "prompt": "def add(a, b):\\n", "canonical_solution": "    return a + b\\n",
     "test": "def check(candidate): ...", "entry_point": "add"}

The tests of a sample are the row's own, with the call of `check` that HumanEval leaves to its harness.
"""

from __future__ import annotations

from typing import Any

from domlora.data.formats.chat import Chat, need, tests_of, text_of

NAME = "human_eval"
KEYS = "prompt, canonical_solution"


def matches(keys: set[str], row: dict[str, Any]) -> bool:
    """True for a prompt with its canonical solution."""
    return {"prompt", "canonical_solution"} <= keys


def read(row: dict[str, Any]) -> list[Chat]:
    """The response repeats the head, so that it is a whole function as a chat model would give it.

    The body alone would lose its first indentation in every chat template that trims messages.
    """
    prompt, solution = text_of(need(row, "prompt")), text_of(need(row, "canonical_solution"))
    question = f"Complete this Python function.\n\n```python\n{prompt.rstrip()}\n```"
    response = f"```python\n{prompt}{solution.rstrip()}\n```" if solution.strip() else ""
    return [Chat([("user", question), ("assistant", response)], tests=_tests(row))]


def _tests(row: dict[str, Any]) -> str | None:
    tests, name = tests_of(row), row.get("entry_point")
    if tests is None or not isinstance(name, str) or not name.isidentifier():
        return None
    return f"{tests.rstrip()}\n\n\ncheck({name})"
