"""The turns of a conversation, under all names that public files have for roles, contents and calls.

In: a list of messages as a row holds it. Out: `Message`s of four roles: system, user, assistant, tool.

    a call of a tool (`tool_calls`, `function_call`, or a turn of that role) belongs to the assistant's turn
    what a tool answered (`tool`, `function`, `observation`) is a turn of its own, and no user's
    `weight: 0` or `train: false` make a turn of the assistant context only
"""

from __future__ import annotations

import json
import re
from typing import Any

from domlora.data.formats.fields import MEDIA, REASONINGS, RowError, missing, text_of, thoughts_of
from domlora.data.samples import Message, ToolCall

ROLES = {
    "system": ("system", "developer"),
    "user": ("user", "human", "prompter"),
    "tool": ("tool", "tool_response", "tool_result", "function", "observation", "ipython"),
    "assistant": ("assistant", "gpt", "chatgpt", "bing", "bard", "claude", "model", "bot", "ai"),
    "call": ("function_call", "tool_call"),
}
_ROLE = {alias: role for role, aliases in ROLES.items() for alias in aliases}
CONTENTS = ("content", "value", "text")
# What readers know of a message, and what is no part of what it says.
KNOWN = frozenset((
    "role", "from", *CONTENTS, *REASONINGS, *MEDIA, "tool_calls", "function_call", "name", "tool_call_id", "weight",
    "train", "trainable", "training", "train_on_turn", "loss", "loss_mask", "id", "type",
))  # fmt: skip
_TEXT_PARTS = ("text", "input_text", "output_text")
_THOUGHT_PARTS = ("thinking", "reasoning")
_SWITCHES = ("train", "trainable", "training", "train_on_turn", "loss", "loss_mask")
_CALL_TAGS = re.compile(r"</?tool_call>")


def messages_of(messages: Any) -> list[Message]:
    """Reads `[{"role", "content"}]` or `[{"from", "value"}]`, also as JSON text, as a CSV holds it.

    Raises:
        RowError: it is none, or a message of it cannot be read.
    """
    if isinstance(messages, str):
        try:
            messages = json.loads(messages)
        except (ValueError, RecursionError):
            raise RowError("has a text that is not JSON where a list of messages is expected") from None
    if missing(messages):
        return []
    if isinstance(messages, dict):
        messages = [messages]
    if not isinstance(messages, (list, tuple)):
        raise RowError(f"has {_named(messages)} where a list of messages is expected")
    return [message for one in messages if (message := _message(one)) is not None]


def _message(message: Any) -> Message | None:
    """A turn; None for a system turn that says that there is none."""
    if not isinstance(message, dict):
        raise RowError(f"has {_named(message)} where a message is expected")
    named = _first(message, "role", "from")
    role = _ROLE.get(named.strip().lower()) if isinstance(named, str) else None
    if role is None:
        known = ", ".join(alias for aliases in ROLES.values() for alias in aliases)
        raise RowError(f"has a message of the unknown role {str(named)[:40]!r} (known: {known})")
    for name in MEDIA:
        if message.get(name):
            raise RowError(f"has a message with `{name}`, and only text can be learned here")
    content, parts, thoughts = _content(message)
    if role == "system" and _first(message, *CONTENTS) is None and not parts:
        return None
    reasoning = thoughts_of(_first(message, *REASONINGS)) or thoughts
    calls = _calls(message)
    if role == "call":
        said = _said_calls(content)
        role, content, parts, calls = ("assistant", "", (), said) if said else ("assistant", content, parts, calls)
    return Message(
        role,
        content,
        parts=parts,
        reasoning=reasoning if role == "assistant" else "",
        tool_calls=calls if role == "assistant" else (),
        name=_text_or_none(message.get("name")),
        call_id=_text_or_none(message.get("tool_call_id")),
        trained=role != "assistant" or _trained(message),
    )


