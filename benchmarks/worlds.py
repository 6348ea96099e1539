"""Simulated comparisons in which nothing differs in truth: what an interval ought to cover is zero.

A loss is: the row's own difficulty + what the contestant does to this row + what the seed does to all contestants (an
order of the data) + what it does to this contestant (a start) + the rest.
"""

from __future__ import annotations

import numpy as np

RESIDUAL = 0.5  # standard deviation of the rest, beside 1 of contestant × row
TAILS = ("normal", "t3", "lognormal")


def losses(
    random: np.random.Generator, simulations: int, contestants: int, seeds: int, rows: int, ratio: float, tails: str, *,
    difficulty: float = 1.0, shared: float = 1.0, spread: np.ndarray | float = 1.0,
) -> np.ndarray:  # fmt: skip
    """Losses (simulations, contestants, seeds, rows) about zero.

    Args:
        ratio: variance of the seeds' part of a mean difference over that of the rows' part.
        tails: `normal`; `t3` (Student's with 3 degrees of freedom, for rows and starts); `lognormal` (rows alone, and
            more so the later contestants, so that differences over rows are skewed).
        difficulty: standard deviation of rows, beside 1 of contestant × row.
        shared: standard deviation of what a seed does to all, beside what it does to each.
        spread: (contestants,) factors of the latter.
    """
    scale = np.ones(contestants)
    if tails == "lognormal":
        scale = np.linspace(0.5, 1.5, contestants)
        scale /= np.sqrt((scale**2).mean())
    of_start = np.sqrt(ratio * seeds / rows * (1 + RESIDUAL**2 / seeds))
    starts = draw(random, (simulations, contestants, seeds, 1), tails if tails == "t3" else "normal")
    start = of_start * np.reshape(spread, (-1, 1, 1)) * starts
    order = shared * of_start * random.normal(size=(simulations, 1, seeds, 1))
    own = draw(random, (simulations, contestants, 1, rows), tails)
    rest = RESIDUAL * draw(random, (simulations, contestants, seeds, rows), tails)
    return (
        difficulty * draw(random, (simulations, 1, 1, rows), tails)
        + (own + rest) * scale[:, None, None]
        + start
        + order
    )


def draw(random: np.random.Generator, shape: tuple[int, ...], tails: str) -> np.ndarray:
    """Numbers of mean 0 and variance 1."""
    if tails == "t3":
        return random.standard_t(3, size=shape) / np.sqrt(3)
    if tails == "lognormal":
        return (np.exp(random.normal(size=shape)) - np.exp(0.5)) / np.sqrt(np.e * (np.e - 1))
    return random.normal(size=shape)
