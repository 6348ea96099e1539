"""HumanEval: a function's head and docstring, and the body that completes it.

{"task_id": "HumanEval/0", "prompt": "def add(a, b):\\n", "canonical_solution": "    return a + b\\n", "test": "...",
 "entry_point": "add"}
"""

from __future__ import annotations

from typing import Any

NAME = "human_eval"
KEYS = "prompt, canonical_solution"


def matches(row: dict[str, Any]) -> bool:
    return "prompt" in row and "canonical_solution" in row


def read(row: dict[str, Any]) -> list[list[tuple[str, str]]]:
    """The answer repeats the head, so that it is a whole function as a chat model would give it."""
    question = f"Complete this Python function.\n\n```python\n{row['prompt'].rstrip()}\n```"
    return [[("user", question), ("assistant", f"```python\n{row['prompt']}{row['canonical_solution'].rstrip()}\n```")]]
