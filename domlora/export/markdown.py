"""Names and texts of others inside Markdown: shown as they are, never read as markup. Text in, text out."""

from __future__ import annotations

import re

from domlora.quoting import comment

MARKUP = re.compile(r"[\\`*_{}\[\]<>()#+!|~&$]")


def escaped(text: str) -> str:
    """One line of plain text: what Markdown or HTML would take for markup stands behind a backslash."""
    return MARKUP.sub(lambda found: "\\" + found[0], comment(text))


def code(text: str) -> str:
    """One line as inline code; in a fence that is longer than any in the text."""
    line = comment(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def block(text: str, language: str = "") -> str:
    """Several lines as a block of code."""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{fence}{language}\n{text}\n{fence}"
