"""GSM8K: a question, and a worked answer with calculator marks.

{"question": "Ann has 2 pens and buys 2. How many?", "answer": "She has 2+2=<<2+2=4>>4 pens.\\n#### 4"}

The marks are instructions to a calculator that no chat model has and are taken out; the line `#### 4`, which is how
answers are checked, stays. A row of question and answer without marks is read alike.
"""

from __future__ import annotations

import re
from typing import Any

NAME = "gsm8k"
KEYS = "question, answer"

MARK = re.compile(r"<<[^<>]*>>")


def matches(row: dict[str, Any]) -> bool:
    return "question" in row and isinstance(row.get("answer"), str)


def read(row: dict[str, Any]) -> list[list[tuple[str, str]]]:
    return [[("user", row["question"]), ("assistant", MARK.sub("", row["answer"]))]]


def answer(row: dict[str, Any]) -> str | None:
    """The final number, without thousands separators."""
    _, mark, final = row["answer"].rpartition("####")
    return final.strip().replace(",", "") if mark else None
