"""A prompt and what follows it, under the names that public data sets use. One row:

    {"prompt": "The sky is", "completion": " blue."}

Both sides may be lists of messages, as in TRL's conversational form: those of the prompt are context, and only the
completion is learned. Texts are kept to the letter, the leading blank of a completion included. The names are tried in
the order of `PAIRS`. A context comes before its question, an input after its prompt, each with a blank line between. Of
SQuAD's `answers` the first is learned. With a `label` (KTO), only rows whose label is true are learned.
"""

from __future__ import annotations

from typing import Any

from domlora.data.formats.chat import Chat, answer_of, check_label, system_of, tests_of, tools_of
from domlora.data.formats.fields import CONTEXTS, Fields, RowError, text_of
from domlora.data.formats.turns import messages_of
from domlora.data.samples import Message

NAME = "prompt_completion"
KEYS = "prompt, completion (or response; question, query, problem or input with their answers)"
PAIRS = (
    ("prompt", "completion"),
    ("prompt", "response"),
    ("prompt", "output"),
    ("prompt", "answer"),
    ("question", "response"),  # OpenOrca
    ("query", "response"),  # MetaMathQA
    ("problem", "solution"),  # MATH, Magicoder
    ("problem", "answer"),
    ("question", "solution"),
    ("question", "answer"),
    ("question", "output"),
    ("question", "answers"),  # SQuAD
    ("query", "answer"),  # Code-Feedback
    ("query", "output"),
    ("input", "output"),
    ("inputs", "targets"),  # FLAN
    ("input", "target"),
)


def matches(fields: Fields) -> bool:
    """True for a row that has both names of a pair."""
    return any(fields.has(*pair) for pair in PAIRS)


def named(fields: Fields) -> bool:
    return any(fields.names(*pair) for pair in PAIRS)


def read(fields: Fields) -> list[Chat]:
    """One exchange, or the conversation that both sides make up."""
    check_label(fields)
    known = next((pair for has in (fields.has, fields.names) for pair in PAIRS if has(*pair)), None)
    if known is None:
        raise RowError("has no prompt with a response")
    prompt, completion = known
    asked = _asked(fields, prompt)
    unused: tuple[str, ...] = ()
    value = fields.take(completion)
    if completion == "answers":
        value, unused = _first_answer(value)
    if isinstance(value, (list, dict)) and _are_messages(value):
        reply = messages_of(value)
    else:
        reply = [Message("assistant", text_of(value, completion), reasoning=fields.thoughts())]
    answer = None if completion in ("answer", "answers") else answer_of(fields)
    turns = [*system_of(fields), *asked, *reply]
    return [Chat(turns, answer, tests_of(fields), tools_of(fields), unused=unused)]


def _asked(fields: Fields, name: str) -> list[Message]:
    value = fields.take(name)
    if isinstance(value, (list, dict)) and _are_messages(value):
        return [message.as_context() for message in messages_of(value)]
    given = [fields.text(*CONTEXTS), text_of(value, name), fields.text("input") if name != "input" else ""]
    return [Message("user", "\n\n".join(text for text in given if text.strip()) if any(given) else "")]


def _are_messages(value: Any) -> bool:
    listed = value if isinstance(value, list) else [value]
    return all(isinstance(one, dict) and ("role" in one or "from" in one) for one in listed)


def _first_answer(answers: Any) -> tuple[Any, tuple[str, ...]]:
    texts = answers.get("text") if isinstance(answers, dict) else answers
    if not isinstance(texts, (list, tuple)):
        return texts, ()
    texts = list(dict.fromkeys(text_of(text, "answers") for text in texts))
    return (texts[0] if texts else None), ("other answer",) * (len(texts) - 1)
