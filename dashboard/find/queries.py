"""What the Find page reads of the store: searches, and what they say so far, cached while nothing changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import streamlit as st

from dashboard.shared import queries
from dashboard.shared.running import is_live, job_of
from domlora.comparison.run import Run
from domlora.errors import StoreError, UsageError
from domlora.jobs.spec import Job
from domlora.paths import home
from domlora.search.answer import Answer, answer_of, is_search
from domlora.search.facts import FINAL

SEARCH, JOB = "search", "job"  # as the address names what is open


@dataclass(frozen=True)
class Search:
    """A search as it is now.

    Attributes:
        race: its run; None as long as nothing trains.
        job: that computes it; None where it runs from Python or the command line, or the job is gone.
    """

    race: Run | None
    job: Job | None

    @property
    def running(self) -> bool:
        """Whether more is to come."""
        if self.job is not None and not self.job.ended:
            return True
        return self.race is not None and is_live(self.race, self.job)


def opened(address: Mapping[str, str]) -> Search | None:
    """The search that an address names; None where it names none.

    Raises:
        DomLoRAError: there is none of that name.
    """
    if address.get(JOB):
        job = queries.queue().get(address[JOB])
        if job.request.kind != "find":
            raise UsageError(f"job {job.id} is no search: the page Jobs shows it")
        return Search(race_of(job), job)
    if address.get(SEARCH):
        race = queries.run(address[SEARCH])
        if not is_search(race):
            raise UsageError(f"run {race.id} is a comparison and no search: the page Compare shows it")
        return Search(race, job_of(race))
    return None


def race_of(job: Job) -> Run | None:
    """The run of a job's race, once it has begun."""
    if job.result is not None:
        return queries.run(job.result)
    return next((run for run in queries.store().runs.of_job(job.id) if is_search(run)), None)


def searches() -> list[Run]:
    """The races of all searches, newest first."""
    return [run for run in queries.run_rows() if is_search(run)]


def answer(race: Run) -> Answer:
    """What a search says so far; read anew when anything was written that it is made of."""
    told, judged, evaluations = race.facts.get(FINAL), None, []
    if told is not None:
        try:
            judged = queries.run(told["run"])
            evaluations = queries.store().runs.evaluations(judged.id)
        except StoreError:  # not begun yet, or removed
            judged = None
    return _answer(race.id, queries.stamp(race, judged, evaluations), str(home()))


@st.cache_resource(show_spinner="Reading the search …", max_entries=64)
def _answer(run_id: str, stamp: int, where: str) -> Answer:
    store = queries.store()
    return answer_of(store, store.runs.get(run_id))
