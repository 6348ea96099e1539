"""Writes tasks/parts/code.jsonl: Python tasks with solutions and executable tests.

Comes in: the table in code_problems.py. Goes out: one JSON row a line. Standard library only.
An example row (the file has no line breaks inside a row):

    {"messages": [
       {"role": "user", "content": "Write a function `double(x)` that returns twice its argument."},
       {"role": "assistant", "content": "Here it is:\\n\\n```python\\ndef double(x):\\n    return 2 * x\\n```"}],
     "test": "assert double(4) == 8"}

A row is right when the code block of the answer, followed by `test`, runs without an exception in
one fresh namespace; rows() runs every row before it returns it. Each problem is asked in up to
three forms: write it, and two of {fix the bug, predict a value, write a test}. The symptom in a
bug report and the predicted value come from running the code.
"""

import ast
import contextlib
import io
import json
import random
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from code_problems import PRINTS, PROBLEMS, REFACTORINGS, Print, Problem, Refactoring

SEED = 20240608
TARGET = Path(__file__).parent / "tasks" / "parts" / "code.jsonl"


def block(code: str) -> str:
    """The code as a fenced Markdown block."""
    return f"```python\n{code.strip(chr(10))}\n```"


def solution_of(row: dict) -> str:
    """The content of the (only) code block in the answer."""
    (code,) = re.findall(r"```python\n(.*?)\n```", row["messages"][1]["content"], re.DOTALL)
    return code


def run_row(row: dict) -> None:
    """Runs a row's solution and then its test in a fresh namespace.

    Raises:
        Exception: whatever the code raises; AssertionError if a check of the test fails.
    """
    exec(f"{solution_of(row)}\n\n{row['test']}", {"__name__": "candidate"})


def _row(prompt: str, answer: str, test: str) -> dict:
    messages = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return {"messages": messages, "test": test}


def _title(problem: Problem) -> str:
    """The signature as shown to the reader; a class without arguments shows no parentheses."""
    return problem.signature.removesuffix("()") if problem.kind == "class" else problem.signature


def _assert_line(check: str) -> str:
    """An assert statement for "expression == literal"; constants are compared with `is`."""
    expression, value = check.rsplit(" == ", 1)
    return f"assert {expression} {'is' if value in ('True', 'False', 'None') else '=='} {value}"


def _after_setup(problem: Problem, code: str) -> str:
    """Setup, then code, with two blank lines between them if the setup ends in an indented line."""
    if not problem.setup:
        return code
    last_line = problem.setup.rsplit("\n", 1)[-1]
    return problem.setup + ("\n\n\n" if last_line.startswith(" ") else "\n") + code


def _with_import(problem: Problem) -> str:
    """The solution with the import that the checks need, unless it imports the name itself."""
    if not problem.needs or problem.needs in problem.code:
        return problem.code
    return f"{problem.needs}\n\n\n{problem.code}"


def _test(problem: Problem) -> str:
    lines = [_assert_line(check) for check in problem.checks]
    return (f"{problem.needs}\n\n" if problem.needs else "") + _after_setup(problem, "\n".join(lines))


def _buggy(problem: Problem) -> str:
    return problem.code.replace(*problem.bug)


def _namespace(*sources: str) -> dict:
    names = {"__name__": "candidate"}
    for source in sources:
        exec(source, names)
    return names


def _symptom(problem: Problem) -> str:
    """What the first failing check of the faulty code shows: a value or an exception."""
    names = _namespace(problem.needs, _buggy(problem), problem.setup)
    for check in problem.checks:
        expression, value = check.rsplit(" == ", 1)
        try:
            got = eval(expression, names)
        except Exception as error:
            return f"`{expression}` raises {type(error).__name__} instead of giving `{value}`"
        if got != ast.literal_eval(value):
            return f"`{expression}` gives `{got!r}` instead of `{value}`"
    raise ValueError(f"the bug of {problem.name} passes all its checks")


def write_row(problem: Problem, r: random.Random) -> dict:
    """The plain form: write the function or class."""
    title, kind, spec = _title(problem), problem.kind, problem.spec
    prompt = r.choice(
        [
            f"Write a {kind} `{title}` that {spec}.",
            f"Write a Python {kind} `{title}` that {spec}.",
            f"Implement `{title}` in Python. The {kind} {spec}.",
            f"I need a Python {kind} `{title}`. It {spec}. How can I write it?",
        ]
    )
    answer = r.choice(
        [
            f"{problem.idea}\n\n{block(problem.code)}",
            f"Here is a solution:\n\n{block(problem.code)}\n\n{problem.idea}",
            f"You can write `{problem.name}` like this:\n\n{block(problem.code)}\n\n{problem.idea}",
            f"This {kind} does it:\n\n{block(problem.code)}",
        ]
    )
    return _row(prompt, answer, _test(problem))


def bug_row(problem: Problem, r: random.Random) -> dict:
    """Find and fix the bug: faulty code and one thing that goes wrong."""
    title, kind, spec = _title(problem), problem.kind, problem.spec
    symptom, code = _symptom(problem), block(_buggy(problem))
    after = f"After this code,\n\n{block(problem.setup)}\n\n{symptom}." if problem.setup else (f"{symptom}.")
    prompt = r.choice(
        [
            f"There is a bug in this {kind}. In its correct form, `{title}` {spec}.\n\n{code}\n\n{after}\n\n"
            "Find the bug and fix it.",
            f"Fix this Python {kind}. A correct version {spec}.\n\n{code}\n\n{after}",
            f"My {kind} `{problem.name}` does not work as intended. I want a {kind} that {spec}.\n\n{code}"
            f"\n\n{after}\n\nWhat is wrong, and how do I correct it?",
        ]
    )
    lead = r.choice(["Here is the corrected version:", "Fixed:", "With the correction:", "The corrected code:"])
    return _row(prompt, f"{problem.why}\n\n{lead}\n\n{block(problem.code)}", _test(problem))


