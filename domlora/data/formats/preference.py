"""Two answers, one preferred: DPO's form in TRL, LLaMA-Factory, UltraFeedback and HH-RLHF. One row:

    {"prompt": "Name a tree.", "chosen": "Oak.", "rejected": "Brick."}

The chosen side is learned, the other is not, and that is said. Either side may be a text, messages that follow the
prompt, or a whole conversation, of which the last answer is learned; HH-RLHF writes whole conversations as one text.
"""

from __future__ import annotations

import re
from typing import Any

from domlora.data.formats.chat import Chat, system_of, tools_of
from domlora.data.formats.fields import CONTEXTS, CONVERSATIONS, Fields, RowError, text_of
from domlora.data.formats.turns import messages_of
from domlora.data.samples import Message

NAME = "preference"
KEYS = "prompt, chosen, rejected"
_PROMPTS = ("prompt", "question", "instruction", "query")
_TRANSCRIPT = re.compile(r"\n\n(Human|Assistant):")


def matches(fields: Fields) -> bool:
    """True for a row with a chosen and a rejected side."""
    return fields.has("chosen", "rejected")


def named(fields: Fields) -> bool:
    return fields.names("chosen", "rejected")


def read(fields: Fields) -> list[Chat]:
    """What comes before, as context, and the chosen answer."""
    fields.take("rejected")
    chosen = _side(fields.take("chosen"))
    speaks_first = bool(chosen) and chosen[0].role != "assistant"
    turns = chosen if speaks_first else _before(fields) + chosen
    last = max((i for i, turn in enumerate(turns) if turn.role == "assistant"), default=-1)
    turns = [turn if i == last else turn.as_context() for i, turn in enumerate(turns)]
    system = [] if turns and turns[0].role == "system" else system_of(fields)
    return [Chat([*system, *turns], tools=tools_of(fields), unused=("rejected answer",))]


def _side(value: Any) -> list[Message]:
    if isinstance(value, str):
        parts = _TRANSCRIPT.split(value)
        if len(parts) > 2 and not parts[0].strip():
            roles = {"Human": "user", "Assistant": "assistant"}
            return [Message(roles[who], said.strip()) for who, said in zip(parts[1::2], parts[2::2], strict=True)]
        return [Message("assistant", value)]
    if isinstance(value, (list, dict)):
        return messages_of(value)
    return [Message("assistant", text_of(value, "chosen"))]


def _before(fields: Fields) -> list[Message]:
    prompt = fields.take(*_PROMPTS)
    for name in CONVERSATIONS if prompt is None else ():
        if fields.has(name):
            return messages_of(fields.take(name))
    if isinstance(prompt, (list, dict)):
        return messages_of(prompt)
    if isinstance(prompt, str) and len(_TRANSCRIPT.split(prompt)) > 2 and not _TRANSCRIPT.split(prompt)[0].strip():
        return [turn for turn in _side(prompt) if turn.content]
    given = [fields.text(*CONTEXTS), text_of(prompt, "prompt"), fields.text("input")]
    if not any(text.strip() for text in given):
        raise RowError("has a chosen answer and no prompt before it")
    return [Message("user", "\n\n".join(text for text in given if text.strip()))]
