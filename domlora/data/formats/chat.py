"""What a reader makes of a row: `Chat`; and what rows of all formats may keep beside their conversation."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from domlora.data.formats.fields import MEDIA, SYSTEMS, TOOLS, Fields, RowError, missing
from domlora.data.samples import Message

_TRUE, _FALSE = (True, 1, 1.0, "true", "True", "1"), (False, 0, 0.0, "false", "False", "0")


class Chat(NamedTuple):
    """One conversation as it stands in a row.

    Attributes:
        answer: the final answer to compare a generation with.
        tests: Python code that checks the code of a generation.
        tools: JSON texts of the schemas of the tools that may be called.
        whole: whether the only message is a text that is no conversation.
        unused: what of the row is not learned, one noun for each: `rejected answer`.
    """

    messages: list[Message]
    answer: str | None = None
    tests: str | None = None
    tools: tuple[str, ...] = ()
    whole: bool = False
    unused: tuple[str, ...] = ()


class Unused(Exception):
    """A row that is rightly left out; the message says which: `with label false left out`."""


def system_of(fields: Fields, turns: Sequence[Message] = ()) -> list[Message]:
    """The system prompt that some files keep beside the conversation, unless it is one of its turns too."""
    text = fields.text(*SYSTEMS)
    again = any(turn.role == "system" and turn.content.strip() == text.strip() for turn in turns)
    return [Message("system", text)] if text.strip() and not again else []


def answer_of(fields: Fields) -> str | None:
    """The final answer that some files keep beside the response."""
    answer = fields.peek("answer")
    if missing(answer) or not isinstance(answer, (str, int, float)) or not str(answer).strip():
        return None
    return str(fields.take("answer"))


def tests_of(fields: Fields) -> str | None:
    """The Python code that some files keep beside a response to check the code in it."""
    tests = fields.take("test")
    return tests if isinstance(tests, str) and tests.strip() else None


def tools_of(fields: Fields) -> tuple[str, ...]:
    """The schemas of the tools of a row, each as JSON text in the form that chat templates read.

    Raises:
        RowError: they are no list of objects.
    """
    tools = _json(fields.take(*TOOLS), "tools")
    if tools is None:
        return ()
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise RowError("has `tools` that are not a list of objects")
    made = (
        tool if "function" in tool or "name" not in tool else {"type": "function", "function": tool} for tool in tools
    )
    return tuple(json.dumps(tool, ensure_ascii=False) for tool in made)


def check_label(fields: Fields) -> None:
    """Reads the `label` of a row that says whether its answer is a good one (KTO).

    Raises:
        Unused: it is not.
        RowError: a label that says something else.
    """
    if not fields.has("label"):
        return
    label = fields.take("label")
    if isinstance(label, (str, int, float)) and label in _FALSE:
        raise Unused("with label false left out")
    if not isinstance(label, (str, int, float)) or label not in _TRUE:
        raise RowError(
            f"has the label {str(label)[:40]!r}, which is neither true nor false: say what it is, as in "
            "--columns label=answer or --columns label=ignore"
        )


def check_media(fields: Fields) -> None:
    """Raises RowError for a row with an image, a sound or a film."""
    for name in MEDIA:
        if fields.has(name) and fields.peek(name) != []:
            raise RowError(
                f"has `{name}`, and only text can be learned here: bring rows without, or leave it out with "
                f"--columns {name}=ignore"
            )


def _json(value: Any, name: str) -> Any:
    """A value, or what the JSON text says that a CSV holds it as."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        raise RowError(f"has a text in `{name}` that is not JSON") from None
