"""What long work says while it goes on: one callable, handed down to whoever can tell how far it is."""

from __future__ import annotations

from collections.abc import Callable

# (stage, done, total) as a job goes on; total 0 where it is not known.
Progress = Callable[[str, int, int], None]


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
