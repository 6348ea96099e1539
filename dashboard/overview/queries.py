"""What Overview reads: what is known of each model, and one line for everything that was measured. Cached by `queries`.

In: the lists of maps and runs. Out: a `Card` a model, and `Thing`s in the order in which they were made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shared import queries, words
from dashboard.shared.queries import MapRow
from domlora.comparison.run import STEPS
from domlora.comparison.selection import RESULTS, final_losses
from domlora.models.catalogue import REFERENCE_MODELS
from domlora.paths import home
from domlora.probes.registry import PROBES
from domlora.ranking import rank
from domlora.search.answer import is_search
from domlora.store.shipped import is_shipped

if TYPE_CHECKING:
    from domlora.comparison.run import Run

MAP, COMPARISON, SEARCH, RANKING = "energy map", "comparison", "search", "single modules"
DOMINANT = "dominant"


@dataclass(frozen=True)
class Trained:
    """What a run says by the losses that its variants ended with.

    Attributes:
        steps: that its variants trained: fewer than asked for where the time was over.
        best: the contestant with the lowest mean loss; the loss, and what it was before training, where that is kept.
        dominant: loss of PAGE's dominant module; None where it took no part.
    """

    run: Run
    steps: int
    best: str
    loss: float
    before: float | None
    dominant: float | None


@dataclass(frozen=True)
class Card:
    """What is known of one model.

    Attributes:
        rows: its maps by PAGE, newest first.
        trained: by its newest run that is finished; None where there is none.
    """

    model: str
    rows: tuple[MapRow, ...]
    trained: Trained | None

    @property
    def reference(self) -> bool:
        return self.model in REFERENCE_MODELS


@dataclass(frozen=True)
class Thing:
    """One thing that was measured, and where it opens."""

    what: str
    model: str
    task: str
    finding: str
    made: str
    shipped: bool
    page: str
    query: dict[str, str]


def cards() -> list[Card]:
    """Of all models with maps or finished runs: real ones first, those with the newest results before others."""
    return _cards(str(home()))


@st.cache_resource(ttl=queries.LIST_SECONDS, show_spinner=False)
def _cards(where: str) -> list[Card]:
    of_model: dict[str, list[MapRow]] = {}
    for row in queries.page_rows():
        of_model.setdefault(row.model, []).append(row)
    newest: dict[str, Trained] = {}
    for run in queries.run_rows():
        if run.model not in newest and run.status == "done" and not run.config.race and (found := trained(run)):
            newest[run.model] = found
    models = dict.fromkeys([*newest, *of_model])
    found = [Card(model, tuple(of_model.get(model, ())), newest.get(model)) for model in models]
    return sorted(found, key=lambda card: card.reference)


def trained(run: Run) -> Trained | None:
    """What a run of `queries.run_rows` has found; None while nothing has finished."""
    known = _known(str(home()))
    if run.id not in known or known[run.id][0] is not run:  # a run that did not change is the same object
        known[run.id] = run, _trained(run)
    return known[run.id][1]


@st.cache_resource(show_spinner=False)
def _known(where: str) -> dict[str, tuple[Run, Trained | None]]:
    return {}


def _trained(run: Run) -> Trained | None:
    losses, part = final_losses(run)
    if not losses:
        return None
    best = min(losses, key=losses.__getitem__)
    name = f"{RESULTS[part]}_loss_before"
    before = next((variant.results[name] for variant in run.variants if name in variant.results), None)
    steps = max(int(v.results.get(STEPS, run.config.steps)) for v in run.variants)
    return Trained(run, steps, best, losses[best], before, losses.get(DOMINANT))


def things() -> list[Thing]:
    """Everything, newest first; what comes with domlora last."""
    return _things(str(home()))


@st.cache_resource(ttl=queries.LIST_SECONDS, show_spinner=False)
def _things(where: str) -> list[Thing]:
    found = [*map(_of_map, queries.map_rows()), *map(_of_run, queries.run_rows())]
    found.sort(key=lambda thing: thing.made, reverse=True)
    return sorted(found, key=lambda thing: queries.place_in_list(thing.shipped, thing.model))


def _of_map(row: MapRow) -> Thing:
    where = f"layer {row.layer} {row.kind}"
    share = f", {row.share:.1%}: {row.level}" if PROBES[row.probe].additive else ""
    return Thing(
        MAP, row.model, row.task, f"{PROBES[row.probe].title}: {where} leads{share}", row.created,
        row.source != queries.HERE, "energy_map", {"map": row.label},
    )  # fmt: skip


def _of_run(run: Run) -> Thing:
    label = queries.run_label(run)
    if is_search(run):
        what, page, query = SEARCH, "find", {"search": run.id}
        finding = f"{len(run.placements)} placements raced" + ("" if run.status == "done" else ", not finished")
    else:
        singles = rank.qualifies(run)
        what, page, query = (
            (RANKING, "probes", {"singles": label}) if singles else (COMPARISON, "compare", {"run": label})
        )
        finding = _finding(run)
    return Thing(what, run.model, run.task, finding, f"{run.created:%Y-%m-%d %H:%M}", is_shipped(run), page, query)


def _finding(run: Run) -> str:
    if found := trained(run):
        return f"{words.short_name(found.best)} is best of {len(run.placements)}: {found.loss:.3f} nats"
    return "nothing has finished" if run.status == "done" else "running, or ended early"
