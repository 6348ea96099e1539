"""Plain text that is no conversation, as TRL and axolotl take it. One row:

    {"text": "The river rose at night."}

It is learned whole, without a chat template, with the end-of-text token after it.
"""

from __future__ import annotations

from domlora.data.formats.chat import Chat, check_label
from domlora.data.formats.fields import Fields
from domlora.data.samples import Message

NAME = "text"
KEYS = "text"


def matches(fields: Fields) -> bool:
    """True for a row with a text."""
    return fields.has("text") and isinstance(fields.peek("text"), str)


def named(fields: Fields) -> bool:
    return fields.names("text")


def read(fields: Fields) -> list[Chat]:
    """The text."""
    check_label(fields)
    return [Chat([Message("assistant", fields.text("text"))], whole=True)]
