"""Where the entries of a race stood at the end of each rung, as a table for charts. Plain records in, no torch.

In: the run of a race and its rungs. Out: a table of points, and the loss of the model without an adapter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from domlora.placements.words import short_name
from domlora.search.answer import entries_of
from domlora.search.race import Rung, everyone

if TYPE_CHECKING:
    from domlora.comparison.run import Run

POINTS = ("entry", "placement", "rate", "rung", "step", "loss", "state")
GOES_ON, OUT = "goes on", "falls out"
STATES = {  # how a rung ends for an entry, by the field of `Rung` that names it; what comes first counts
    "untold": f"{OUT} for want of time, though not told apart from the last that stays",
    "out": OUT,
    "tied": f"{GOES_ON}, as it cannot be told apart from the last that stays",
    "kept": GOES_ON,
}


def points(race: Run, rungs: Sequence[Rung]) -> pd.DataFrame:
    """One row an entry and rung that it finished, with `state` in words; rung 0 is the base model, where all start.

    Entries that joined later have no row for rung 0.
    """
    first = entries_of(race)
    known = {entry.name: entry for entry in everyone(first, rungs)}
    base = base_loss(race)
    rows = []
    if base is not None:
        begun = [entry for entry in first if not rungs or entry.name in rungs[0].losses]
        rows = [(entry.name, short_name(entry.placement), entry.rate, 0, 0, base, "start") for entry in begun]
    for i, rung in enumerate(rungs):
        for name, loss in rung.losses.items():
            state = next(words for field, words in STATES.items() if name in getattr(rung, field))
            rows.append((name, short_name(known[name].placement), known[name].rate, i + 1, rung.step, loss, state))
    return pd.DataFrame(rows, columns=list(POINTS))


def base_loss(run: Run) -> float | None:
    """Validation loss of the model without an adapter; None where it is not known yet."""
    found = (variant.results.get("eval_loss_before") for variant in run.variants)
    return next((float(loss) for loss in found if loss is not None), None)
