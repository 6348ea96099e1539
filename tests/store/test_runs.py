"""Comparison runs in the store: what goes in comes out, a run goes on where it was, an older store is brought along.

Runs on SQLite; on PostgreSQL too where $DOMLORA_TEST_POSTGRES names an empty database (all its tables are dropped).
"""

from __future__ import annotations

import math
import signal
from dataclasses import replace
from datetime import UTC, datetime

import pandas as pd
import pytest
import sqlalchemy as sa

from domlora.comparison.run import Answer, Metric, Notes, Run, Variant
from domlora.errors import StoreError
from domlora.store import schema
from domlora.store.store import Store
from tests.helpers.runs import A, B, a_run, answer, evaluation
from tests.helpers.stores import run_python


def by_name(run: Run) -> dict[str, Variant]:
    return {variant.name: variant for variant in run.variants}


# What goes in comes out


def test_run_survives_the_store(store):
    run = a_run()
    assert store.runs.start(run) == run
    assert store.runs.get(run.id[:5]) == store.runs.get(run.key.upper()) == store.runs.find(run.key) == run
    assert store.runs.find("0" * 64) is None
    assert [variant.name for variant in store.runs.get(run.id).variants] == [A, B], "in the order of the run"


def test_runs_are_listed_newest_first_with_their_variants(store):
    old, new = a_run("a"), a_run("b", created=datetime(2026, 3, 1, tzinfo=UTC))
    for run in (new, old):
        store.runs.start(run)
    assert store.runs.list() == [new, old]


def test_curves_come_back_sorted_and_from_a_step_on(store):
    run = store.runs.start(a_run())
    assert store.runs.metrics(run.id).empty
    points = [Metric(v, step, name, step + 0.1) for v in (B, A) for step in (10, 2) for name in ("train_loss", "a")]
    store.runs.add_metrics(run.id, points)
    expected = pd.DataFrame([vars(p) for p in points])[["variant", "step", "name", "value"]]
    expected = expected.sort_values(["variant", "step", "name"], ignore_index=True)
    pd.testing.assert_frame_equal(store.runs.metrics(run.id), expected, check_dtype=False)
    assert set(store.runs.metrics(run.id, after=2)["step"]) == {10}
    empty = store.runs.metrics(run.id, after=10)
    assert empty.empty and list(empty.columns) == list(expected.columns) and empty["value"].dtype == "float64"


def test_values_that_are_not_finite_come_back_as_not_a_number(store):
    run = store.runs.start(a_run())
    values = [math.nan, math.inf, -math.inf, 1e300]
    store.runs.add_metrics(run.id, [Metric(A, step, "train_loss", value) for step, value in enumerate(values)])
    store.runs.add_evaluations(run.id, [evaluation(A, losses=values)])
    store.runs.set_variant(run.id, A, results={"eval_loss_after": math.inf, "eval_loss_before": 2.0})
    store.runs.set_facts(run.id, {"seconds": math.nan})
    (back,) = store.runs.evaluations(run.id)
    for read in (store.runs.metrics(run.id)["value"].tolist(), list(back.losses)):
        assert all(math.isnan(value) for value in read[:3]) and read[3] == 1e300
    results = by_name(store.runs.get(run.id))[A].results
    assert math.isnan(results["eval_loss_after"]) and results["eval_loss_before"] == 2.0
    assert store.runs.get(run.id).facts["seconds"] is None


def test_point_evaluation_and_answer_of_the_same_place_give_way(store):
    run = store.runs.start(a_run())
    for text, value in (("4", 1.0), ("5", 2.0)):
        store.runs.add_metrics(run.id, [Metric(A, 1, "train_loss", 9.0), Metric(A, 1, "train_loss", value)])
        store.runs.add_evaluations(run.id, [evaluation(A, losses=[value]), evaluation("base"), evaluation(A, "chat")])
        store.runs.add_answers(run.id, [answer(A, 1, text), answer(A, 0), answer("base")])
    assert store.runs.metrics(run.id)["value"].tolist() == [2.0]
    assert store.runs.evaluations(run.id) == [evaluation("base"), evaluation(A, "chat"), evaluation(A, losses=[2.0])]
    assert store.runs.answers(run.id) == [answer("base"), answer(A, 0), answer(A, 1, "5")]


