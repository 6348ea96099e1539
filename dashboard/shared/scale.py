"""From values to colours and to the labels of an axis: which scale shows the structure, and where its ticks stand.

In: the values of a chart. Out: a `Scale`, with ticks that are values (per cent where they are shares, never logarithms)
and have as many digits as tell them apart. Pure functions: no Streamlit, no Plotly, no store.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dashboard.shared.figures import log10

CROWDED = 0.1  # of a linear scale: where half of all cells lie below that, they would all have one colour
CLIPPED = 0.02  # of the cells, the smallest, share the lower end of a logarithmic scale
TICKS = 6  # at most
POWERS = 50  # ticks that differ so many times have digits of their own
MOST_DECIMALS = 12
DIGITS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 4, 5, 6, 7, 8, 9))  # of ticks on a logarithmic scale, sparse to dense


@dataclass(frozen=True)
class Scale:
    """Which values have the colours at the two ends, and whether what is between goes by the logarithm.

    Attributes:
        low, high: values, not logarithms; low < high.
        clipped: whether there are values below `low`, which have its colour.
    """

    log: bool
    low: float
    high: float
    clipped: bool = False

    @classmethod
    def of(cls, values: np.ndarray, log: bool | None, *, from_zero: bool) -> Scale:
        """The scale of values, of which those that are not finite do not count.

        Args:
            log: None: where on a linear scale half of all values would have the colours of its lowest tenth.
            from_zero: whether a linear scale begins at 0, as for amounts.
        """
        finite = values[np.isfinite(values)]
        positive = finite[finite > 0]
        if not len(finite) or not finite.max() > finite.min():
            return _flat(float(finite[0]) if len(finite) else 0.0, bool(log))
        if log is None:
            log = len(positive) == len(finite) and float(np.median(positive)) < CROWDED * float(positive.max())
        if log and len(positive):
            high = float(positive.max())
            low = min(float(np.quantile(positive, CLIPPED)), high / 2)
            return cls(True, low, high, clipped=bool(positive.min() < low))
        low = min(0.0, float(finite.min())) if from_zero else float(finite.min())
        return cls(False, low, float(finite.max()))

    def of_values(self, values: np.ndarray) -> np.ndarray:
        """Values as the colours take them; without a logarithm they have no colour."""
        return log10(values) if self.log else values

    def axis(self, *, percent: bool, title: str) -> dict[str, Any]:
        """Ends and colour bar of a Plotly heatmap.

        Args:
            percent: whether values are shares of a whole.
            title: over the colour bar.
        """
        at = ticks(self.low, self.high, log=self.log)
        names = tick_texts(at, percent=percent)
        ends = (math.log10(self.low), math.log10(self.high)) if self.log else (self.low, self.high)
        places = [math.log10(value) for value in at] if self.log else at
        return {
            "zmin": ends[0], "zmax": ends[1],
            "colorbar": {"title": {"text": f"{title}<br>", "side": "top"}, "thickness": 12, "tickvals": places,
                         "ticktext": names},
        }  # fmt: skip


def diverging(largest: float, *, percent: bool, title: str) -> dict[str, Any]:
    """Ends and colour bar of a heatmap of differences, from -largest to largest.

    Args:
        percent: whether the differences are of shares.
        title: over the colour bar.
    """
    largest = largest or 1.0
    at = ticks(-largest, largest)
    names = [("+" if value > 0 else "") + name for value, name in zip(at, tick_texts(at, percent=percent), strict=True)]
    return {
        "zmid": 0, "zmin": -largest, "zmax": largest,
        "colorbar": {"title": {"text": f"{title}<br>", "side": "top"}, "thickness": 12, "tickvals": at,
                     "ticktext": names},
    }  # fmt: skip


def ticks(low: float, high: float, *, log: bool = False, most: int = TICKS) -> list[float]:
    """Round values between two, at most so many; two at least wherever the two differ.

    Args:
        log: as a logarithmic scale wants them; over a narrow range that are those of a linear one.
    """
    if not high > low:
        return [low]
    if log and low > 0:
        span = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
        found = [
            [at for power in span for digit in digits if low * 0.9999 <= (at := digit * 10.0**power) <= high * 1.0001]
            for digits in DIGITS
        ]
        fitting = [one for one in found if 3 <= len(one) <= most]
        if fitting:
            return fitting[-1]
        if len(found[0]) > most:
            return found[0][:: math.ceil(len(found[0]) / most)]
    step = 10.0 ** math.floor(math.log10((high - low) / most))
    step *= next(times for times in (1, 2, 5, 10, 20) if (high - low) / (times * step) <= most - 1)
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [round(i * step, 12 - math.floor(math.log10(step))) for i in range(first, last + 1)]


def tick_texts(at: Sequence[float], *, percent: bool = False) -> list[str]:
    """With as many digits as they have: `2%, 1%`, `0.50%, 0.25%`, `100%, 1%, 0.01%`, `20,000`, `3e-09`."""
    scaled = [100 * value if percent else value for value in at]
    digits = [_decimals(value) for value in scaled]
    sizes = [abs(value) for value in scaled if value]
    if sizes and max(sizes) < POWERS * min(sizes):
        digits = [max(digits)] * len(digits)
    return [
        f"{value:.2g}" if not percent and value and not 1e-4 <= abs(value) < 1e6
        else f"{value:,.{decimals}f}" + ("%" if percent else "")
        for value, decimals in zip(scaled, digits, strict=True)
    ]  # fmt: skip


def _decimals(value: float) -> int:
    return next((n for n in range(MOST_DECIMALS) if abs(round(value, n) - value) <= 1e-6 * abs(value)), MOST_DECIMALS)


def _flat(value: float, log: bool) -> Scale:
    """Where all values are alike: they have the colour of the upper end."""
    if log and value > 0:
        return Scale(True, value / 10, value)
    return Scale(False, min(0.0, value - 1), max(value, 0.0) if value else 1.0)
