"""OpenAI's chat form, which TRL, vLLM and the built-in tasks use too. One row:

    {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}

`content` may be a list of text parts; an `answer`, a `test` (Python code that
checks the code of the response) or a `split` beside the messages is kept.
"""

from __future__ import annotations

from typing import Any

from domlora.data.formats.chat import Chat, answer_of, need, system_of, tests_of, turns_of

NAME = "messages"
KEYS = "messages: [{role, content}]"


def matches(keys: set[str], row: dict[str, Any]) -> bool:
    """True for a row with a list of messages, or the JSON text of one."""
    return "messages" in keys and isinstance(row["messages"], (list, str))


def read(row: dict[str, Any]) -> list[Chat]:
    """The conversation of a row, after the system prompt beside it, if there is one."""
    return [Chat(system_of(row) + turns_of(need(row, "messages")), answer_of(row), tests_of(row))]
