"""A conversation in plain text, for models without a chat template: `User: ...`, `Assistant: ...`.

In: messages and the text that ends an answer. Out: a text and the spans of it that the model is to write.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from domlora.data.samples import Message

ROLE_NAMES = {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"}
# Where the assistant begins to speak. No blank at the end: the first token of an answer brings its own.
ASKED = f"{ROLE_NAMES['assistant']}:"


def plain_turns(messages: Sequence[Message], end: str) -> tuple[str, list[tuple[int, int]]]:
    """`User: ...`, blank line, `Assistant: ...` with `end` after each answer, blank line.

    Calls of tools follow the content, one JSON object a line; thoughts that a source keeps apart are not shown.

    Returns:
        The text, and (first, last) of the characters of each answer that is learned, without the blank before it.
    """
    text, spans = "", []
    for message in messages:
        text += f"{ROLE_NAMES[message.role]}: "
        said = content_of(message)
        if message.role == "assistant":
            said += end
            if message.trained:
                spans.append((len(text), len(text) + len(said)))
        text += f"{said}\n\n"
    return text, spans


def content_of(message: Message) -> str:
    """What a turn says, calls of tools included."""
    calls = [
        json.dumps({"name": call.name, "arguments": json.loads(call.arguments)}, ensure_ascii=False)
        for call in message.tool_calls
    ]
    return "\n".join(([message.content] if message.content.strip() or not calls else []) + calls)
