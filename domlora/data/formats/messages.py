"""OpenAI's chat form, which TRL, vLLM and the built-in tasks use too. One row:

    {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}

Beside the messages an `answer`, a `test` (Python code that checks the code of the response), a `system` text, `tools`
or a `label` (false: not a good answer) are read. Rows often keep their prompt once more beside their messages.
"""

from __future__ import annotations

from domlora.data.formats.chat import Chat, answer_of, check_label, system_of, tests_of, tools_of
from domlora.data.formats.fields import Fields
from domlora.data.formats.turns import messages_of

NAME = "messages"
KEYS = "messages: [{role, content}]"
PLACE = "system"


def matches(fields: Fields) -> bool:
    """True for a row with a list of messages, or the JSON text of one."""
    return fields.has("messages") and isinstance(fields.peek("messages"), (list, tuple, str))


def named(fields: Fields) -> bool:
    return fields.names("messages")


def read(fields: Fields) -> list[Chat]:
    """The conversation of a row, after the system prompt beside it, if there is one."""
    check_label(fields)
    turns = messages_of(fields.take("messages"))
    return [Chat(system_of(fields, turns) + turns, answer_of(fields), tests_of(fields), tools_of(fields))]
