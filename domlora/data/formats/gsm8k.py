"""Grade-school math, openai/grade-school-math. One row:

    {"question": "Ann has 2 pens and buys 2. How many?", "answer": "She has 2+2=<<2+2=4>>4 pens.\\n#### 4"}

The marks `<<2+2=4>>` address a calculator that no chat model has, and go. The last line `#### 4` stays in the
response, since that is what models are trained on; its number, without thousands commas, is the answer to
compare with.
"""

from __future__ import annotations

import re
from typing import Any

from domlora.data.formats.chat import Chat, need, text_of

NAME = "gsm8k"
KEYS = "question, answer with #### N"

_MARK = re.compile(r"<<[^<>]*>>")


def matches(keys: set[str], row: dict[str, Any]) -> bool:
    """True for a question whose answer states its result after ####."""
    return {"question", "answer"} <= keys and isinstance(row["answer"], str) and "####" in row["answer"]


def read(row: dict[str, Any]) -> list[Chat]:
    """The question, the worked response and its final number, if the response states one."""
    response = _MARK.sub("", text_of(need(row, "answer")))
    _, mark, final = response.rpartition("####")
    answer = final.strip().replace(",", "") if mark else None
    return [Chat([("user", text_of(need(row, "question"))), ("assistant", response)], answer or None)]
