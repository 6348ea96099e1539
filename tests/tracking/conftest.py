"""A finished comparison in the store, made by hand, with names as others may make them."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from domlora.comparison.run import Metric
from domlora.store.store import Store
from tests.helpers.runs import A, a_run, evaluation
from tests.helpers.tracked import CURVES, ODD, curve_of


@pytest.fixture
def store(home):
    opened = Store()
    yield opened
    opened.close()


@pytest.fixture
def finished(store):
    """One variant is done, one has an odd name and diverged at step 3."""
    run = a_run()
    done, lost = run.variants
    run = store.runs.start(replace(run, variants=(done, replace(lost, name=ODD))))
    for name in CURVES:
        store.runs.add_metrics(run.id, curve_of(A, 5, name))
    store.runs.add_metrics(run.id, [*curve_of(ODD, 2), Metric(ODD, 3, "train_loss", math.inf)])
    store.runs.set_variant(
        run.id, A, status="done", ended_step=5,
        results={"eval_loss_before": 2.0, "eval_loss_after": 1.5, "test_loss_after": 1.75, "exact_match_after": 0.25},
    )  # fmt: skip
    store.runs.set_variant(
        run.id, ODD, status="diverged", ended_step=3, note="its loss was no longer finite at step 3: try *less*"
    )
    store.runs.add_evaluations(run.id, [evaluation("base", losses=(2.5, 3.5)), evaluation(A)])
    return store.runs.finish(run.id)
