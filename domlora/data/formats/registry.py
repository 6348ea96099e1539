"""The public formats of fine-tuning rows, one small reader a file. In: a row; out: its conversations.

A reader is a module with `NAME`, `KEYS` (for error texts), `matches(fields)` (the row says what the format needs),
`named(fields)` (it has the keys, whatever they hold) and `read(fields)`. It may say what a context that it has no place
for could be (`PLACE`). None knows of files, splits or other rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from types import ModuleType
from typing import Any

from domlora.data.formats import (
    alpaca,
    choices,
    gsm8k,
    human_eval,
    messages,
    preference,
    prompt_completion,
    self_instruct,
    sharegpt,
    text,
)
from domlora.data.formats.chat import Chat, check_media
from domlora.data.formats.fields import CONTEXTS, CONVERSATIONS, MEANING, Fields, RowError
from domlora.data.formats.turns import messages_of

LONG = 20  # characters: a shorter text may be part of another by chance
# The most telling keys first: rows often keep their prompt once more beside their messages.
FORMATS: tuple[ModuleType, ...] = (
    preference,
    messages,
    sharegpt,
    human_eval,
    choices,
    gsm8k,
    self_instruct,
    alpaca,
    prompt_completion,
    text,
)


def recognise(fields: Fields) -> ModuleType | None:
    """The format of a row by what it says, else by the keys it has, or None."""
    says = (form for form in FORMATS if form.matches(fields))
    has_keys = (form for form in FORMATS if form.named(fields))
    return next(chain(says, has_keys), None)


def read(form: ModuleType, fields: Fields) -> list[Chat]:
    """The conversations of a row.

    Raises:
        RowError: it cannot be read, or says something that the format has no place for.
        Unused: it is rightly left out.
    """
    check_media(fields)
    chats: list[Chat] = form.read(fields)
    for name in fields.unread():
        if name in MEANING and not _said_already(name, fields.peek(name), chats):
            place = getattr(form, "PLACE", "input") if name in CONTEXTS else None
            could = f"say what it is, as in --columns {name}={place}, or " if place else ""
            raise RowError(
                f"has `{name}`, which rows of this format have no place for: {could}leave it out with "
                f"--columns {name}=ignore"
            )
    return chats


def _said_already(name: str, value: Any, chats: Sequence[Chat]) -> bool:
    """Whether a value is part of a turn, or holds all that is said, as a text written out by a template does."""
    said = [message.content for chat in chats for message in chat.messages if message.content.strip()]
    if name in CONVERSATIONS:
        turns = {text.strip() for text in said}
        return all(message.content.strip() in turns for message in messages_of(value))
    if not isinstance(value, str):
        return False
    text = value.strip()
    if any(text in (one.strip(), *one.splitlines()) or (len(text) >= LONG and text in one) for one in said):
        return True
    return bool(said) and all(part.strip() in value for text in said for part in text.split("\n\n"))
