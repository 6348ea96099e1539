"""The generated task parts: reproducible, varied, and right when checked by other means.

Comes in: the two generators in sample_data/ and the files they wrote. The arithmetic in the math
solutions is evaluated again here, line by line; the code rows are executed.
"""

import json
import re
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"
sys.path.insert(0, str(SAMPLE_DATA))

import make_code  # noqa: E402
import make_math  # noqa: E402

GENERATORS = [make_math, make_code]
MOST_ROWS_OF_A_FAMILY = 12

# An expression of numbers, + - * / ( ) and $; nothing else may touch its ends.
TERM = r"\(*-?\$?\d+(?:\.\d+)?\)*"
EXPRESSION = rf"{TERM}(?: ?[-+*/] ?{TERM})*"
AT_END = re.compile(rf"(?<![\w^.$(-])(?<![-+*/] )({EXPRESSION})$")
AT_START = re.compile(rf"({EXPRESSION})(?![\w^]| ?[-+*/] ?[(\w]|\.\d)")


def committed(generator) -> list[dict]:
    return [json.loads(line) for line in generator.TARGET.read_text(encoding="utf-8").splitlines()]


def value(expression: str) -> Fraction:
    """The exact value of an expression of numbers, dollar signs ignored."""
    exact = re.sub(r"\d+(?:\.\d+)?", r"Fraction('\g<0>')", expression.replace("$", ""))
    return eval(exact, {"Fraction": Fraction})


def equations(line: str) -> list[tuple[str, str]]:
    """The pairs (left, right) around the equality signs of a line that are plain arithmetic."""
    sides = re.sub(r"(?<=\d) g\b", "", line).split(" = ")
    pairs = [(AT_END.search(a), AT_START.match(b)) for a, b in pairwise(sides)]
    found = [(left[1], right[1]) for left, right in pairs if left and right]
    return [pair for pair in found if all(side.count("(") == side.count(")") for side in pair)]


@pytest.mark.parametrize("generator", GENERATORS)
def test_regenerated_rows_equal_the_committed_file(generator):
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in generator.rows())
    assert lines.encode() == generator.TARGET.read_bytes()


@pytest.mark.parametrize("generator", GENERATORS)
def test_prompts_are_unique(generator):
    prompts = [row["messages"][0]["content"] for row in committed(generator)]
    assert len(set(prompts)) == len(prompts)


@pytest.mark.parametrize("generator", GENERATORS)
def test_rows_are_one_question_and_one_answer(generator):
    for row in committed(generator):
        assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
        for message in row["messages"]:
            assert message["content"] == message["content"].strip() != ""


@pytest.mark.parametrize("generator", GENERATORS)
def test_groups_hold_exactly_the_rows(generator):
    grouped = [json.dumps(row) for group in generator.groups().values() for row in group]
    assert sorted(grouped) == sorted(json.dumps(row) for row in generator.rows())


def test_math_has_enough_rows_and_families():
    groups = make_math.groups()
    assert sum(map(len, groups.values())) >= 440
    assert len(groups) >= 45
    assert max(map(len, groups.values())) <= MOST_ROWS_OF_A_FAMILY


def test_math_solution_ends_with_the_answer():
    for row in committed(make_math):
        last_line = row["messages"][1]["content"].splitlines()[-1]
        assert last_line == f"The answer is {row['answer']}."


def test_math_answers_are_plain_short_decimals():
    for row in committed(make_math):
        assert re.fullmatch(r"-?(0|[1-9]\d*)(\.\d{0,3}[1-9])?", row["answer"])


def test_equations_finds_plain_arithmetic_only():
    assert equations("So 2 * (3 + 4) = 28 / 2 = 14 cm.") == [("2 * (3 + 4)", "28 / 2"), ("28 / 2", "14")]
    assert equations("and 2x + 3 = 7, 3^2 = 9") == []


def test_math_equations_hold_exactly():
    answers = [row["messages"][1]["content"] for row in committed(make_math)]
    found = [pair for answer in answers for line in answer.splitlines() for pair in equations(line)]
    assert len(found) > 1200
    assert [pair for pair in found if value(pair[0]) != value(pair[1])] == []


def test_math_answer_appears_in_the_reasoning():
    for row in committed(make_math):
        *steps, _ = row["messages"][1]["content"].splitlines()
        numbers = {Fraction(n) for n in re.findall(r"\d+(?:\.\d+)?", " ".join(steps))}
        assert abs(Fraction(row["answer"])) in numbers


@pytest.mark.parametrize("text", ["1 apples", "a apple", "the the"])
def test_grammar_check_finds_slips(text):
    assert grammar_slips(text)


def test_math_text_has_no_grammar_slips():
    for row in committed(make_math):
        for message in row["messages"]:
            assert not grammar_slips(message["content"])


def grammar_slips(text: str) -> list[str]:
    """One with a plural noun, 'a' before a vowel, a doubled word, two spaces."""
    patterns = [
        r"(?<![\d.:$-] )(?<![\d.:$-])\b1 (?!(?:is|less|gets|joins|does)\b)[a-z]+s\b",
        r"\ba [aeio]\w*",
        r"\b([a-z]+) \1\b",
        r"  ",
    ]
    return [found[0] for pattern in patterns for found in re.finditer(pattern, text)]


def test_code_has_enough_rows_and_problems():
    assert len(committed(make_code)) >= 420
    assert len(make_code.PROBLEMS) >= 140


def test_code_tests_pass_and_hold_an_assertion():
    for row in committed(make_code):
        assert "assert " in row["test"]
        make_code.run_row(row)


def test_code_run_row_rejects_a_wrong_solution():
    row = {"messages": [{}, {"content": "```python\nx = 1\n```"}], "test": "assert x == 2"}
    with pytest.raises(AssertionError):
        make_code.run_row(row)


def passes(row: dict) -> bool:
    try:
        make_code.run_row(row)
    except Exception:
        return False
    return True


def test_every_bug_is_caught_by_the_tests_of_its_problem():
    for problem in make_code.PROBLEMS:
        if problem.why:
            answer = f"```python\n{problem.code.replace(*problem.bug)}\n```"
            assert not passes({"messages": [{}, {"content": answer}], "test": make_code._test(problem)}), problem.name


def test_refactorings_keep_the_behaviour():
    """The code before satisfies the asserts as well, except where the task asks for a change."""
    changed = {"Add type hints", "Split the computation"}
    for item in make_code.REFACTORINGS:
        if not item.task.startswith(tuple(changed)):
            exec(f"{item.before}\n{item.test}", {"__name__": "candidate"})
