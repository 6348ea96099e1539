"""Stanford Alpaca's form; with `context` and `response`, Dolly's. One row:

    {"instruction": "Name the capital.", "input": "France", "output": "Paris."}

The user turn is the instruction and, after a blank line, the input if there is one: the model's own chat
template takes the place of the "Below is an instruction ..." text. LLaMA-Factory's `system` and `history` are
read as well; the answers of a history are learned, as there. An `output` that is a list of answers is a
preference: the first of them is learned.
"""

from __future__ import annotations

from typing import Any

from domlora.data.formats.chat import Chat, answer_of, check_label, system_of, tests_of, tools_of
from domlora.data.formats.fields import CONTEXTS, Fields, RowError, missing, text_of
from domlora.data.formats.turns import messages_of
from domlora.data.samples import Message

NAME = "alpaca"
KEYS = "instruction, input (may be empty), output"
_ANSWERS = ("output", "response")


def matches(fields: Fields) -> bool:
    """True for a row with an instruction and an output."""
    return fields.has("instruction") and any(fields.has(name) for name in _ANSWERS)


def named(fields: Fields) -> bool:
    return fields.names("instruction") and any(fields.names(name) for name in _ANSWERS)


def read(fields: Fields) -> list[Chat]:
    """One exchange, after the system prompt and the earlier exchanges of the row, if there are any."""
    check_label(fields)
    given = [fields.text("instruction"), fields.text("input"), fields.text(*CONTEXTS)]
    prompt = "\n\n".join(text for text in given if text.strip())
    output, unused = _output(fields.take(*_ANSWERS))
    reply = Message("assistant", output, reasoning=fields.thoughts())
    turns = [*system_of(fields), *_history(fields.take("history")), Message("user", prompt), reply]
    return [Chat(turns, answer_of(fields), tests_of(fields), tools_of(fields), unused=unused)]


def _output(output: Any) -> tuple[str, tuple[str, ...]]:
    """The answer to learn, and what else there is."""
    if isinstance(output, (list, tuple)) and len(output) > 1 and all(isinstance(one, str) for one in output):
        return output[0], ("rejected answer",) * (len(output) - 1)
    return text_of(output, "output"), ()


def _history(history: Any) -> list[Message]:
    if missing(history):
        return []
    wrong = RowError("has a `history` that is not a list of [instruction, output] pairs")
    if not isinstance(history, (list, tuple)):
        raise wrong
    if history and all(isinstance(one, dict) for one in history):
        return messages_of(history)
    turns: list[Message] = []
    for pair in history:
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise wrong
        turns += [Message("user", text_of(pair[0])), Message("assistant", text_of(pair[1]))]
    return turns
