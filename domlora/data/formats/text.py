"""Plain text that is no conversation, as TRL and axolotl take it. One row:

    {"text": "The river rose at night."}

It is learned whole, without a chat template, with the end-of-text token after it.
"""

from __future__ import annotations

from domlora.data.formats.chat import Chat
from domlora.data.formats.fields import Fields
from domlora.data.samples import Message

NAME = "text"
KEYS = "text"
PLACE = "completion,text=prompt"  # a label, say, that is to be told of the text


def matches(fields: Fields) -> bool:
    """True for a row with a text."""
    return fields.has("text") and isinstance(fields.peek("text"), str)


def named(fields: Fields) -> bool:
    return fields.names("text")


def read(fields: Fields) -> list[Chat]:
    """The text."""
    return [Chat([Message("assistant", fields.text("text"))], whole=True)]
