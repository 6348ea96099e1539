"""Which results a report is about: ids come in, the parts of the report go out, read from the store."""

from __future__ import annotations

from collections.abc import Sequence

from domlora.comparison.analysis import compare_run
from domlora.comparison.run import Run
from domlora.errors import StoreError
from domlora.report.comparison import comparison_part
from domlora.report.energy_map import map_part
from domlora.report.parts import Part
from domlora.report.search import search_part
from domlora.search.answer import Answer, answer_of, is_search
from domlora.store.database import only
from domlora.store.store import Store


def parts_of(store: Store, ids: Sequence[str]) -> list[Part]:
    """A part for each id, in their order; one that is named twice comes once.

    Args:
        ids: of energy maps, comparisons and searches, or how each begins.

    Raises:
        StoreError: nothing in the store has such an id, or several have.
    """
    maps = {one.key: one.id for one in store.maps.list()}
    runs = {one.key: one.id for one in store.runs.list()}
    known = maps | runs
    found = []
    for id in ids:
        wanted = id.lower()
        fitting = sorted({known[key] for key in known if wanted and key.startswith(wanted)})
        found.append(only(id, fitting, "result", "`domlora maps` or `domlora runs`", StoreError))
    return [_part(store, id, id in maps.values()) for id in dict.fromkeys(found)]


def run_part(store: Store, run: Run) -> Part:
    """The part of a comparison, or of a search where the run is a race."""
    if is_search(run):
        return answer_part(store, answer_of(store, run))
    return comparison_part(compare_run(run, store.runs.evaluations(run.id)), store.runs.metrics(run.id))


def answer_part(store: Store, answer: Answer) -> Part:
    """The part of a search, its finalists beside what it chose."""
    final = answer.final
    if final is None or answer.chosen is None:
        return search_part(answer, None)
    return search_part(answer, compare_run(final.run, store.runs.evaluations(final.run.id), baseline=answer.chosen))


def _part(store: Store, id: str, is_map: bool) -> Part:
    return map_part(store.maps.get(id)) if is_map else run_part(store, store.runs.get(id))
