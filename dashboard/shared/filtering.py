"""One way to filter lists by what a person types: words, and no regular expression, which could take for ever.

What earlier links wrote as regular expressions (`random.*seed=0`, `^(qv|dominant)`) mostly finds the same: the signs of
those part words, as a blank does.
"""

from __future__ import annotations

from collections.abc import Callable

BLANKS = str.maketrans(dict.fromkeys("*^$()\\", " "))
HELP = "Words that all must occur, in any order; | between alternatives: `smollm2 math | gemma`."


def matcher(typed: str) -> Callable[[str], bool]:
    """A test of texts: does every word of one of the alternatives occur in it? Case does not matter.

    Args:
        typed: alternatives between `|`, words between blanks. Everything fits an empty one.
    """
    parts = typed.casefold().replace(".*", " ").translate(BLANKS).split("|")
    alternatives = [words for part in parts if (words := part.split())]

    def fits(text: str) -> bool:
        folded = text.casefold()
        return not alternatives or any(all(word in folded for word in words) for words in alternatives)

    return fits
