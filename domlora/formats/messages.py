"""OpenAI chat form.

{"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}
"""

from __future__ import annotations

from typing import Any

NAME = "messages"
KEYS = "messages: [{role, content}]"


def matches(row: dict[str, Any]) -> bool:
    return isinstance(row.get("messages"), list)


def read(row: dict[str, Any]) -> list[list[tuple[str, str]]]:
    """One conversation of (role, content) turns; content may be a list of text parts."""
    return [[(turn["role"], text(turn.get("content"))) for turn in row["messages"]]]


def text(content: Any) -> str:
    """A string, or the text parts of a list of parts; images and tool calls carry no text to learn."""
    if isinstance(content, list):
        return "".join(part.get("text", "") for part in content if isinstance(part, dict))
    return content or ""
