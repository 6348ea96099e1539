"""What a comparison says, as tables, verdicts and sentences: a `Comparison`, ready for the terminal, a page or JSON.

Made by `comparison.analysis`; nothing is computed here.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from domlora import json_values
from domlora.comparison.run import Run, Variant
from domlora.comparison.selection import Contestant

SCHEMA_VERSION = 1
BETTER, WORSE, SAME = "better", "worse", "no difference beyond the interval"
BASELINE, UNKNOWN = "baseline", "not measured"


@dataclass(frozen=True)
class ControlTest:
    """The dominant module against random ones of its size, trained with the same method: the claim put to the test.

    Attributes:
        beaten: how many of `controls` have a higher mean loss than `dominant`.
        difference, low, high: loss of `dominant` minus the mean of the controls, and its 95 % interval. The controls
            are taken as they are: the interval says nothing about other random draws.
    """

    method: str
    dominant: str
    controls: tuple[str, ...]
    beaten: int
    difference: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True, eq=False)
class Comparison:
    """What a run says so far.

    Attributes:
        part: `test`, or `validation` where no test evaluation is there (losses are then optimistic).
        baseline: the contestant that `table` gives differences to; None while none is measured.
        contestants: in the order of the run.
        table: one row a contestant, lowest loss first, indexed by contestant. `loss` is the mean over rows and seeds,
            `low` to `high` its own 95 % interval, `change` its difference to the base model with a 95 % interval of
            its own. `difference` is to the baseline, with an interval that holds for all pairs of contestants at
            once, so that any baseline may be chosen after the fact; `better_probability` is how sure it is that its
            loss is below the baseline's, taken by itself (Student's distribution of the difference, below zero).
            `seeds` counts those with a result; runs that are equal on every row count as one.
        pairs: one row a pair with a common seed, the same intervals: `difference` is first minus second.
        learning_rates: contestant × rate: validation `loss` (mean over finished seeds), `spread` (standard deviation
            over seeds), `low` to `high` (least and largest seed), and counts of seeds by how they ended.
        forgetting: contestant × other task: change of loss against the base model at the chosen rate.
        answers: contestant × measure (`exact_match`, `pass_at_1`): mean over seeds with Wilson's interval over rows.
        conclusion: one to four plain sentences: what can be concluded and what cannot.
        warnings: whole sentences: what makes the comparison unequal or incomplete.
    """

    run: Run
    part: str
    rows: int
    baseline: str | None
    contestants: tuple[Contestant, ...]
    table: pd.DataFrame
    pairs: pd.DataFrame
    learning_rates: pd.DataFrame
    forgetting: pd.DataFrame
    answers: pd.DataFrame
    controls: tuple[ControlTest, ...]
    conclusion: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> str | None:
        """The contestant with the lowest loss, whether or not it can be told apart from the next."""
        measured = self.table.index[self.table["loss"].notna()]
        return str(measured[0]) if len(measured) else None

    @property
    def variants(self) -> tuple[Variant, ...]:
        return self.run.variants

    def difference(self, first: str, second: str) -> tuple[float, float, float, float]:
        """Loss of `first` minus that of `second`: estimate, low, high, probability that `first` is the lower."""
        return difference(self.pairs, first, second)

    def to_json(self) -> dict[str, Any]:
        """Everything as one JSON-serialisable object: the keys of `domlora compare --json`; NaN becomes None.

        `resamples` is 0: intervals were resampled once, and are no longer (`statistics.crossed`).
        """
        return json_values.plain({
            "schema_version": SCHEMA_VERSION, "run": self.run.id, "model": self.run.model, "task": self.run.task,
            "part": self.part, "rows": self.rows, "baseline": self.baseline, "best": self.best,
            "conclusion": self.conclusion, "warnings": self.warnings,
            "variants": [_variant_json(variant) for variant in self.variants],
            "contestants": self.table.reset_index().to_dict("records"),
            "pairs": self.pairs.to_dict("records"), "learning_rates": self.learning_rates.to_dict("records"),
            "forgetting": self.forgetting.to_dict("records"), "answers": self.answers.to_dict("records"),
            "controls": [asdict(test) for test in self.controls],
            "resamples": 0, "bootstrap_seed": 0,
        })  # fmt: skip

    def to_csv(self) -> str:
        """`table` as CSV, one line a contestant."""
        return self.table.to_csv()


def difference(pairs: pd.DataFrame, first: str, second: str) -> tuple[float, float, float, float]:
    """Loss of `first` minus that of `second`: estimate, low, high, probability that first is better; NaN if unknown."""
    for one, two, turned in ((first, second, False), (second, first, True)):
        row = pairs[(pairs["first"] == one) & (pairs["second"] == two)]
        if len(row):
            estimate, low, high, better = row[["difference", "low", "high", "better_probability"]].to_numpy()[0]
            return (-estimate, -high, -low, 1 - better) if turned else (estimate, low, high, better)
    return (math.nan,) * 4


def _variant_json(variant: Variant) -> dict[str, Any]:
    return {
        "name": variant.name, "placement": variant.placement, "method": variant.method, "lr": variant.learning_rate,
        "seed": variant.seed, "trainable_parameters": variant.trainable_parameters, "modules": variant.modules,
        "eval_loss_before": None, "eval_loss_after": None, **variant.results, "status": variant.status,
        "note": variant.note, "adapter": variant.adapter,
    }  # fmt: skip
