"""Plain text that is no conversation, as TRL and axolotl take it. One row:

    {"text": "The river rose at night."}

It is learned whole, without a chat template, with the end-of-text token after it.
"""

from __future__ import annotations

from domlora.data.formats.chat import Chat
from domlora.data.formats.fields import Fields, RowError
from domlora.data.samples import Message

NAME = "text"
KEYS = "text"
# Beside a text, these say that it is a question, a turn of a conversation or something to be told of.
ELSEWHERE = ("summary", "highlights", "code", "target", "targets", "label_text", "label", "role", "parent_id")


def matches(fields: Fields) -> bool:
    """True for a row with a text."""
    return fields.has("text") and isinstance(fields.peek("text"), str)


def named(fields: Fields) -> bool:
    return fields.names("text")


def read(fields: Fields) -> list[Chat]:
    """The text."""
    other = next((name for name in ELSEWHERE if fields.has(name)), None)
    if other is not None:
        raise RowError(
            f"has `{other}` beside its `text`, so that it is more than a text: say what both are, as in "
            f"--columns text=prompt,{other}=completion, or leave it out with --columns {other}=ignore"
        )
    return [Chat([Message("assistant", fields.text("text"))], whole=True)]