def test_answer_of_any_text_is_kept_readably(store):
    run = store.runs.start(a_run())
    store.runs.add_answers(run.id, [Answer("base", 0, "grüße 模型", "", "nul\0 lone \ud800", None)])
    (read,) = store.runs.answers(run.id)
    assert (read.prompt, read.text, read.correct) == ("grüße 模型", "nul  lone ?", None)


def test_variant_keeps_what_is_not_given(store):
    run = store.runs.start(a_run())
    store.runs.set_variant(run.id, A, status="training", results={"eval_loss_before": 2.0})
    store.runs.set_variant(run.id, A, results={"eval_loss_after": 1.0}, adapter="/somewhere")
    store.runs.set_variant(run.id, A, status="done", note="as it should", ended_step=60)
    variant = by_name(store.runs.get(run.id))[A]
    assert (variant.status, variant.note, variant.adapter) == ("done", "as it should", "/somewhere")
    assert variant.results == {"eval_loss_before": 2.0, "eval_loss_after": 1.0}
    assert by_name(store.runs.get(run.id))[B] == run.variants[1]


def test_run_ends_with_its_facts_and_each_warning_once(store):
    run = store.runs.start(a_run())
    store.runs.set_facts(run.id, {"device": "cuda:0"}, ["one seed says little"])
    ended = store.runs.finish(run.id, {"seconds": 3.5}, ["one seed says little", "two diverged"])
    assert ended == store.runs.get(run.id) and ended.status == "done" and ended.finished > run.created
    assert ended.facts == {**run.facts, "device": "cuda:0", "seconds": 3.5}
    assert ended.warnings == ("the placements differ in size", "one seed says little", "two diverged")


def test_removed_run_takes_all_with_it(store):
    run, other = store.runs.start(a_run("a")), store.runs.start(a_run("b"))
    for each in (run, other):
        store.runs.add_metrics(each.id, [Metric(A, 1, "train_loss", 1.0)])
        store.runs.add_evaluations(each.id, [evaluation("base")])
        store.runs.add_answers(each.id, [answer("base")])
    assert store.runs.remove(run.id[:4]) == run.id
    assert store.runs.list() == [other] and len(store.runs.metrics(other.id)) == 1
    with store.database.reading() as connection:
        for table in ("variants", "metrics", "evaluations", "answers"):
            counted = sa.text(f"SELECT DISTINCT run FROM {table}")
            assert list(connection.scalars(counted)) == [other.id]


def test_what_the_owner_says_of_runs_is_kept_apart_from_what_was_measured(store):
    run, other = store.runs.start(a_run("a")), store.runs.start(a_run("b"))
    assert run.notes == Notes()
    store.runs.set_notes([run.id, other.id], tags=[" gsm8k", "gsm8k", " "], pinned=True)
    store.runs.set_notes([run.id], name=" the first ", text="rates were too high", archived=True)
    store.runs.set_notes([run.id], pinned=False)
    said = Notes("the first", ("gsm8k",), "rates were too high", pinned=False, archived=True)
    assert store.runs.get(run.id) == replace(run, notes=said)
    assert store.runs.get(other.id).notes == Notes(tags=("gsm8k",), pinned=True)
    with pytest.raises(StoreError, match="no run 'cccc'"):
        store.runs.set_notes([other.id, "cccc"], name="lost")
    assert store.runs.get(other.id).notes.name == ""


def test_notes_stay_when_a_run_is_trained_anew_and_go_with_it(store):
    run = store.runs.start(a_run())
    store.runs.set_notes([run.id], name="mine")
    store.runs.finish(run.id)
    assert store.runs.start(a_run(job="beef"), replace=True).notes.name == "mine"
    store.runs.remove(run.id)
    assert store.runs.start(a_run()).notes == Notes()


# A run goes on


def test_unfinished_run_is_handed_to_the_next_job_as_it_is(store):
    run = store.runs.start(a_run())
    store.runs.add_metrics(run.id, [Metric(A, 1, "train_loss", 1.0)])
    store.runs.set_variant(run.id, A, status="training")
    again = store.runs.start(a_run(job="beef"), replace=True)
    assert (again.job, by_name(again)[A].status) == ("beef", "training") and len(store.runs.metrics(run.id)) == 1


