"""What is taken away, as the makers of files see it: one variant of a run, what it was compared with, its recipe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from domlora.comparison.result import Comparison
from domlora.comparison.run import Run, Variant
from domlora.export.curves import curves_svg
from domlora.export.names import ADAPTER, CURVES
from domlora.export.recipe import Recipe
from domlora.export.saved import CONFIG, SavedAdapter, read_adapter
from domlora.export.where import Base, base_named

__all__ = ["ADAPTER", "CURVES", "Taken"]


@dataclass(frozen=True)
class Taken:
    """One variant that is taken away.

    Attributes:
        metrics: the curves of its run, as `store.runs.metrics` has them; None where they are not at hand.
    """

    run: Run
    comparison: Comparison
    variant: Variant
    recipe: Recipe
    metrics: pd.DataFrame | None = None

    @classmethod
    def of(cls, run: Run, comparison: Comparison, variant: Variant, metrics: pd.DataFrame | None = None) -> Taken:
        return cls(run, comparison, variant, Recipe.of_run(run, variant), metrics)

    @cached_property
    def curves(self) -> str | None:
        """Of all contestants, as SVG; None where there is nothing to draw."""
        return None if self.metrics is None else curves_svg(self.comparison, self.metrics)

    @cached_property
    def saved(self) -> SavedAdapter | None:
        """What its adapter holds; None where that is not on this machine."""
        folder = self.variant.adapter
        return read_adapter(Path(folder)) if folder is not None and (Path(folder) / CONFIG).is_file() else None

    @property
    def base(self) -> Base:
        """The base model, for command lines."""
        return base_named(self.recipe.model_argument, self.recipe.revision, self.run.model_origin)
