"""The answer of a search, read from its two runs in the store, also while they grow. No torch.

In: the run of a race and, once there is one, the comparison of its finalists. Out: an `Answer`: which placement, at
which learning rate, how good beside the others and how sure, and where every candidate stands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from domlora import json_values
from domlora.comparison.analysis import compare_run
from domlora.comparison.result import Comparison
from domlora.comparison.run import Run, Variant
from domlora.errors import StoreError, UsageError
from domlora.placements.placement import Placement
from domlora.search import sentences
from domlora.search.facts import CANDIDATES, FINAL, FIND, PLAN, RUNGS
from domlora.search.race import Entry, Rung, best_rates, still_running, tried_rates
from domlora.store.store import Store

SCHEMA_VERSION = 1
AS_GOOD = 0.05  # of what the best gains over the base model may be lost by one that is called as good
TABLE = (
    "placement", "parameters", "modules", "why", "control", "learning_rate", "loss", "step", "status", "finalist",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Answer:
    """What a search says so far.

    Attributes:
        race: its run; its id is that of the answer.
        rungs: of the race, so far.
        table: one row a candidate, the best first: `loss` on validation rows at the last rung (`step`) that one of
            its entries finished, at the best `learning_rate` there; `status` in words.
        final: the comparison of the finalists; None while there is none.
        control: the name of the random one among them.
        chosen: name of the placement to adapt; None while nothing has been judged.
        tried: the learning rates that the race tried for it, rising.
        headline: one sentence; `told` says more, one sentence each.
    """

    race: Run
    rungs: tuple[Rung, ...]
    table: pd.DataFrame
    final: Comparison | None
    control: str | None
    chosen: str | None
    tried: tuple[float, ...] = ()
    headline: str = ""
    told: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.race.id

    @property
    def placement(self) -> Placement | None:
        """What to adapt."""
        placements = self.final.run.placements if self.final is not None else ()
        return next((one for one in placements if one.name == self.chosen), None)

    @property
    def learning_rate(self) -> float | None:
        if self.final is None or self.chosen is None:
            return None
        return float(self.final.table.loc[self.chosen, "learning_rate"])

    @property
    def variant(self) -> Variant | None:
        """The adapter to take away: the first start of what is chosen."""
        contestants = self.final.contestants if self.final is not None else ()
        return next((one.variants[0] for one in contestants if one.name == self.chosen and one.variants), None)

    def to_json(self) -> dict[str, Any]:
        """Everything as one JSON-serialisable object; NaN becomes None."""
        placement = self.placement
        return json_values.plain({
            "schema_version": SCHEMA_VERSION, "id": self.id, "model": self.race.model, "task": self.race.task,
            "status": self.race.status, "headline": self.headline, "told": self.told, "chosen": self.chosen,
            "learning_rate": self.learning_rate, "control": self.control,
            "placement": placement.model_dump(mode="json") if placement is not None else None,
            "lora_config": placement.settings("lora") if placement is not None else None,
            "race": {
                "run": self.race.id, "plan": self.race.facts[PLAN], "rungs": [rung.to_json() for rung in self.rungs],
                "candidates": self.table.to_dict("records"), "left_out": self.race.facts[FIND]["left_out"],
            },
            "final": self.final.to_json() if self.final is not None else None,
            "warnings": (*self.race.warnings, *(self.final.run.warnings if self.final is not None else ())),
        })  # fmt: skip


def is_search(run: Run) -> bool:
    """Whether a run is the race of a search."""
    return FIND in run.facts


def answer_of(store: Store, race: Run) -> Answer:
    """Reads what a search says so far.

    Raises:
        UsageError: the run is a comparison that somebody asked for.
    """
    if not is_search(race):
        raise UsageError(f"run {race.id} is a comparison and no search: `domlora runs show {race.id}` shows it")
    told = race.facts.get(FINAL)
    final = None
    if told is not None:
        try:
            judged = store.runs.get(told["run"])
        except StoreError:  # not begun yet, or removed
            judged = None
        if judged is not None:
            final = compare_run(judged, store.runs.evaluations(judged.id))
    return make_answer(race, final)


def entries_of(race: Run) -> list[Entry]:
    """Who started in a race."""
    return [Entry(*one) for one in race.facts[FIND]["entries"]]


def make_answer(race: Run, final: Comparison | None) -> Answer:
    """The answer of a race and the comparison of its finalists."""
    rungs = tuple(Rung.from_json(one) for one in race.facts[RUNGS])
    control = (race.facts.get(FINAL) or {}).get("control")
    chosen = chosen_of(final, control) if final is not None else None
    tried = tried_rates(chosen, entries_of(race), rungs) if chosen is not None else ()
    answer = Answer(race, rungs, _table(race, rungs, final), final, control, chosen, tried)
    return replace(answer, headline=sentences.headline(answer), told=sentences.told(answer))


def chosen_of(final: Comparison, control: str | None) -> str | None:
    """The smallest finalist that is as good as the best one, else the best one; never the control, unless it is alone.

    As good is who is behind by no more than `AS_GOOD` of what the best gains over the base model, at the upper end of
    the interval: who is only not told apart from the best, as little is known, is not.
    """
    table = final.table[final.table["loss"].notna()]
    table = table if len(table) == 1 else table[table.index != control]
    if table.empty:
        return None
    best = table.iloc[0]
    behind = {name: final.difference(name, str(best.name))[2] for name in map(str, table.index[1:])}
    sizes = {str(name): int(size) for name, size in table["trainable_parameters"].items()}
    return smallest_as_good(str(best.name), behind, sizes, float(best["loss_before"] - best["loss"]))


def smallest_as_good(best: str, behind: Mapping[str, float], sizes: Mapping[str, int], gain: float) -> str:
    """The smallest of the best one and those that are as good.

    Args:
        behind: how far each other may be behind the best: the upper end of the interval of its difference.
        sizes: trainable parameters of all.
        gain: of the best over the base model.
    """
    alike = [best, *(name for name, high in behind.items() if high <= AS_GOOD * max(gain, 0.0))]
    return min(alike, key=lambda name: (sizes[name], alike.index(name)))


def _table(race: Run, rungs: Sequence[Rung], final: Comparison | None) -> pd.DataFrame:
    entries = entries_of(race)
    best = best_rates(entries, rungs)
    made: Mapping[str, Mapping[str, Any]] = {one["name"]: one for one in race.facts[CANDIDATES]}
    placements = {placement.name: placement for placement in race.placements}
    judged = {one.name for one in final.run.placements} if final is not None else set()
    last = rungs[-1].step if rungs else 0
    going = {entry.placement for entry in entries}
    if rungs:
        going = {entry.placement for entry in still_running(entries, rungs)}
    order = [*best, *(name for name in made if name not in best)]
    rows = []
    for name in order:
        placement, candidate = placements[name], made[name]
        entry, rung = best.get(name, (None, None))
        if name in judged:
            status = "finalist"
        elif name in going:
            status = (
                "in the race"
                if race.status == "running" and not judged
                else f"not judged, as others led at step {last}"
            )
        elif rung is None:
            status = "diverged or cancelled at every rate"
        else:
            status = f"out after step {rung.step}"
        rows.append((
            name, placement.trainable_parameters, len(placement.modules), "; ".join(candidate["why"]),
            candidate["control"], entry.rate if entry else float("nan"),
            rung.losses[entry.name] if entry and rung else float("nan"), rung.step if rung else 0, status,
            name in judged,
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=list(TABLE))