def test_finished_run_is_the_answer_unless_another_job_asks_anew(store):
    run = store.runs.start(a_run())
    store.runs.add_metrics(run.id, [Metric(A, 1, "train_loss", 1.0)])
    ended = store.runs.finish(run.id)
    assert store.runs.start(a_run(job="beef")) == ended
    assert store.runs.start(a_run(job="feed"), replace=True) == ended, "the second attempt of the job that made it"
    fresh = store.runs.start(a_run(job="beef"), replace=True)
    assert fresh == a_run(job="beef") and store.runs.metrics(run.id).empty
    store.runs.finish(run.id)
    assert store.runs.start(a_run(job=None), replace=True).status == "running"


def filled(store) -> Run:
    """A run of which A diverged at step 30, and B trains at step 40."""
    run = store.runs.start(a_run())
    points = [Metric(v, step, "train_loss", 1.0) for v in (A, B) for step in range(0, 41, 10)]
    store.runs.add_metrics(run.id, points)
    store.runs.add_evaluations(run.id, [evaluation("base"), evaluation(A)])
    store.runs.add_answers(run.id, [answer("base"), answer(A)])
    store.runs.set_variant(run.id, A, status="diverged", note="at step 30", ended_step=30, results={"x": 1.0})
    store.runs.set_variant(run.id, B, status="training")
    return run


def steps(store, run: Run) -> dict[str, int]:
    """The last step that the store has of each variant."""
    return store.runs.metrics(run.id).groupby("variant")["step"].max().to_dict()


def test_rewind_forgets_what_came_after_the_checkpoint(store):
    run = filled(store)
    store.runs.rewind(run.id, 20)
    a, b = store.runs.get(run.id).variants
    assert (a.status, a.note, b.status) == ("queued", None, "queued"), "A diverged after the checkpoint"
    assert steps(store, run) == {A: 20, B: 20}
    assert len(store.runs.evaluations(run.id)) == len(store.runs.answers(run.id)) == 2


def test_rewind_leaves_what_had_ended_by_the_checkpoint(store):
    run = filled(store)
    store.runs.rewind(run.id, 30)
    a, b = store.runs.get(run.id).variants
    assert (a.status, a.note, b.status) == ("diverged", "at step 30", "queued")
    store.runs.set_variant(run.id, B, status="done", ended_step=60)
    store.runs.rewind(run.id, 30)
    assert by_name(store.runs.get(run.id))[B].status == "done", "its adapter is saved: nothing to train again"
    assert steps(store, run) == {A: 40, B: 30}


def test_rewind_of_a_wave_leaves_the_others(store):
    run = filled(store)
    store.runs.rewind(run.id, 10, names=[B])
    assert [v.status for v in store.runs.get(run.id).variants] == ["diverged", "queued"]
    assert steps(store, run) == {A: 40, B: 10}


def test_rewind_to_the_beginning_leaves_only_what_the_base_gave(store):
    run = filled(store)
    store.runs.set_variant(run.id, B, status="done", ended_step=60, adapter="/somewhere")
    store.runs.rewind(run.id, -1)
    assert store.runs.get(run.id) == run
    assert store.runs.metrics(run.id).empty
    assert store.runs.evaluations(run.id) == [evaluation("base")] and store.runs.answers(run.id) == [answer("base")]


def test_cancel_of_one_variant_leaves_the_others_and_holds_after_a_rewind(store):
    run = store.runs.start(a_run())
    assert store.runs.cancelled(run.id) == frozenset()
    store.runs.cancel_variant(run.id, A)
    assert store.runs.cancelled(run.id) == {A}
    assert [v.cancel_requested for v in store.runs.get(run.id).variants] == [True, False]
    store.runs.set_variant(run.id, A, status="cancelled", ended_step=12)
    with pytest.raises(StoreError, match=r"has ended already \(cancelled\)"):
        store.runs.cancel_variant(run.id, A)
    store.runs.rewind(run.id, 10)
    assert by_name(store.runs.get(run.id))[A].status == "queued" and store.runs.cancelled(run.id) == {A}


WRITER = """
import sys
from domlora.comparison.run import Metric
from domlora.store.store import Store
run, variant, url = sys.argv[1:]
store = Store(url or None)
for step in range(40):
    store.runs.add_metrics(run, [Metric(variant, step, name, step) for name in ("train_loss", "grad_norm")])
    store.runs.set_variant(run, variant, results={f"{variant}{step}": step})
print("ok")
"""


