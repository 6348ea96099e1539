"""Who goes on after a rung: the better half, and whoever cannot be told apart from the last of it.

Successive halving (Jamieson & Talwalkar, arXiv 1502.07943) drops the worse half by a noisy loss, and so now and then
the best by a hair. Here all entries are judged on the same validation rows, so differences are paired and their
standard errors small: an entry only falls out if it is behind the last of the better half beyond its interval. How
many of those that tie may stay, the time decides (`plan`). Losses in, names out; knows no model and no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cut:
    """What a rung decides.

    Attributes:
        kept: who goes on, lowest loss first.
        tied: those of `kept` that are behind the better half, but not told apart from the last of it.
        out: who stops, lowest loss first.
        untold: those of `out` that were not told apart either, and for whom there was no time.
    """

    kept: tuple[str, ...]
    tied: tuple[str, ...]
    out: tuple[str, ...]
    untold: tuple[str, ...]


def cut(losses: Mapping[str, np.ndarray], more: int, *, ties: bool = True) -> Cut:
    """Cuts a field in half.

    Args:
        losses: (rows,) of each entry on the same validation rows; none that diverged.
        more: entries at most that stay beside the better half.
        ties: whether what ties with the last of the better half stays.
    """
    order = sorted(losses, key=lambda name: float(losses[name].mean()))
    half = better_half(len(order))
    better, rest = order[:half], order[half:]
    alike = [name for name in rest if ties and not _behind(losses[name] - losses[better[-1]])] if better else []
    tied = alike[:more]
    out = [name for name in rest if name not in tied]
    return Cut((*better, *tied), tuple(tied), tuple(out), tuple(alike[more:]))


def better_half(entries: int) -> int:
    """How many the better half of so many is."""
    return (entries + 1) // 2


def _behind(difference: np.ndarray) -> bool:
    """Whether paired differences (rows,) are above zero beyond Student's 95 % interval of their mean."""
    from scipy import stats

    rows = len(difference)
    if rows < 2:
        return bool(difference.mean() > 0)
    error = float(difference.std(ddof=1)) / rows**0.5
    return float(difference.mean()) > float(stats.t.ppf(0.975, rows - 1)) * error
