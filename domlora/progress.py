"""What long work says while it goes on: one callable, handed down to whoever can tell how far it is; and its pace.

In: (stage, done, total) as work goes on, from a callable or from the store. Out: its words, the same on every page and
on the command line, and the time left by how fast it went lately.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# (stage, done, total) as a job goes on; total 0 where it is not known.
Progress = Callable[[str, int, int], None]

FETCHING = "fetching the model (MB)"  # the one stage that counts megabytes
MEGABYTE = 1_000_000
LATELY = 30.0  # seconds that tell how fast something goes
LEAST = 4.0  # seconds that must have been seen to tell that
APART = 0.5  # seconds between two sightings that are kept


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


class Pace:
    """How fast something goes, by what was seen of it lately: long work is faster at one stage than at another.

    Args:
        clock: seconds; another one for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: tuple[tuple[float, int], ...] = ()  # replaced, never changed: another thread may read it
        self._total = 0

    def saw(self, done: int, total: int) -> None:
        """Notes how far it is. What counts to another total, or backwards, is other work."""
        now = self._clock()
        before = self._seen if total == self._total and (not self._seen or done >= self._seen[-1][1]) else ()
        if len(before) > 1 and now - before[-2][0] < APART:
            before = before[:-1]
        while len(before) > 1 and now - before[1][0] >= LATELY:
            before = before[1:]
        self._total, self._seen = total, (*before, (now, done))

    @property
    def rate(self) -> float | None:
        """How much is done a second; None where too little was seen."""
        seen = self._seen
        if len(seen) < 2:
            return None
        (first, before), (last, done) = seen[0], seen[-1]
        return (done - before) / (last - first) if last - first >= LEAST and done > before else None

    @property
    def left(self) -> float | None:
        """Seconds until all is done; None where that cannot be told, or all is done."""
        rest, rate = self._total - self._seen[-1][1] if self._seen else 0, self.rate
        return rest / rate if rate and rest > 0 else None


def in_words(stage: str, done: int, total: int, pace: Pace | None = None) -> str:
    """`probing: 40 %`, `fetching the model: 12 of 93 MB, 3.4 MB/s`.

    Args:
        pace: what has seen it go on; None where nobody has.
    """
    if stage == FETCHING:
        of = f"{done} of {total} MB" if total else f"{done} MB"
        speed = f", {pace.rate:.1f} MB/s" if pace is not None and pace.rate else ""
        return f"{stage.removesuffix(' (MB)')}: {of}{speed}"
    return f"{stage or 'starting'}: {share(done, total)}" if total else stage or "starting"


def share(done: int, total: int) -> str:
    """`56 %`; never `100 %` before all is done."""
    return "100 %" if done >= total else f"{min(99, round(100 * done / total))} %"
