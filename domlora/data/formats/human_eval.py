"""Code generation, openai/human-eval. One row:

    {"task_id": "HumanEval/0", "prompt": "def add(a, b):\\n", "canonical_solution": "    return a + b\\n",
     "test": "def check(candidate): ...", "entry_point": "add"}

The tests of a sample are the row's own, with the call of `check` that HumanEval leaves to its harness.
"""

from __future__ import annotations

from domlora.data.formats.chat import Chat, tests_of
from domlora.data.formats.fields import Fields
from domlora.data.samples import Message

NAME = "human_eval"
KEYS = "prompt, canonical_solution"


def matches(fields: Fields) -> bool:
    """True for a prompt with its canonical solution."""
    return fields.has("prompt", "canonical_solution")


def named(fields: Fields) -> bool:
    return fields.names("prompt", "canonical_solution")


def read(fields: Fields) -> list[Chat]:
    """The response repeats the head, so that it is a whole function as a chat model would give it.

    The body alone would lose its first indentation in every chat template that trims messages.
    """
    prompt, solution = fields.text("prompt"), fields.text("canonical_solution")
    question = f"Complete this Python function.\n\n```python\n{prompt.rstrip()}\n```"
    response = f"```python\n{prompt}{solution.rstrip()}\n```" if solution.strip() else ""
    return [Chat([Message("user", question), Message("assistant", response)], tests=_tests(fields))]


def _tests(fields: Fields) -> str | None:
    tests, name = tests_of(fields), fields.take("entry_point")
    if tests is None or not isinstance(name, str) or not name.isidentifier():
        return None
    return f"{tests.rstrip()}\n\n\ncheck({name})"
