"""Grade-school math, openai/grade-school-math. One row:

    {"question": "Ann has 2 pens and buys 2. How many?", "answer": "She has 2+2=<<2+2=4>>4 pens.\\n#### 4"}

The marks `<<2+2=4>>` address a calculator that no chat model has, and go. The last line `#### 4` stays in the
response, since that is what models are trained on; its number, without thousands commas, is the answer to
compare with.
"""

from __future__ import annotations

import re

from domlora.data.formats.chat import Chat
from domlora.data.formats.fields import Fields
from domlora.data.samples import Message

NAME = "gsm8k"
KEYS = "question, answer with a last line #### N"

_MARK = re.compile(r"<<[^<>]*>>")
_FINAL = re.compile(r"####[ \t]*(?P<number>[-+$]?[\d.,/]*\d[^\s]*)\s*\Z")


def matches(fields: Fields) -> bool:
    """True for a question whose answer ends with its result after ####; other answers may hold a heading so marked."""
    answer = fields.peek("answer")
    return fields.has("question") and isinstance(answer, str) and _FINAL.search(answer) is not None


def named(fields: Fields) -> bool:
    return False  # without its answer it is any question


def read(fields: Fields) -> list[Chat]:
    """The question, the worked response and its final number."""
    response = _MARK.sub("", fields.text("answer"))
    final = response.rpartition("####")[2].strip().replace(",", "")
    question = Message("user", fields.text("question"))
    return [Chat([question, Message("assistant", response)], final or None)]
