"""Sends a comparison of the store to a service afterwards, as far as it has come.

In: a run in the store, a service. Out: the same runs of the service that a training would have filled, whole.
"""

from __future__ import annotations

from domlora.comparison.analysis import compare_run
from domlora.comparison.run import ENDED_VARIANT, Metric, Run
from domlora.errors import TrackingError
from domlora.store.store import Store
from domlora.tracking.sender import in_one_line
from domlora.tracking.services import Service, open_tracker


def curves_of(store: Store, run: Run) -> dict[str, list[Metric]]:
    """The points of each variant that has any, in the order of their steps."""
    found: dict[str, list[Metric]] = {}
    table = store.runs.metrics(run.id)
    for point in zip(table["variant"], table["step"], table["name"], table["value"], strict=True):
        found.setdefault(point[0], []).append(Metric(point[0], int(point[1]), str(point[2]), float(point[3])))
    return found


def send(store: Store, run: Run, service: Service, project: str | None = None) -> str:
    """Sends curves, results and conclusion of a run, and returns where they are to be seen.

    Variants that have no point yet are left out; those that have not ended keep that.

    Raises:
        TrackingError: whatever went wrong with the service, in one line.
        StoreError: the run cannot be read.
    """
    comparison = compare_run(run, store.runs.evaluations(run.id))
    curves = curves_of(store, run)
    try:
        tracker = open_tracker(service, run, project)
        for variant in run.variants:
            ended = variant.status in ENDED_VARIANT
            if ended or variant.name in curves:
                tracker.start(variant, curves.get(variant.name, ()))
            if ended:
                tracker.end(variant)
        tracker.conclude(comparison)
        tracker.close(failed=False)
        return tracker.where
    except Exception as error:  # a service raises what it likes
        raise TrackingError(f"run {run.id} could not be sent to {service} ({in_one_line(error)})") from error
