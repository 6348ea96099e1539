"""Sends a comparison to services while it trains, in threads of their own: training neither waits for them nor fails.

In: what happens to variants, in order. Out: the same, told to each `Tracker`. A service that raises is left aside with
one sentence; so is one that takes so long that the queue of what waits for it is full, or that holds up the end.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Event, Thread

from domlora.comparison.result import Comparison
from domlora.comparison.run import Metric, Run, Variant
from domlora.tracking.services import Destination, Service, open_tracker
from domlora.tracking.tracker import Tracker
from domlora.visible import visible

MOST_WAITING = 20_000  # calls; curves come about once a second
PATIENCE = 90.0  # seconds for the services together to take what waits at the end
AFTER_FAILURE = 10.0  # the same where training has failed or was interrupted


class Channel(Thread):
    """One service: calls are put into its queue and made one after the other.

    Attributes:
        failure: why it was left aside, in words; None while all is well.
        where: where it is to be seen, once it has ended well.
    """

    def __init__(self, service: Service, open: Callable[[], Tracker]) -> None:
        super().__init__(name=f"sending to {service}", daemon=True)
        self.service = service
        self.failure: str | None = None
        self.where = ""
        self._open = open
        self._calls: queue.Queue[Callable[[Tracker], None] | None] = queue.Queue(MOST_WAITING)
        self._abandoned = Event()

    def put(self, call: Callable[[Tracker], None] | None) -> None:
        """What is to be done next; None ends the thread. Returns at once."""
        if self.failure is None:
            try:
                self._calls.put_nowait(call)
            except queue.Full:
                self.leave("it took nothing any more")

    def leave(self, reason: str) -> None:
        """Leaves the service aside: nothing is waited for any longer."""
        self.failure = self.failure or reason
        self._abandoned.set()

    def run(self) -> None:
        try:
            tracker = self._open()
            while (call := self._calls.get()) is not None:
                if self._abandoned.is_set():
                    return
                call(tracker)
            self.where = tracker.where
        except Exception as error:  # of whatever kind a service raises: it must not end a training
            self.leave(in_one_line(error))


class Sender:
    """All services of one comparison. No call waits or raises."""

    def __init__(self, run: Run, to: Destination) -> None:
        self._run = run
        self._channels = [Channel(s, lambda s=s: open_tracker(s, run, to.project)) for s in to.services]  # type: ignore[misc]
        self._told: set[Service] = set()
        for channel in self._channels:
            channel.start()

    def start(self, variant: Variant, before: Sequence[Metric]) -> None:
        self._put(lambda tracker: tracker.start(variant, before))

    def points(self, points: Sequence[Metric]) -> None:
        kept = tuple(points)
        self._put(lambda tracker: tracker.points(kept))

    def end(self, variant: Variant) -> None:
        self._put(lambda tracker: tracker.end(variant))

    def add(self, variant: Variant, results: Mapping[str, float]) -> None:
        self._put(lambda tracker: tracker.add(variant, results))

    def conclude(self, comparison: Comparison) -> None:
        self._put(lambda tracker: tracker.conclude(comparison))

    def close(self, *, failed: bool) -> dict[str, str]:
        """Waits a while for what is under way.

        Returns:
            Service -> where it is to be seen, of those that have everything.
        """
        self._put(lambda tracker: tracker.close(failed=failed))
        self._put(None)
        patience = AFTER_FAILURE if failed else PATIENCE
        end = time.monotonic() + patience
        for channel in self._channels:
            if channel.failure is None:
                channel.join(max(0.0, end - time.monotonic()))
            if channel.is_alive():
                channel.leave(f"it had not taken everything {patience:.0f} seconds after the end")
        return {channel.service: channel.where for channel in self._channels if channel.failure is None}

    def failures(self) -> list[str]:
        """A sentence for each service that was left aside since the last time that this was asked."""
        new = [c for c in self._channels if c.failure is not None and c.service not in self._told]
        self._told |= {channel.service for channel in new}
        return [failed(self._run, channel.service, str(channel.failure)) for channel in new]

    def _put(self, call: Callable[[Tracker], None] | None) -> None:
        for channel in self._channels:
            channel.put(call)


def failed(run: Run, service: Service, reason: str) -> str:
    """The warning of a run whose curves a service did not take."""
    return (
        f"The curves could not be sent to {service} ({reason}); nothing measured is lost, and `domlora runs send "
        f"{run.id} --to {service}` sends them."
    )


def in_one_line(error: Exception) -> str:
    """The first line of what went wrong."""
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return visible(f"{type(error).__name__}: {line}".rstrip(": .")[:300])