def test_processes_that_write_at_once_lose_nothing(store):
    run = store.runs.start(a_run())
    writers = [run_python(WRITER, run.id, name, store.url or "") for name in (A, B, B)]
    assert [writer.communicate()[0] for writer in writers] == ["ok\n"] * 3
    frame = store.runs.metrics(run.id)
    assert frame.groupby("variant").size().to_dict() == {A: 80, B: 80}
    assert [len(variant.results) for variant in store.runs.get(run.id).variants] == [40, 40]


STARTER = """
import sys
from domlora.store.store import Store
from tests.helpers.runs import a_run
print(Store(sys.argv[1] or None).runs.start(a_run(job="feed")).job)
"""


def test_processes_that_start_the_same_run_at_once_share_it(store):
    starters = [run_python(STARTER, store.url or "") for _ in range(3)]
    assert [starter.communicate()[0] for starter in starters] == ["feed\n"] * 3
    assert store.runs.list() == [a_run()]


# Trouble


@pytest.mark.parametrize(
    "use",
    [
        lambda runs, id: runs.get(id),
        lambda runs, id: runs.remove(id),
        lambda runs, id: runs.metrics(id),
        lambda runs, id: runs.evaluations(id),
        lambda runs, id: runs.answers(id),
        lambda runs, id: runs.rewind(id, 1),
        lambda runs, id: runs.finish(id),
        lambda runs, id: runs.set_facts(id, {}),
        lambda runs, id: runs.add_metrics(id, [Metric(A, 1, "train_loss", 1.0)]),
        lambda runs, id: runs.add_evaluations(id, [evaluation(A)]),
        lambda runs, id: runs.add_answers(id, [answer(A)]),
    ],
)
def test_run_that_is_not_there_is_named(store, use):
    store.runs.start(a_run())
    for id in ("feed", "%", ""):
        with pytest.raises(StoreError, match=rf"no run '{id}'.*`domlora runs` lists") as caught:
            use(store.runs, id)
        assert "\n" not in str(caught.value)


def test_variant_that_is_not_there_is_named(store):
    run = store.runs.start(a_run())
    for use in (store.runs.set_variant, store.runs.cancel_variant):
        with pytest.raises(StoreError, match=r"no variant 'nobody'"):
            use(run.id, "nobody")


def test_ambiguous_prefix_names_the_runs(store):
    first, second = a_run("ab"), a_run("ac")
    for run in (first, second):
        store.runs.start(run)
    with pytest.raises(StoreError, match=rf"'a' fits 2 runs \({first.id}, {second.id}\)"):
        store.runs.get("a")


def test_run_of_another_version_is_named(store):
    run = store.runs.start(a_run())
    with store.database.writing() as connection:
        connection.execute(schema.runs.update().values(config={"rank": 8, "novelty": 1}))
    with pytest.raises(StoreError, match=rf"run {run.id} was written by another version"):
        store.runs.get(run.id)


def test_full_disk_while_curves_grow_leaves_what_was_there(home):
    store = Store()
    run = store.runs.start(a_run())
    store.runs.add_metrics(run.id, [Metric(A, 1, "train_loss", 1.0)])

    @sa.event.listens_for(store.database.engine, "engine_connect")
    def no_more_room(connection):
        cursor = connection.connection.dbapi_connection
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")

    many = [Metric(A, step, "train_loss", 2.0) for step in range(5000)]
    with pytest.raises(StoreError, match=r"disk is full; free some space") as caught:
        store.runs.add_metrics(run.id, many)
    assert "\n" not in str(caught.value)
    fresh = Store()
    assert fresh.runs.metrics(run.id)["value"].tolist() == [1.0] and fresh.runs.get(run.id) == run
    fresh.runs.add_metrics(run.id, many)
    assert len(fresh.runs.metrics(run.id)) == 5000


def test_writer_that_is_killed_leaves_whole_steps(home):
    run = Store().runs.start(a_run())
    code = """
import sys
from domlora.comparison.run import Metric
from domlora.store.store import Store
store = Store()
for step in range(10**6):
    store.runs.add_metrics(sys.argv[1], [Metric(str(v), step, "train_loss", 1.0) for v in range(20)])
    print(step, flush=True)
"""
    writer = run_python(code, run.id)
    while int(writer.stdout.readline()) < 20:
        pass
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    counts = Store().runs.metrics(run.id).groupby("step").size()
    assert len(counts) > 20 and set(counts) == {20}
