"""What is done with the system text of a conversation, where a user asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from domlora.data.samples import Message


def fold_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The system text before the first user turn's, with a blank line between, for models that know no system role."""
    system = [message for message in messages if message.role == "system" and message.content.strip()]
    rest = [message for message in messages if message.role != "system"]
    first = next((i for i, message in enumerate(rest) if message.role == "user"), None)
    if first is None or not system:
        return tuple(messages)
    text = "\n\n".join([message.content for message in system] + [rest[first].content])
    parts = tuple(message.content for message in system) + rest[first].parts if rest[first].parts else ()
    rest[first] = replace(rest[first], content=text, parts=parts)
    return tuple(rest)