def predict_row(problem: Problem, r: random.Random) -> dict:
    """Predict the value of one expression; the longest literal is the least easy to guess."""
    found = []
    for check in problem.checks:
        expression = check.rsplit(" == ", 1)[0]
        try:
            value = repr(eval(expression, _namespace(_with_import(problem), problem.setup)))
        except KeyError:  # a check that relies on the checks before it
            continue
        found.append((len(value) if value not in ("True", "False", "None") else 0, expression, value))
    _, expression, value = max(found, key=lambda entry: entry[0])
    source = f"{_with_import(problem)}\n\n{_after_setup(problem, f'result = {expression}')}"
    prompt = r.choice(
        [
            f"What is the value of `result` after this code has run?\n\n{block(source)}\n\nAnswer with an "
            "assignment of a literal to `result`.",
            f"Read this code and work out `result` without running it.\n\n{block(source)}\n\nGive the value "
            "as `result = ...`.",
            f"Which value does `result` have at the end?\n\n{block(source)}\n\nPlease write it as a Python assignment.",
        ]
    )
    answer = f"{problem.idea} {r.choice(['So the value is', 'This gives', 'The result is'])} `{value}`."
    test = f"{_with_import(problem)}\n\n{_after_setup(problem, f'assert result == {expression}')}"
    return _row(prompt, f"{answer}\n\n{block(f'result = {value}')}", test)


def tests_row(problem: Problem, r: random.Random) -> dict:
    """Write a test; the row's own test runs it on the right and on a faulty solution."""
    kind = problem.kind
    name = "test_" + re.sub(r"(?<=[A-Za-z])(?=[A-Z][a-z])", "_", problem.name).lower()
    prompt = r.choice(
        [
            f"Write a pytest function `{name}` for this {kind}. Include edge cases.\n\n{block(problem.code)}",
            f"How would you test this {kind}? Write one function `{name}` with plain assert statements."
            f"\n\n{block(problem.code)}",
            f"Add a unit test named `{name}` that would notice a mistake in this {kind}, which {problem.spec}"
            f".\n\n{block(problem.code)}",
        ]
    )
    body = re.sub(r"\n{2,}", "\n\n", _test(problem))
    code = f"def {name}():\n{textwrap.indent(body, '    ')}"
    lead = r.choice(
        [
            "The test covers a usual case and the edge cases:",
            "These checks fix the expected behaviour:",
            "A test with an independent value for each case:",
        ]
    )
    test = (
        f"{problem.code}\n\n{name}()\n\n\n{_buggy(problem)}\n\ntry:\n    {name}()\n    caught = False\n"
        "except Exception:\n    caught = True\n"
        'assert caught, "the test must fail for a faulty version"'
    )
    return _row(prompt, f"{lead}\n\n{block(code)}", test)


def print_row(item: Print, r: random.Random) -> dict:
    """Say what a snippet prints, and why."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(item.code, {"__name__": "snippet"})
    lines = out.getvalue().splitlines()
    prompt = r.choice(
        ["What does this snippet print, and why?", "What is the output of this code?", "Explain what this code prints."]
    )
    ask = "Give the printed lines as a list of strings named `lines`."
    test = (
        f"import contextlib\nimport io\n\nsnippet = {item.code.strip()!r}\nout = io.StringIO()\n"
        'with contextlib.redirect_stdout(out):\n    exec(snippet, {"__name__": "snippet"})\n'
        "assert lines == out.getvalue().splitlines()"
    )
    return _row(f"{prompt} {ask}\n\n{block(item.code)}", f"{item.why}\n\n{block(f'lines = {lines!r}')}", test)


def refactoring_row(item: Refactoring, r: random.Random) -> dict:
    """Rewrite code without changing what it does."""
    lead = r.choice(
        [
            "Here is the rewritten version:",
            "It can be written like this:",
            "The behaviour stays as it was asked for:",
            "This does it:",
        ]
    )
    return _row(f"{item.task}\n\n{block(item.before)}", f"{lead}\n\n{block(item.after)}", item.test)


FORMS = {0: (bug_row, tests_row), 1: (bug_row, predict_row), 2: (tests_row, predict_row)}


def _problem_rows(index: int, problem: Problem) -> Iterator[dict]:
    r = random.Random(f"{SEED} {problem.name}")
    yield write_row(problem, r)
    for form in FORMS[index % len(FORMS)] if problem.why else (predict_row,):
        yield form(problem, r)


def groups() -> dict[str, list[dict]]:
    """Problem name to its rows, for splits that keep one problem's code on one side.

    Raises:
        Exception: if a solution fails its test.
    """
    found = {p.name: list(_problem_rows(i, p)) for i, p in enumerate(PROBLEMS)}
    singles = [(print_row, PRINTS, "print"), (refactoring_row, REFACTORINGS, "refactoring")]
    for form, items, label in singles:
        for i, item in enumerate(items):
            found[f"{label} {i}"] = [form(item, random.Random(f"{SEED} {label} {i}"))]
    for group in found.values():
        for row in group:
            run_row(row)
    return found


def rows() -> list[dict]:
    """All rows in a shuffled but fixed order, so that any stretch of the file is mixed."""
    everything = [row for group in groups().values() for row in group]
    random.Random(SEED).shuffle(everything)
    return everything


def main() -> None:
    """Writes TARGET."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
    TARGET.write_text("".join(lines), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
