"""What is taken away, as the makers of files see it: one variant of a run, what it was compared with, its recipe."""

from __future__ import annotations

from dataclasses import dataclass

from domlora.comparison.result import Comparison
from domlora.comparison.run import Run, Variant
from domlora.export.recipe import Recipe

ADAPTER = "adapter"  # folder of the PEFT adapter among the files


@dataclass(frozen=True)
class Taken:
    """One variant that is taken away."""

    run: Run
    comparison: Comparison
    variant: Variant
    recipe: Recipe
