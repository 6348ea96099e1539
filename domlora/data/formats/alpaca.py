"""Stanford Alpaca's form; with `context` and `response`, Dolly's. One row:

    {"instruction": "Name the capital.", "input": "France", "output": "Paris."}

The user turn is the instruction and, after a blank line, the input if there is one: the model's own chat
template takes the place of the "Below is an instruction ..." text. LLaMA-Factory's `system` and `history` are
read as well.
"""

from __future__ import annotations

from typing import Any

from domlora.data.formats.chat import Chat, RowError, Turn, need, system_of, text_of

NAME = "alpaca"
KEYS = "instruction, input (may be empty), output"


def matches(keys: set[str], row: dict[str, Any]) -> bool:
    """True for a row with an instruction and an output."""
    return "instruction" in keys and not keys.isdisjoint(("output", "response"))


def read(row: dict[str, Any]) -> list[Chat]:
    """One exchange, after the system prompt and the earlier exchanges of the row, if there are any."""
    given = (text_of(need(row, "instruction")), text_of(row.get("input") or row.get("context")))
    prompt = "\n\n".join(text for text in given if text.strip())
    response = row["response"] if row.get("output") is None and "response" in row else need(row, "output")
    return [Chat(system_of(row) + _history(row) + [("user", prompt), ("assistant", text_of(response))])]


def _history(row: dict[str, Any]) -> list[Turn]:
    turns: list[Turn] = []
    history = row.get("history") or []
    if not isinstance(history, list):
        raise RowError("has a `history` that is not a list of [instruction, output] pairs")
    for pair in history:
        if not isinstance(pair, list) or len(pair) != 2:
            raise RowError("has a `history` that is not a list of [instruction, output] pairs")
        turns += [("user", text_of(pair[0])), ("assistant", text_of(pair[1]))]
    return turns
