"""The public formats of fine-tuning rows, one small reader a file. In: a row; out: its conversations.

A reader is a module with `NAME`, `KEYS` (for error texts), `matches(keys, row)` and `read(row)`; none knows
of files, splits or other rows.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from domlora.data.formats import alpaca, gsm8k, human_eval, messages, prompt_completion, self_instruct, sharegpt

# The most telling keys first: rows often keep their prompt once more beside their messages.
FORMATS: tuple[ModuleType, ...] = (
    messages,
    sharegpt,
    human_eval,
    gsm8k,
    self_instruct,
    alpaca,
    prompt_completion,
)


def recognise(row: dict[str, Any]) -> ModuleType | None:
    """The format of a row by its keys (those whose value is not None), or None."""
    keys = {key for key, value in row.items() if value is not None}
    return next((form for form in FORMATS if form.matches(keys, row)), None)
