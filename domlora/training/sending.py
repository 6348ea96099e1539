"""Sends a comparison to the services that a user looks at, beside the store: a `SweepLog` that tells both.

In: the log of a run and a `Destination`. Out: the same log, told to the services too, each in a thread of its own
(`tracking.sender`). What a service does not take becomes a warning of the run. Nothing here decides a number.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from domlora.comparison.analysis import compare_run
from domlora.comparison.run import ENDED_VARIANT, Evaluation, Metric, Run, Variant
from domlora.errors import TrackingError
from domlora.store.store import Store
from domlora.tracking.finished import curves_of, send
from domlora.tracking.sender import Sender, failed
from domlora.tracking.services import Destination
from domlora.training.log import SweepLog

SENT_TO = "sent_to"  # a fact of a run: service -> where its curves are to be seen
log = logging.getLogger(__name__)


class SentLog:
    """A `SweepLog` that tells another one first, then the services.

    That a variant has ended is told after the next points, or when the sweep looks at all variants: its last points
    are reported after its end.

    Args:
        curves: the points of each variant that the store has.
    """

    def __init__(self, kept: SweepLog, sender: Sender, curves: Callable[[], Mapping[str, Sequence[Metric]]]) -> None:
        self._kept, self._sender, self._curves = kept, sender, curves
        self._before: Mapping[str, Sequence[Metric]] = {}  # what variants have that go on after a checkpoint
        self._started: set[str] = set()
        self._ended: list[Variant] = []  # not told yet
        self._told = {variant.name: variant for variant in kept.variants()}

    def variants(self) -> Sequence[Variant]:
        self._tell()
        return self._kept.variants()

    def variant(self, name: str, **changes: Any) -> None:
        self._kept.variant(name, **changes)
        status = changes.get("status")
        if status != "training" and status not in ENDED_VARIANT:
            return
        (variant,) = (v for v in self._kept.variants() if v.name == name)
        if status == "training":
            self._sender.start(variant, self._before.get(name, ()))
            self._started.add(name)
        elif name in self._started:
            self._ended.append(variant)

    def metrics(self, points: Sequence[Metric]) -> None:
        self._kept.metrics(points)
        self._sender.points(points)
        self._tell()

    def evaluations(self, made: Sequence[Evaluation]) -> None:
        self._kept.evaluations(made)

    def warn(self, *warnings: str) -> None:
        self._kept.warn(*warnings)

    def rewind(self, step: int, names: Sequence[str]) -> None:
        self._kept.rewind(step, names)
        self._before = self._curves() if step >= 0 else {}

    def cancelled(self) -> frozenset[str]:
        return self._kept.cancelled()

    def tell_rest(self) -> None:
        """Tells what was measured of variants after they had ended, such as exact match."""
        for variant in self.variants():
            known = self._told.get(variant.name, variant)
            more = {name: value for name, value in variant.results.items() if name not in known.results}
            if more:
                self._sender.add(variant, more)

    def warn_of_failures(self) -> None:
        for warning in self._sender.failures():
            log.warning("%s", warning)
            self._kept.warn(warning)

    def _tell(self) -> None:
        for variant in self._ended:
            self._sender.end(variant)
            self._told[variant.name] = variant
        self._ended = []
        self.warn_of_failures()


@contextmanager
def sent(kept: SweepLog, run: Run, store: Store, to: Destination, waiting: Callable[[], None]) -> Iterator[SweepLog]:
    """The log itself where nothing is to be sent, else one that sends; at its end come the conclusion and the rest.

    Args:
        waiting: called before what is under way is waited for.
    """
    if not to:
        yield kept
        return
    sender = Sender(run, to)
    both = SentLog(kept, sender, lambda: curves_of(store, run))
    try:
        yield both
        both.tell_rest()
        now = store.runs.get(run.id)
        sender.conclude(compare_run(now, store.runs.evaluations(run.id)))
    except BaseException:
        sender.close(failed=True)
        raise
    waiting()
    places = sender.close(failed=False)
    both.warn_of_failures()
    _keep_places(store, now, places)


def send_known(run: Run, store: Store, to: Destination) -> Run:
    """Sends a run that the store has complete, and returns it; what a service does not take is a warning of the run."""
    places: dict[str, str] = {}
    for service in to.services:
        try:
            places[service] = send(store, run, service, to.project)
        except TrackingError as error:
            log.warning("%s", error)
            store.runs.set_facts(run.id, warnings=(failed(run, service, str(error)),))
    _keep_places(store, run, places)
    return store.runs.get(run.id) if to else run


def _keep_places(store: Store, run: Run, places: dict[str, str]) -> None:
    if places:
        store.runs.set_facts(run.id, {SENT_TO: {**run.facts.get(SENT_TO, {}), **places}})
