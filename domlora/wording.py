"""Lists, numbers and percentages as sentences have them: the same words wherever a finding is put into words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from domlora.statistics import intervals


def listed(names: Sequence[str], most: int | None = None) -> str:
    """`a`, `a and b`, `a, b, c and d`; with `most` 4 and more names `a, b, c and 3 more`."""
    shown = list(names)
    if most is not None and len(names) > most:
        shown[most - 1 :] = [f"{len(names) - most + 1} more"]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def number(value: float) -> str:
    """Three decimals, or one digit where those would all be zeros."""
    if value != value:
        return "unknown"
    text = f"{value:.3f}" if abs(value) >= 0.0005 or value == 0 else f"{value:.1g}"
    return text.replace("-", "−", 1) if text.startswith("-") else text


def in_percent(value: intervals.Estimate) -> str:
    """`41% (95 % interval 30% to 52%)`."""
    interval = "" if np.isnan(value.low) else f" (95 % interval {value.low:.0%} to {value.high:.0%})"
    return f"{value.value:.0%}{interval}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def count(number: int, thing: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def cut(text: str, letters: int) -> str:
    """At most so many letters, the last of them an ellipsis if any are left out."""
    return text if len(text) <= letters else text[: max(1, letters - 1)] + "…"
