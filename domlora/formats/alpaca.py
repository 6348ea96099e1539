"""Alpaca form.

{"instruction": "Translate to French.", "input": "Good morning", "output": "Bonjour"}
"""

from __future__ import annotations

from typing import Any

NAME = "alpaca"
KEYS = "instruction, input (may be empty), output"


def matches(row: dict[str, Any]) -> bool:
    return "instruction" in row and ("output" in row or "response" in row)


def read(row: dict[str, Any]) -> list[list[tuple[str, str]]]:
    """The input follows the instruction after a blank line, as users write it in a chat."""
    question = "\n\n".join(part for part in (row["instruction"], row.get("input") or row.get("context")) if part)
    return [[("user", question), ("assistant", row["output"] if "output" in row else row["response"])]]
