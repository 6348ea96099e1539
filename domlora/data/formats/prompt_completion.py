"""A prompt and what follows it, under the names that public data sets use. One row:

    {"prompt": "The sky is", "completion": " blue."}

Both sides may be lists of messages, as in TRL's conversational form. Texts are kept to the letter, the
leading blank of a completion included. The names are tried in the order of `PAIRS`.
"""

from __future__ import annotations

from typing import Any

from domlora.data.formats.chat import Chat, RowError, Turn, answer_of, system_of, text_of, turns_of

NAME = "prompt_completion"
KEYS = "prompt, completion (or response; question, query, problem or input with their answers)"
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("question", "response"),  # OpenOrca
    ("query", "response"),  # MetaMathQA
    ("problem", "solution"),  # MATH, Magicoder
    ("question", "answer"),
    ("query", "answer"),  # Code-Feedback
    ("input", "output"),
)


def matches(keys: set[str], row: dict[str, Any]) -> bool:
    """True for a row that has both names of a pair."""
    return any(keys.issuperset(pair) for pair in PAIRS)


def read(row: dict[str, Any]) -> list[Chat]:
    """One exchange, or the conversation that both sides make up."""
    filled = {key for key, value in row.items() if value is not None}
    # A row without a response is no error: look first for a pair with both values, then for both columns.
    pair = next((pair for keys in (filled, set(row)) for pair in PAIRS if keys.issuperset(pair)), None)
    if pair is None:
        raise RowError("has no prompt with a response, as the rows before it have")
    turns = _side(row[pair[0]], "user") + _side(row[pair[1]], "assistant")
    return [Chat(system_of(row) + turns, None if "answer" in pair else answer_of(row))]


def _side(value: Any, role: str) -> list[Turn]:
    return turns_of(value) if isinstance(value, list) else [(role, text_of(value))]