def _content(message: dict[str, Any]) -> tuple[str, tuple[str, ...], str]:
    """Text, its parts if there are several, and thoughts among them."""
    present = [name for name in CONTENTS if not missing(message.get(name))]
    if not present and not any(name in message for name in (*CONTENTS, "tool_calls", "function_call", *REASONINGS)):
        raise RowError(f"has a message without a text: it needs one of {', '.join(CONTENTS)}")
    value = message[present[0]] if present else None
    if not isinstance(value, (list, tuple)):
        return text_of(value), (), ""
    texts, thoughts = [], []
    for part in value:
        kind = "text" if isinstance(part, str) else part.get("type", "text") if isinstance(part, dict) else None
        if kind in _TEXT_PARTS:
            texts.append(part if isinstance(part, str) else text_of(part.get("text")))
        elif kind in _THOUGHT_PARTS:
            thoughts.append(text_of(_first(part, "thinking", "reasoning", "text")))
        else:
            kind = kind if isinstance(part, dict) else type(part).__name__
            raise RowError(f"has a part of type {str(kind)[:40]!r} in a message where only text can be used")
    return "\n".join(texts), tuple(texts) if len(texts) > 1 else (), "\n".join(thoughts)


def _calls(message: dict[str, Any]) -> tuple[ToolCall, ...]:
    calls, single = message.get("tool_calls"), message.get("function_call")
    found = [_call(one) for one in _listed(calls)] if not missing(calls) else []
    return tuple(found + ([_call(single)] if not missing(single) else []))


def _said_calls(text: str) -> tuple[ToolCall, ...]:
    """The calls that a turn of its own role says as JSON; none if it says something else."""
    try:
        said = json.loads(_CALL_TAGS.sub("", text))
        return tuple(_call(one) for one in (said if isinstance(said, list) else [said]))
    except (ValueError, RecursionError, RowError):
        return ()


def _listed(calls: Any) -> list[Any]:
    if isinstance(calls, str):
        try:
            calls = json.loads(calls)
        except (ValueError, RecursionError):
            raise RowError("has `tool_calls` that are not JSON") from None
    return list(calls) if isinstance(calls, (list, tuple)) else [calls]


def _call(call: Any) -> ToolCall:
    if isinstance(call, str):
        try:
            call = json.loads(call)
        except (ValueError, RecursionError):
            raise RowError("has a call of a tool that is not JSON") from None
    function = call.get("function", call) if isinstance(call, dict) else None
    name = function.get("name") if isinstance(function, dict) else None
    if not isinstance(function, dict) or not isinstance(name, str) or not name:
        raise RowError("has a call of a tool without a name")
    arguments = function.get("arguments", function.get("parameters"))
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments or "{}")
        except (ValueError, RecursionError):
            raise RowError(f"has a call of {name[:40]!r} whose arguments are not JSON") from None
    if not isinstance(arguments, dict):
        if arguments is not None:
            raise RowError(f"has a call of {name[:40]!r} whose arguments are {_named(arguments)}, not an object")
        arguments = {}
    return ToolCall(name, json.dumps(arguments, ensure_ascii=False, default=str), _text_or_none(call.get("id")))


def _trained(message: dict[str, Any]) -> bool:
    weight = message.get("weight")
    if not missing(weight):
        if weight not in (0, 1):
            raise RowError(f"has a message of weight {str(weight)[:20]}: only 0 (context) and 1 (learned) are known")
        return bool(weight)
    return all(_switched_on(name, message[name]) for name in _SWITCHES if not missing(message.get(name)))


def _switched_on(name: str, value: Any) -> bool:
    said = str(value).strip().lower()
    if said in ("1", "1.0", "true", "yes"):
        return True
    if said in ("0", "0.0", "false", "no"):
        return False
    raise RowError(f"has a message with {str(value)[:20]!r} in `{name}`, which is neither true nor false")


def _first(message: dict[str, Any], *keys: str) -> Any:
    """Columns that were merged from several files hold None for the keys a row does not have."""
    return next((message[key] for key in keys if message.get(key) is not None), None)


def _text_or_none(value: Any) -> str | None:
    return None if missing(value) else text_of(value)


def _named(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
    return names.get(type(value), f"the {type(value).__name__} {str(value)[:40]!r}")
