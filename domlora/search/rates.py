"""Which learning rates a placement starts with, and which comes next where the best is at the edge of those tried.

All rates lie on one grid, each four times the one before, so that placements share them. Numbers in, numbers out.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from domlora.comparison.config import HIGHEST_RATE

FIRST = 1e-3  # the grid is FIRST · FACTOR^i
FACTOR = 4.0
LOWEST_RATE = 1e-6
# The best rate of an adapter everywhere, and how it grows as an adapter gets smaller: measured on SmolLM2-135M and
# GSM8K, where 2.4 million parameters did best at 0.004, and single modules of 6 to 17 thousand from 0.016 to 0.064.
EVERYWHERE = 4e-3
EXPONENT = 0.4


def on_grid(index: int) -> float:
    """The grid's rate of that index, with as few digits as it has (0.016, not 0.016000000000000004)."""
    return float(f"{FIRST * FACTOR**index:.6g}")


def start_rates(parameters: int, everywhere: int) -> tuple[float, float, float]:
    """Three rates around the one that an adapter of this size is expected to do best at.

    Args:
        parameters: of the adapter.
        everywhere: of one at all linear modules.
    """
    expected = EVERYWHERE * (max(everywhere, parameters) / parameters) ** EXPONENT
    middle = min(round(math.log(expected / FIRST, FACTOR)), round(math.log(HIGHEST_RATE / FIRST, FACTOR)) - 2)
    return on_grid(middle - 1), on_grid(middle), on_grid(middle + 1)


def beyond(best: float, tried: Collection[float]) -> float | None:
    """The next rate of the grid outside those tried, if the best is at their edge and there is one that can train."""
    if best == max(tried):
        higher = on_grid(_index(best) + 1)
        return higher if higher < HIGHEST_RATE else None
    if best == min(tried):
        lower = on_grid(_index(best) - 1)
        return lower if lower >= LOWEST_RATE else None
    return None


def neighbours(rate: float) -> tuple[float, ...]:
    """A rate of the grid between the two beside it, as far as they can train."""
    found = on_grid(_index(rate) - 1), rate, on_grid(_index(rate) + 1)
    return tuple(one for one in found if one < HIGHEST_RATE)


def _index(rate: float) -> int:
    return round(math.log(rate / FIRST, FACTOR))
