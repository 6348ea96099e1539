"""ShareGPT form.

{"conversations": [{"from": "human", "value": "2+2?"}, {"from": "gpt", "value": "4"}]}
"""

from __future__ import annotations

from typing import Any

NAME = "sharegpt"
KEYS = "conversations: [{from, value}]"


def matches(row: dict[str, Any]) -> bool:
    return isinstance(row.get("conversations"), list)


def read(row: dict[str, Any]) -> list[list[tuple[str, str]]]:
    """One conversation; some exports use role and content inside `conversations`."""
    return [[(t["from"], t["value"]) if "from" in t else (t["role"], t["content"]) for t in row["conversations"]]]
