"""What is trained to rank probes by, where nothing else is asked for. Plain settings: no pandas, no torch here."""

from __future__ import annotations

from domlora.comparison.config import SweepConfig

LEAST_MODULES = 5  # fewer single modules have no order to speak of
MODULES = 30  # single modules that are trained
# Single modules take higher rates than whole models do.
SINGLES = SweepConfig(
    placements=(f"spread:{MODULES}",), learning_rates=(5e-3, 2e-2, 5e-2), seeds=1, steps=40, validation_rows=24,
    test_rows=96, evaluate_every=40, forgetting_rows=0, answers=0,
)  # fmt: skip
