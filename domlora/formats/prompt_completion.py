"""Prompt and completion, as text or, as in TRL, as lists of messages.

{"prompt": "2+2?", "completion": "4"}
"""

from __future__ import annotations

from typing import Any

from domlora.formats import messages

NAME = "prompt_completion"
KEYS = "prompt, completion (or response)"


def matches(row: dict[str, Any]) -> bool:
    return "prompt" in row and ("completion" in row or "response" in row)


def read(row: dict[str, Any]) -> list[list[tuple[str, str]]]:
    answer = row["completion"] if "completion" in row else row["response"]
    return [_turns(row["prompt"], "user") + _turns(answer, "assistant")]


def _turns(value: Any, role: str) -> list[tuple[str, str]]:
    if isinstance(value, list):
        return messages.read({"messages": value})[0]
    return [(role, value)]
