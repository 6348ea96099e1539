"""What a sweep tells while it goes on, and what it has measured: two interfaces, and nothing behind them here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from domlora.comparison.run import Evaluation, Metric, Variant


class SweepLog(Protocol):
    """Where a sweep writes what it finds. Every call is kept for good before it returns."""

    def variants(self) -> Sequence[Variant]:
        """All variants of the run as they stand."""

    def variant(self, name: str, **changes: Any) -> None:
        """`status`, `note`, `results`, `adapter`, `ended_step` of a variant."""

    def metrics(self, points: Sequence[Metric]) -> None: ...

    def evaluations(self, made: Sequence[Evaluation]) -> None: ...

    def warn(self, *warnings: str) -> None: ...

    def rewind(self, step: int, names: Sequence[str]) -> None:
        """Forgets what these variants did after a step; -1 forgets everything."""

    def cancelled(self) -> frozenset[str]:
        """Variants that are asked to end."""


class Energies(Protocol):
    """Measures where the gradient energy is while a sweep trains, and keeps it for good."""

    def measure(self, variant: str, step: int) -> None:
        """Of the model as it runs now: first the untouched one (`BASE`, step 0). What was measured stays as it is.

        Raises:
            ProbeError: an energy that is not finite, or no memory.
        """
