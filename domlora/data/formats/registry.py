"""The public formats of fine-tuning rows, one small reader a file. In: a row; out: its conversations.

A reader is a module with `NAME`, `KEYS` (for error texts), `matches(fields)` (the row says what the format needs),
`named(fields)` (it has the keys, whatever they hold), `read(fields)`, and, where rows of the format keep something
twice, the names of that, `ONCE_MORE`. None knows of files, splits or other rows.
"""

from __future__ import annotations

from itertools import chain
from types import ModuleType

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
from domlora.data.formats.fields import MEANING, Fields, RowError

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
    allowed = getattr(form, "ONCE_MORE", ())
    left = [name for name in fields.unread() if name in MEANING and name not in allowed]
    if left:
        raise RowError(
            f"has `{left[0]}`, which rows of this format have no place for: say what it is, as in "
            f"--columns {left[0]}=input, or leave it out with --columns {left[0]}=ignore"
        )
    return chats
