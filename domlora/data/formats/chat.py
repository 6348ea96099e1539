"""What the readers of all formats share: roles, texts, lists of messages. In: values of a row; out: turns.

Roles of a turn are `system`, `user` and `assistant` and no others: every chat template knows these. Two other
kinds of turn are real and keep their text:

- what a tool answered (`tool`, `function`, `observation`) is read by the model and never written by it, so it
  becomes a `user` turn and stays out of the loss;
- a call of a tool (`function_call`, or `tool_calls` beside an empty `content`) is written by the model, so it
  becomes an `assistant` turn, the call as JSON. A model's own template may spell calls otherwise.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

Turn = tuple[str, str]  # role, text

ROLES = {
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter", "tool", "tool_response", "function", "observation", "ipython"),
    "assistant": (
        "assistant", "gpt", "chatgpt", "bing", "bard", "claude", "model", "bot",
        "ai", "function_call", "tool_call",
    ),
}  # fmt: skip
_ROLE = {alias: role for role, aliases in ROLES.items() for alias in aliases}
_TEXT_PARTS = ("text", "input_text", "output_text")


class Chat(NamedTuple):
    """One conversation as it stands in a row, with the final answer to compare with, or Python tests of its code."""

    turns: list[Turn]
    answer: str | None = None
    tests: str | None = None


class RowError(ValueError):
    """A row that cannot be read; the message says why, and the caller adds the file and the row."""


def need(row: dict[str, Any], key: str) -> Any:
    """The value of a key that every row of the format has; None stands for an empty one."""
    if key not in row:
        raise RowError(f"has no `{key}`, as the rows before it have")
    return row[key]


def text_of(content: Any) -> str:
    """The text of a content: a string, a number, nothing, or a list of text parts (joined by line breaks)."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, (int, float)) and not isinstance(content, bool):
        return str(content)
    if isinstance(content, list):
        return "\n".join(_part(part) for part in content)
    raise RowError(f"has {_named(content)} where a text is expected")


def turns_of(messages: Any) -> list[Turn]:
    """Reads `[{"role", "content"}]` or `[{"from", "value"}]`, also as JSON text, as a CSV holds it."""
    if isinstance(messages, str):
        try:
            messages = json.loads(messages)
        except (ValueError, RecursionError):
            raise RowError("has a text that is not JSON where a list of messages is expected") from None
    if messages is None:
        return []
    if not isinstance(messages, list):
        raise RowError(f"has {_named(messages)} where a list of messages is expected")
    return [_turn(message) for message in messages]


def system_of(row: dict[str, Any]) -> list[Turn]:
    """The system prompt that some files keep beside the conversation."""
    text = text_of(row.get("system") or row.get("system_prompt"))
    return [("system", text)] if text else []


def answer_of(row: dict[str, Any]) -> str | None:
    """The final answer that some files keep beside the response."""
    answer = row.get("answer")
    return str(answer) if isinstance(answer, (str, int, float)) and str(answer).strip() else None


def tests_of(row: dict[str, Any]) -> str | None:
    """The Python code that some files keep beside a response to check the code in it."""
    tests = row.get("test")
    return tests if isinstance(tests, str) and tests.strip() else None


def _turn(message: Any) -> Turn:
    if not isinstance(message, dict):
        raise RowError(f"has {_named(message)} where a message is expected")
    name = _first(message, "role", "from")
    role = _ROLE.get(name.strip().lower()) if isinstance(name, str) else None
    if role is None:
        known = ", ".join(alias for aliases in ROLES.values() for alias in aliases)
        raise RowError(f"has a message of the unknown role {str(name)[:40]!r} (known: {known})")
    text = text_of(_first(message, "content", "value"))
    if role == "assistant" and not text.strip() and isinstance(message.get("tool_calls"), list):
        text = "\n".join(_call(call) for call in message["tool_calls"])
    return role, text


def _first(message: dict[str, Any], *keys: str) -> Any:
    """Columns that were merged from several files hold None for the keys a row does not have."""
    return next((message[key] for key in keys if message.get(key) is not None), None)


def _call(call: Any) -> str:
    function = call.get("function", call) if isinstance(call, dict) else call
    return json.dumps(function, ensure_ascii=False, default=str)


def _part(part: Any) -> str:
    if isinstance(part, str):
        return part
    if not isinstance(part, dict) or part.get("type", "text") not in _TEXT_PARTS:
        kind = part.get("type") if isinstance(part, dict) else type(part).__name__
        raise RowError(f"has a part of type {str(kind)[:40]!r} in a message where only text can be used")
    return text_of(part.get("text"))


def _named(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return names.get(type(value), f"the {type(value).__name__} {str(value)[:40]!r}")
