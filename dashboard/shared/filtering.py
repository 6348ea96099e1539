"""A filter that a person types: words to be found in names, `|` between alternatives. Never a regular expression.

A regular expression that somebody sends in a link can take minutes on a name of thirty letters; this takes one pass.
What filters of before mostly held still means what it did: `.*` and `*` stand for anything in between, `^` and `$`
for the beginning and the end, a backslash before a sign for that sign, and round brackets only group.
"""

from __future__ import annotations

import re
from collections.abc import Callable

HELP = "Words to be found, | between alternatives, * for anything in between. ^ is the beginning, $ the end."
_PARTS = re.compile(r"\\(.)|(\.?\*)|([|()^$])|(.)", re.DOTALL)


def matcher(typed: str) -> Callable[[str], bool]:
    """Says of a name whether it fits; everything fits an empty filter. Letters fit their capitals."""
    alternatives = [_pieces(one) for one in _split(typed.strip())]
    alternatives = [one for one in alternatives if any(one[0])] or [([""], False, False)]
    return lambda name: any(_fits(name.lower(), *one) for one in alternatives)


def _split(typed: str) -> list[list[tuple[bool, str]]]:
    """The alternatives, each as signs: whether it has a meaning of its own, and what it is."""
    alternatives: list[list[tuple[bool, str]]] = [[]]
    for literal, anything, special, letter in (found.groups(default="") for found in _PARTS.finditer(typed)):
        if special == "|":
            alternatives.append([])
        elif anything:
            alternatives[-1].append((True, "*"))
        elif special in ("^", "$") and special:
            alternatives[-1].append((True, special))
        elif not special:
            alternatives[-1].append((False, (literal or letter).lower()))
    return alternatives


def _pieces(signs: list[tuple[bool, str]]) -> tuple[list[str], bool, bool]:
    """Texts that must follow each other, whether the first begins the name, and whether the last ends it."""
    begins, ends = signs[:1] == [(True, "^")], signs[-1:] == [(True, "$")]
    pieces = [""]
    for special, sign in signs[begins : len(signs) - ends if ends else None]:
        if special and sign == "*":
            pieces.append("")
        else:
            pieces[-1] += sign
    return pieces, begins, ends


def _fits(name: str, pieces: list[str], begins: bool, ends: bool) -> bool:
    at = 0
    for i, piece in enumerate(pieces):
        if i == len(pieces) - 1 and ends:
            fits = len(name) - len(piece) >= at and name.endswith(piece)
            return fits and (not begins or i > 0 or name == piece)
        found = name.find(piece, at)
        if found < 0 or (i == 0 and begins and found != 0):
            return False
        at = found + len(piece)
    return True
