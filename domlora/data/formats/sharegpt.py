"""The ShareGPT form, of FastChat, axolotl, LLaMA-Factory. One row:

    {"id": "a", "conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Vicuna."}]}

Scraped conversations begin in the middle, hold empty turns and end with a question: the caller sees to that.
"""

from __future__ import annotations

from typing import Any

from domlora.data.formats.chat import Chat, need, system_of, turns_of

NAME = "sharegpt"
KEYS = "conversations: [{from, value}]"


def matches(keys: set[str], row: dict[str, Any]) -> bool:
    """True for a row with `conversations` (or `conversation`, as LMSYS writes it)."""
    return any(key in keys and isinstance(row[key], (list, str)) for key in ("conversations", "conversation"))


def read(row: dict[str, Any]) -> list[Chat]:
    """The conversation of a row, after the system prompt beside it, if there is one."""
    key = "conversation" if row.get("conversations") is None and "conversation" in row else "conversations"
    return [Chat(system_of(row) + turns_of(need(row, key)))]
