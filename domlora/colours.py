"""The colours and marks of all charts, on a page and in a report: told apart by those who see no red or no green.

Knows no chart and no table.
"""

from __future__ import annotations

from collections.abc import Sequence

# Okabe and Ito's eight; blue lightened, yellow darkened, black made grey, so that all show on white and on black.
COLOURS = ("#1F83C9", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#9A8B00", "#8C8C8C")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down", "pentagon", "hexagon")
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
COLOURSCALE = "Cividis"  # bright means "adapt here", so it is reversed for a probe that prefers low scores
ACCENT = "#d1495b"  # the winner
BAR = "#4a7fb5"
TRANSPARENT = "rgba(0,0,0,0)"


def colours(names: Sequence[str]) -> dict[str, str]:
    """One colour a name, by its order."""
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(names)}


def symbols(names: Sequence[str]) -> dict[str, str]:
    """One marker a name; two that share a colour (the ninth is the first again) do not share it."""
    return {name: SYMBOLS[i % len(SYMBOLS)] for i, name in enumerate(names)}


def faint(colour: str, opacity: float) -> str:
    """`#RRGGBB` as a colour that lets through what lies behind it."""
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{opacity})"
