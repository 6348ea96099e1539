"""What a ranking of probes says, as plain tables and sentences: a `Ranking`, ready for the terminal, a page or JSON.

Made by `ranking.rank`; nothing is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from domlora import json_values
from domlora.comparison.run import Run

SCHEMA_VERSION = 1
BASELINES = {"random": "a random module", "size": "the largest module first", "depth": "the first layer first"}
BETTER, WORSE, CHANCE = "better than chance", "worse than chance", "not told apart from chance"


@dataclass(frozen=True, eq=False)
class Ranking:
    """How well each probe foretells where an adapter works, in one run.

    Attributes:
        part: `test`, or `validation` where no test evaluation is there (the rows that chose the rates).
        modules: one row a single module, largest improvement first: `parameters` its adapter trains, `weights` of the
            module, `edge` whether its rate is at the end of those tried (`Contestant.edge`), `low` to `high` the
            improvement's 95 % interval, `rank` from 1.
        scores: (modules, probes) as each probe gave them, in the order of `modules`, indexed by module.
        table: one row a probe or baseline, highest rho first; baselines are trivial probes to be beaten. `rho` with
            its 95 % interval, over modules; `verdict` by intervals that hold for all probes at once;
            `within` the same after each kind's mean rank is out; `regret` in nats, and its rough 95 % interval, over
            rows and seeds; `hits` the share of the `top` best modules among its own top; `pick` its first module,
            one of `picked` that it scores alike, and the mean `pick_rank` of those; `seconds` and `relative_cost`
            (PAGE is 1) of the pass that measured it on `samples` samples (0: it reads weights alone), `shared` with
            other probes or not (no relative cost where PAGE's pass was of the other sort), and its `map`.
        best: the placement with the largest improvement.
        ceiling: the rho that a probe which knew the true improvements would be expected to reach, as rows are few.
        left_out: what could not take part -> why.
        baseline_lead: name of the best trivial baseline, and per probe rho minus that baseline's: estimate, low and
            high, which hold for all probes at once.
        sentence: what can be told apart and what cannot, in plain words.
        warnings: whole sentences: what makes the evidence weak or unequal.
    """

    run: Run
    part: str
    rows: int
    seeds: int
    modules: pd.DataFrame
    scores: pd.DataFrame
    table: pd.DataFrame
    best: str
    top: int
    ceiling: float
    left_out: Mapping[str, str]
    baseline_lead: tuple[str, Mapping[str, tuple[float, float, float]]]
    seed: int
    sentence: str = ""
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Everything as one JSON-serialisable object; NaN becomes None.

        `resamples` is 0, as intervals are no longer resampled; `bootstrap_seed` halves the rows for the regret.
        """
        name, leads = self.baseline_lead
        return json_values.plain({
            "schema_version": SCHEMA_VERSION, "run": self.run.id, "model": self.run.model, "task": self.run.task,
            "part": self.part, "rows": self.rows, "seeds": self.seeds, "steps": self.run.config.steps,
            "best": self.best, "top": self.top, "ceiling": self.ceiling, "sentence": self.sentence,
            "warnings": self.warnings, "probes": self.table.to_dict("records"),
            "modules": self.modules.to_dict("records"),
            "scores": {probe: dict(column) for probe, column in self.scores.items()},
            "left_out": dict(self.left_out),
            "best_baseline": {"name": name, "rho_minus_baseline": dict(leads)},
            "resamples": 0, "bootstrap_seed": self.seed,
        })  # fmt: skip
