"""Whether a free answer is right: by the final number or text that it comes to, or by running its code against tests.

In: a sample with its known answer, and what a model said. Out: right, wrong, or None where that is not checked.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from decimal import Decimal

from domlora.data.samples import Message, Sample
from domlora.generation.code_runner import extract_code, run_tests

# A minus belongs to a number unless it stands between two operands, as in 7-2.
_SIGN = r"(?:(?<![\w.)\]])[-\u2212]\s?(?=[$€£])|(?<![\w.)\]])[-\u2212](?=[0-9.]))?"
_WHOLE = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_NUMBER = rf"{_SIGN}(?:[$€£]\s?[-\u2212]?)?(?:{_WHOLE}(?:\.[0-9]+)?|\.[0-9]+)"
_ANYTHING_ELSE = r"[^0-9\n]{0,40}?"
_ANY = re.compile(_NUMBER)
_MARKED = re.compile(rf"####[^\w\n]{{0,10}}?({_NUMBER})")  # no words between: "#### Step 1" is a headline
_ANSWER_IS = re.compile(rf"answer\b{_ANYTHING_ELSE}(?:is|:|=){_ANYTHING_ELSE}({_NUMBER})", re.IGNORECASE)
_FINAL_TEXT = (
    re.compile(r"####[ \t]*(.+)"),
    re.compile(r"\\boxed\{([^{}]*)\}"),
    re.compile(r"answer\b[^\n]{0,20}?(?:\bis\b|:|=)[ \t]*(.+)", re.IGNORECASE),
)


def final_number(text: str) -> str | None:
    """The number that an answer comes to: after the first `####`, else after the last `answer is`, else the last one.

    Returns:
        Its digits as written, with a sign and a decimal point, without currency and thousands commas.
    """
    marked = _MARKED.search(text)
    if marked:
        return _digits(marked[1])
    stated = _ANSWER_IS.findall(text) or _ANY.findall(text)
    return _digits(stated[-1]) if stated else None


def is_correct(sample: Sample, text: str, *, run_code: bool = False) -> bool | None:
    """Whether an answer is right: by the sample's final answer, else by its tests; None if that is not checked.

    Numbers are compared as numbers, other answers as texts without regard to case, spaces and final punctuation.

    Args:
        run_code: run the answer's code against the sample's tests, after the imports of the question's code, which
            answers need not repeat. Read `domlora.generation.code_runner` on what that risks.

    Raises:
        CodeRunnerError: code cannot be run on this machine.
    """
    if sample.answer is not None:
        wanted = _ANY.fullmatch(_bare(sample.answer))
        if wanted:
            number = final_number(text)
            return number is not None and Decimal(number) == Decimal(_digits(wanted[0]))
        return _bare(sample.answer) in {_bare(said) for said in _final_texts(text)}
    if not run_code or sample.tests is None:
        return None
    return run_tests(extract_code(text), sample.tests, before=_imports(sample.messages[:-1])).passed


def _digits(number: str) -> str:
    sign = "-" if re.search("[-\u2212]", number) else ""
    digits = re.sub(r"[^0-9.]", "", number)
    return sign + ("0" if digits.startswith(".") else "") + digits


def _bare(text: str) -> str:
    return " ".join(text.split()).strip(" .,;:!?*`'\"$%()").casefold()


def _final_texts(text: str) -> Iterable[str]:
    """What may be meant as the final answer: what is marked as such, else the last line and the whole text."""
    for pattern in _FINAL_TEXT:
        found = pattern.findall(text)
        if found:
            return [found[0] if pattern is _FINAL_TEXT[0] else found[-1]]
    return [text, *text.strip().splitlines()[-1:]]


def _imports(asked: Sequence[Message]) -> str:
    """The imports at the top of the question's code, as HumanEval's prompts have them."""
    question = asked[-1].content if asked else ""
    code = extract_code(question)
    if code == question:
        return ""
    try:
        body = ast.parse(code).body
    except (SyntaxError, ValueError):  # a part of a program, or no Python at all
        return ""
    return "".join(f"{ast.unparse(node)}\n" for node in body if isinstance(node, (ast.Import, ast.ImportFrom)))
