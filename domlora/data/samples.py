"""A conversation to learn from: `Message`, `ToolCall`, `Sample`. Plain data; no file and no tokenizer is known here."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function that the assistant calls.

    Attributes:
        arguments: the JSON text of an object.
        id: what the result of the call refers to, where the source has one.
    """

    name: str
    arguments: str
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn.

    Attributes:
        role: system, user, assistant or tool.
        content: what is said; the parts of a content that is a list, joined by line breaks.
        parts: such a list of texts, for templates that write parts; empty where there is one text.
        reasoning: what the assistant thinks before it answers, where the source keeps that apart.
        tool_calls: what the assistant calls, after its content.
        name: who speaks, or which tool answers.
        call_id: of the call that a tool answers.
        trained: False for an assistant's turn that is context only.
    """

    role: str
    content: str
    parts: tuple[str, ...] = ()
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    name: str | None = None
    call_id: str | None = None
    trained: bool = True

    @property
    def says_something(self) -> bool:
        return bool(self.content.strip() or self.reasoning.strip() or self.tool_calls)

    def extras(self) -> dict[str, Any]:
        """What there is beside role and content, by name; JSON values."""
        found: dict[str, Any] = {}
        if self.parts:
            found["parts"] = list(self.parts)
        if self.reasoning:
            found["reasoning"] = self.reasoning
        if self.tool_calls:
            found["tool_calls"] = [[call.name, call.arguments, call.id] for call in self.tool_calls]
        if self.name is not None:
            found["name"] = self.name
        if self.call_id is not None:
            found["call_id"] = self.call_id
        if not self.trained:
            found["trained"] = False
        return found

    def as_context(self) -> Message:
        """The same turn, not to be learned."""
        return replace(self, trained=False) if self.role == "assistant" else self


@dataclass(frozen=True, slots=True)
class Sample:
    """One conversation that ends with a turn of the assistant that is learned.

    No turn is empty but for a system text, which may be: a template with a system text of its own shows that where a
    conversation has none.

    Attributes:
        row: line or position in the source, from 1; several samples may come from one row.
        answer: the final answer to compare a generation with, where the source states one.
        tests: Python code that raises unless the code of a generation, run before it, is right.
        tools: JSON texts of the schemas of the tools that the assistant may call.
        whole: True for a text that is no conversation: it is the content of the only message, and is learned whole,
            without a chat template.
    """

    messages: tuple[Message, ...]
    split: str = "train"
    row: int = 0
    answer: str | None = None
    tests: str | None = None
    tools: tuple[str, ...] = ()
    whole: bool = False

    def content(self) -> list[Any]:
        """What is hashed: the split, and what a model reads and learns. JSON values."""
        turns = [(m.role, m.content, extras) if (extras := m.extras()) else (m.role, m.content) for m in self.messages]
        more: dict[str, Any] = {"tools": list(self.tools)} if self.tools else {}
        if self.whole:
            more["whole"] = True
        return [self.split, turns, more] if more else [self.split, turns]
