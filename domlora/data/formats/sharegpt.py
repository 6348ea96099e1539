"""The ShareGPT form, of FastChat, axolotl, LLaMA-Factory. One row:

    {"id": "a", "conversations": [{"from": "human", "value": "Who?"}, {"from": "gpt", "value": "Vicuna."}]}

LIMA's conversations are lists of texts that take turns. Scraped conversations begin in the middle, hold empty turns and
end with a question: the caller sees to that.
"""

from __future__ import annotations

from typing import Any

from domlora.data.formats.chat import Chat, answer_of, check_label, system_of, tests_of, tools_of
from domlora.data.formats.fields import Fields
from domlora.data.formats.turns import messages_of
from domlora.data.samples import Message

NAME = "sharegpt"
KEYS = "conversations: [{from, value}]"
PLACE = "system"
_NAMES = ("conversations", "conversation")  # the second as LMSYS writes it


def matches(fields: Fields) -> bool:
    """True for a row with `conversations` or `conversation`."""
    return any(fields.has(name) and isinstance(fields.peek(name), (list, tuple, str)) for name in _NAMES)


def named(fields: Fields) -> bool:
    return any(fields.names(name) for name in _NAMES)


def read(fields: Fields) -> list[Chat]:
    """The conversation of a row, after the system prompt beside it, if there is one."""
    check_label(fields)
    turns = _turns(fields.take(*_NAMES))
    return [Chat(system_of(fields, turns) + turns, answer_of(fields), tests_of(fields), tools_of(fields))]


def _turns(value: Any) -> list[Message]:
    """Messages, or LIMA's texts: question, answer, question, ..."""
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, str) for one in value):
        return [Message(("user", "assistant")[i % 2], text) for i, text in enumerate(value)]
    return messages_of(value)
