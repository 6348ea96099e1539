"""One way to filter lists by what a person types: words, not a regular expression, which could take for ever."""

from __future__ import annotations

from collections.abc import Callable

HELP = "Words that all must occur, in any order; `|` between alternatives: `smollm2 math | gemma`."


def matcher(pattern: str) -> Callable[[str], bool]:
    """A test of texts: does every word of one of the alternatives occur in it? Case does not matter.

    Args:
        pattern: alternatives between `|`, words between spaces. Everything fits an empty one.
    """
    alternatives = [words for part in pattern.casefold().split("|") if (words := part.split())]

    def fits(text: str) -> bool:
        folded = text.casefold()
        return not alternatives or any(all(word in folded for word in words) for words in alternatives)

    return fits
