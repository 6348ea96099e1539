"""What comes in as data stays data where it goes out as code: values as Python source, text as a comment or Markdown.

Imports nothing of domlora.
"""

from __future__ import annotations

import json
import re
from typing import Any

INDENT = "    "


def literal(value: Any, depth: int = 0) -> str:
    """Python source of None, bool, number, text, and lists and dicts of them, which take one entry a line.

    Args:
        depth: how far the line that it begins on is indented.
    """
    if isinstance(value, str):
        # A JSON text is Python's too, but for what Python's own escapes must say (such as half a surrogate pair).
        return json.dumps(value, ensure_ascii=False) if value.isprintable() else repr(value)
    if isinstance(value, (list, tuple)) and value:
        return _lines("[", (literal(item, depth + 1) for item in value), "]", depth)
    if isinstance(value, dict) and value:
        entries = (f"{literal(key)}: {literal(item, depth + 1)}" for key, item in value.items())
        return _lines("{", entries, "}", depth)
    return repr(list(value) if isinstance(value, tuple) else value)


def comment(text: str) -> str:
    """Text for one line after `#`, in Python and in YAML: what does not print is spelt out as Python does."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def markdown(text: str) -> str:
    """Text within a line of Markdown, to be read as it is."""
    return re.sub(r"([\\`*_\[\]<>&|~$])", r"\\\1", comment(text))


def fenced(text: str, language: str = "") -> str:
    """Lines as a block of code in Markdown, in a fence that is longer than any in the text."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"


def _lines(first: str, entries: Any, last: str, depth: int) -> str:
    inside = "".join(f"{INDENT * (depth + 1)}{entry},\n" for entry in entries)
    return f"{first}\n{inside}{INDENT * depth}{last}"
