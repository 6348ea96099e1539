"""Names of columns and values of cells, as all kinds of files give them. Names and values in, cleaned ones out."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from domlora.errors import TaskError


def column_names(names: Iterable[str], place: str) -> list[str]:
    """Names without the white space around them.

    Raises:
        TaskError: two are equal, so that the text of one would be lost.
    """
    found: dict[str, None] = {}
    for name in names:
        name = name.strip()
        if name in found:
            raise TaskError(f"{place}: two columns are named `{name}`: remove or rename one")
        found[name] = None
    return list(found)


def plain_value(value: Any) -> Any:
    """A cell of a typed table as what JSON knows: no number is None; dates, decimals and bytes are text."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_value(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, (date, time)):  # a datetime is a date
        return value.isoformat()
    return str(value) if isinstance(value, (Decimal, timedelta, UUID)) else value
