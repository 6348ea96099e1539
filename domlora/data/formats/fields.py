"""The fields of a row, and which of them were read: what a row says and no reader has a place for is found out.

In: a row as a file holds it. Out: its values by the names that readers know. No file and no other row is known here.
"""

from __future__ import annotations

import json
import math
from typing import Any

# Names under which public data sets keep the same thing. What comes first wins where a row has several.
CONTEXTS = ("context", "passage", "article", "document", "paragraph", "story")
OPTIONS = ("choices", "options", "endings")
REASONINGS = (
    "reasoning", "reasoning_content", "thinking", "rationale", "cot", "chain_of_thought", "thought", "thoughts",
)  # fmt: skip
SYSTEMS = ("system", "system_prompt")
MEDIA = ("images", "image", "audios", "audio", "videos", "video")
TOOLS = ("tools", "functions")
CONVERSATIONS = ("messages", "conversations", "conversation")
# What a row says in one of these must reach the model, or be refused by name.
MEANING = (
    *CONVERSATIONS, *CONTEXTS, *OPTIONS, *REASONINGS, *SYSTEMS, *MEDIA, *TOOLS,
    "prompt", "completion", "instruction", "instances", "input", "output", "response", "question", "question_stem",
    "query", "problem", "solution", "canonical_solution", "answer", "answers", "history", "chosen", "rejected", "label",
    "text", "inputs", "targets", "target",
)  # fmt: skip
SWITCHES = ("on", "off", "yes", "no", "true", "false", "enabled", "disabled")
IGNORE = "ignore"  # the field of a column that is left out on purpose


class RowError(ValueError):
    """A row that cannot be read; the message says why, and the caller adds the file and the row."""


def missing(value: Any) -> bool:
    """Whether a value says nothing: none, not a number, an empty text; 0 and false are values."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


class Fields:
    """A row that remembers what was read of it."""

    def __init__(self, row: dict[str, Any]) -> None:
        self._row = row
        self._read: set[str] = set()

    def has(self, *names: str) -> bool:
        """Whether the row says something under each of these names."""
        return all(not missing(self._row.get(name)) for name in names)

    def names(self, *names: str) -> bool:
        """Whether the row has these keys, whatever they hold."""
        return all(name in self._row for name in names)

    def peek(self, name: str) -> Any:
        """A value, without its having been read."""
        return self._row.get(name)

    def take(self, *names: str) -> Any:
        """The value of the first of these names that says something; None if none does."""
        for name in names:
            if not missing(self._row.get(name)):
                self._read.add(name)
                return self._row[name]
        return None

    def text(self, *names: str) -> str:
        """As `take`, as a text.

        Raises:
            RowError: it is no text.
        """
        value = self.take(*names)
        name = next((name for name in names if name in self._read), names[0])
        return text_of(value, name)

    def thoughts(self) -> str:
        """What is thought before the answer.

        Raises:
            RowError: it is no text, or a switch.
        """
        name = next((name for name in REASONINGS if self.has(name)), REASONINGS[0])
        return thoughts_of(self.take(name), name)

    def unread(self) -> list[str]:
        """The fields that say something and were not read."""
        return [name for name, value in self._row.items() if name not in self._read and not missing(value)]

    def keys(self) -> list[str]:
        return list(self._row)


def thoughts_of(value: Any, name: str = "reasoning") -> str:
    """The text of thoughts; a switch that says whether there shall be any is none.

    Raises:
        RowError: such a switch, or no text.
    """
    switch = isinstance(value, (bool, int, float)) or str(value).strip().lower() in SWITCHES
    if not missing(value) and switch:
        raise RowError(
            f"has {str(value)[:20]!r} in `{name}`, which are no thoughts: leave it out with --columns {name}=ignore"
        )
    return text_of(value, name)


def text_of(value: Any, name: str = "content") -> str:
    """The text of a value that is one: a string, or a number or a boolean in its JSON form; none is empty.

    Raises:
        RowError: a list or an object, which is never joined to a text.
    """
    if missing(value):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (bool, int, float)):
        return json.dumps(value)
    kind = "a list" if isinstance(value, (list, tuple)) else "an object" if isinstance(value, dict) else "no text"
    raise RowError(f"has {kind} in `{name[:40]}` where a text is expected")
