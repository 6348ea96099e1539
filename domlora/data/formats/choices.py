"""Questions with choices, as MMLU, ARC, CommonsenseQA, HellaSwag and MedMCQA write them. One row:

    {"question": "Which is a tree?", "choices": ["oak", "brick", "sock", "clock"], "answer": 0}

The prompt is the one that MMLU is evaluated with, and what is learned is the letter:

    Which is a tree?
    A. oak
    B. brick
    C. sock
    D. clock
    Answer:

The choices may be a list, ARC's `{"text": [...], "label": [...]}`, MedQA's `{"A": ..., "B": ...}`, or columns `A` to
`H` or `opa` to `opd`; the answer an index from 0, a letter, a label, or the text of a choice.
"""

from __future__ import annotations

import string
from typing import Any

from domlora.data.formats.chat import Chat, system_of
from domlora.data.formats.fields import CONTEXTS, OPTIONS, Fields, RowError, text_of
from domlora.data.samples import Message

NAME = "choices"
KEYS = "question, choices: [text], answer (index, letter or text)"
_QUESTIONS = ("question", "question_stem", "query", "prompt", "problem", "ctx", "input")
_ANSWERS = ("answer", "answerKey", "answer_key", "correct_answer", "label", "cop", "target", "completion", "output")
_COLUMNS = tuple(
    tuple(prefix + letter for letter in letters[:count])
    for count in range(8, 1, -1)
    for prefix, letters in (("", string.ascii_uppercase), ("op", string.ascii_lowercase))
)


def matches(fields: Fields) -> bool:
    """True for a question with its choices and an answer."""
    choices = any(_many(fields.peek(name)) for name in OPTIONS) or _columns(fields) is not None
    return choices and _any(fields, _QUESTIONS) and _any(fields, _ANSWERS)


def named(fields: Fields) -> bool:
    return False  # without its choices it is any question


def read(fields: Fields) -> list[Chat]:
    """The question with its choices, and the letter of the right one."""
    columns = _columns(fields)
    labels: list[str] = []
    if columns is not None:
        choices = [fields.text(name) for name in columns]
        labels = list(columns)
    else:
        value: Any = next(fields.take(name) for name in OPTIONS if _many(fields.peek(name)))
        if isinstance(value, dict):
            labels = [text_of(label, "label") for label in value.get("label") or value.get("key") or ()]
            labels, value = (labels, value["text"]) if "text" in value else (list(value), list(value.values()))
        elif all(isinstance(one, dict) for one in value):
            labels = [text_of(one.get("label", one.get("key")), "label") for one in value]
            value = [one.get("text", one.get("value")) for one in value]
        choices = [text_of(one, "choices") for one in value]
    if len(choices) > len(string.ascii_uppercase):
        raise RowError(f"has {len(choices)} choices, more than there are letters")
    letter = string.ascii_uppercase[_index(fields.take(*_ANSWERS), choices, labels)]
    question = fields.text(*_QUESTIONS)
    lines = [f"{name}. {text}" for name, text in zip(string.ascii_uppercase, choices, strict=False)]
    asked = "\n\n".join(text for text in (fields.text(*CONTEXTS), "\n".join([question, *lines, "Answer:"])) if text)
    reply = Message("assistant", letter, reasoning=fields.thoughts())
    return [Chat([*system_of(fields), Message("user", asked), reply], answer=letter)]


def _index(answer: Any, choices: list[str], labels: list[str]) -> int:
    """Which choice is meant."""
    if isinstance(answer, float) and answer.is_integer():
        answer = int(answer)
    if str(answer) in labels:
        return labels.index(str(answer))
    if isinstance(answer, int) and not isinstance(answer, bool):
        if 0 <= answer < len(choices):
            return answer
    elif isinstance(answer, str):
        text = answer.strip()
        letters = list(string.ascii_uppercase[: len(choices)])
        for names in (labels, choices, letters, [letter.lower() for letter in letters]):
            if text in names:
                return names.index(text)
        bare = text.strip("().:")
        if bare in letters:
            return letters.index(bare)
        if bare.isdecimal() and int(bare) < len(choices):
            return int(bare)
    raise RowError(f"has the answer {str(answer)[:40]!r}, which is none of its {len(choices)} choices")


def _many(value: Any) -> bool:
    if isinstance(value, dict) and "text" not in value:
        return len(value) > 1 and all(isinstance(text, str) for text in value.values())  # MedQA's {"A": "oak", ...}
    texts = value["text"] if isinstance(value, dict) else value
    return isinstance(texts, (list, tuple)) and len(texts) > 1


def _columns(fields: Fields) -> tuple[str, ...] | None:
    return next((names for names in _COLUMNS if fields.has(*names)), None)


def _any(fields: Fields, names: tuple[str, ...]) -> bool:
    return any(fields.has(name) for name in names)
