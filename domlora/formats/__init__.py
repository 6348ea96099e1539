"""The public formats of training rows, one small reader a file, recognised from a row itself.

A reader is a module with `NAME`, `KEYS` (for error texts), `matches(row)` and `read(row)`, which returns the
conversations of a row as lists of (role, content) turns.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from domlora.formats import alpaca, gsm8k, human_eval, messages, prompt_completion, self_instruct, sharegpt

FORMATS: tuple[ModuleType, ...] = (messages, sharegpt, self_instruct, alpaca, human_eval, prompt_completion, gsm8k)


def recognise(row: dict[str, Any]) -> ModuleType | None:
    """The first format that a row fits, or None."""
    return next((form for form in FORMATS if form.matches(row)), None)
