"""Tables of a search for its charts and its page, from plain records. No Streamlit, no store, no torch here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

from dashboard.shared import contestants
from dashboard.shared.figures import COLOURS
from dashboard.shared.words import short_name
from domlora.search.answer import entries_of
from domlora.search.facts import PLAN
from domlora.search.race import Rung, best_rates, everyone
from domlora.search.standings import OUT as OUT
from domlora.search.standings import points as points

if TYPE_CHECKING:
    from domlora.comparison.run import Run
    from domlora.search.answer import Answer

LEADERS = 5  # placements that a chart names


def still_running(rungs: Sequence[Rung]) -> set[str]:
    """Names of the entries that the last rung kept."""
    return set(rungs[-1].kept) if rungs else set()


def placements_left(race: Run, rungs: Sequence[Rung]) -> list[str]:
    """Placements of which an entry is still in the race, in their order in the run."""
    going = {*still_running(rungs), *(entry.name for entry in rungs[-1].joined)} if rungs else None
    left = {entry.placement for entry in everyone(entries_of(race), rungs) if going is None or entry.name in going}
    return [placement.name for placement in race.placements if placement.name in left]


def steps_to_come(race: Run, rungs: Sequence[Rung]) -> list[int]:
    """Steps at which the rungs that are still planned end."""
    last = rungs[-1].step if rungs else 0
    return [rung["step"] for rung in race.facts[PLAN]["rungs"] if rung["step"] > last]


def palette(answer: Answer) -> dict[str, str]:
    """The placements that charts name, each with its colour.

    Finalists have the colours of their comparison. Before there are any, a placement that comes to lead takes the first
    colour that is free and keeps it for as long as it leads.
    """
    if answer.final is not None:
        raced = {short_name(placement.name) for placement in answer.race.placements}
        colours = contestants.colours(contestants.names_of(answer.final.run))
        return {name: colour for name, colour in colours.items() if name in raced}
    first, held = entries_of(answer.race), dict[str, int]()
    for i in range(len(answer.rungs)):
        done = answer.rungs[: i + 1]
        going = still_running(done)
        leaders = [name for name, (entry, _) in best_rates(first, done).items() if entry.name in going][:LEADERS]
        held = {name: place for name, place in held.items() if name in leaders}
        for name in leaders:
            held.setdefault(name, next(place for place in range(LEADERS) if place not in held.values()))
    return {short_name(name): COLOURS[place] for name, place in held.items()}


def candidates(answer: Answer) -> pd.DataFrame:
    """The columns of an answer's table that a person reads, the best first."""
    table = answer.table
    return pd.DataFrame(
        {
            "place": range(1, len(table) + 1), "placement": [short_name(name) for name in table["placement"]],
            "validation loss": table["loss"], "step": table["step"].where(table["step"] > 0).astype("Int64"),
            "learning rate": table["learning_rate"], "status": table["status"],
            "parameters": table["parameters"], "modules": table["modules"], "proposed as": table["why"],
        }
    )  # fmt: skip
