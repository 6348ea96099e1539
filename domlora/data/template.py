"""A model's chat template: a conversation in, the text that the model reads out. Knows no token and no loss.

A template takes a content as text or as a list of parts, and the arguments of a tool call as an object or as JSON
text: which of them, it does not say, so it is tried out. What it refuses, it refuses in its own words (`Refused`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from domlora.data.samples import Message
from domlora.data.system_text import fold_system

Form = Literal["text", "parts"]
GENERATION = re.compile(r"\{%-?\s*generation\s*-?%\}")
_PROBE = "domlora0probe"  # a word that no template writes by itself
# What code that somebody else wrote may raise; a template is such code.
TEMPLATE_ERRORS = (
    TemplateError,
    TypeError,
    ValueError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
WAY_OUT = "--system fold puts the system text before the first question, --system drop leaves it out"


class Refused(Exception):
    """A conversation that cannot be put to the model as it was meant; the message says why, in one line."""


class ChatTemplate:
    """The chat template of a tokenizer that has one."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._source = tokenizer.get_chat_template()
        self._special = tokenizer.special_tokens_map
        end = self._special.get("eos_token")
        self.end_of_text = str(end) if end else ""
        self.marks_answers = GENERATION.search(self._source) is not None

    def render(self, messages: Sequence[Message], tools: Sequence[str] = (), *, prompt: bool = False) -> str:
        """The text of a conversation.

        Args:
            tools: JSON texts of schemas.
            prompt: whether it ends where the assistant begins to speak.

        Raises:
            Refused: by the template.
        """
        return self._render(messages, tools, prompt)[0]

    def render_marked(
        self, messages: Sequence[Message], tools: Sequence[str] = ()
    ) -> tuple[str, list[tuple[int, int]]]:
        """The text, and the spans in it that a template with `{% generation %}` says the model writes.

        Raises:
            Refused: by the template.
        """
        return self._render(messages, tools, prompt=False)

    def _render(
        self, messages: Sequence[Message], tools: Sequence[str], prompt: bool
    ) -> tuple[str, list[tuple[int, int]]]:
        try:
            return self._with(messages, tools, prompt, objects=True)
        except TEMPLATE_ERRORS as error:
            if any(message.tool_calls for message in messages):
                try:  # some templates join the arguments of a call to a text
                    return self._with(messages, tools, prompt, objects=False)
                except TEMPLATE_ERRORS:
                    pass  # what it says of the usual form is the better reason
            raise Refused(self._why(messages, tools, prompt, error)) from error

    def _why(self, messages: Sequence[Message], tools: Sequence[str], prompt: bool, error: Exception) -> str:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        words = f"the model's chat template refuses it: {reason}"
        folded = fold_system(messages)
        if any(message.role == "system" for message in messages) and folded != tuple(messages):
            try:
                self._with(folded, tools, prompt, objects=True)
            except TEMPLATE_ERRORS:
                return words
            return f"{words} ({WAY_OUT})"
        return words

    def _with(
        self, messages: Sequence[Message], tools: Sequence[str], prompt: bool, objects: bool
    ) -> tuple[str, list[tuple[int, int]]]:
        made = [_as_template_reads(m, self._forms.get(m.role, "text"), objects) for m in messages]
        return self._apply(made, tools, prompt)

    def _apply(
        self, messages: list[dict[str, Any]], tools: Sequence[str], prompt: bool
    ) -> tuple[str, list[tuple[int, int]]]:
        special: dict[str, Any] = dict(self._special)
        rendered: Any = render_jinja_template(
            conversations=[messages],
            tools=[json.loads(tool) for tool in tools] or None,
            chat_template=self._source,
            return_assistant_tokens_mask=self.marks_answers,
            add_generation_prompt=prompt,
            **special,
        )
        texts, spans = rendered
        return str(texts[0]), [(first, last) for first, last in spans[0]] if spans else []

    @cached_property
    def _forms(self) -> dict[str, Form]:
        """How a content must be given, for each role: as text, unless the template shows it as parts only."""
        user = self._form([], "user", [])
        asked = [{"role": "user", "content": _given("a", user)}]
        return {
            "user": user,
            "tool": user,
            "assistant": self._form(asked, "assistant", []),
            "system": self._form([], "system", asked),
        }

    def _form(self, before: list[dict[str, Any]], role: str, after: list[dict[str, Any]]) -> Form:
        forms: tuple[Form, ...] = ("text", "parts")
        for form in forms:
            try:
                text = self._apply([*before, {"role": role, "content": _given(_PROBE, form)}, *after], (), False)[0]
            except TEMPLATE_ERRORS:
                continue
            # A template that prints a list as Python or JSON does shows no parts.
            if _PROBE in text and not re.search("""["']type["']""", text):
                return form
        return "text"


def _given(text: str, form: Form) -> Any:
    return text if form == "text" else [{"type": "text", "text": text}]


def _as_template_reads(message: Message, form: Form, objects: bool) -> dict[str, Any]:
    """A message under the names that chat templates read (those of OpenAI's API and of transformers)."""
    made: dict[str, Any] = {"role": message.role, "content": message.content}
    if form == "parts":
        made["content"] = [{"type": "text", "text": part} for part in message.parts or (message.content,)]
    if message.reasoning:
        made["reasoning_content"] = message.reasoning  # transformers gives it its other names
    if message.name is not None:
        made["name"] = message.name
    if message.call_id is not None:
        made["tool_call_id"] = message.call_id
    if message.tool_calls:
        made["tool_calls"] = [
            {
                "type": "function",
                **({"id": call.id} if call.id is not None else {}),
                "function": {
                    "name": call.name,
                    "arguments": json.loads(call.arguments) if objects else call.arguments,
                },
            }
            for call in message.tool_calls
        ]
    return made
