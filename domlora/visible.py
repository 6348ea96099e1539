"""Text of others, fit to be shown: no character of it steers what shows it. Text in, text out; imports nothing else."""

from __future__ import annotations

import unicodedata


def visible(text: str, keep: str = "") -> str:
    """Characters that would steer a terminal or turn the direction of writing, spelt out as Python does.

    Args:
        keep: those of them that stay.
    """

    def steers(char: str) -> bool:
        kind = unicodedata.category(char)
        return kind in ("Cc", "Cs", "Zl", "Zp") or "\u202a" <= char <= "\u202e" or "\u2066" <= char <= "\u2069"

    return "".join(
        char.encode("unicode_escape").decode() if char not in keep and steers(char) else char for char in text
    )
