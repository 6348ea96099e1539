"""What would measure a cell without a map: where model and task lie, with whose settings, and which job is its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from domlora.data.origin import TaskOrigin
from domlora.jobs.missing import plan_missing
from domlora.jobs.spec import Job, ProbeRequest, SweepRequest
from domlora.models.origin import ModelOrigin
from domlora.probes.config import ProbeConfig

DEFAULT = ProbeConfig(samples=7)
FOLDER = ModelOrigin(kind="folder", place="/models/b")
HUB = ModelOrigin(kind="hub", place="org/name", revision="abc")
FILE = TaskOrigin(kind="file", place="/data/own.jsonl")


@dataclass(frozen=True)
class Row:
    id: str
    model: str
    task: str


def known(config: ProbeConfig = ProbeConfig(), model=FOLDER, task=FILE):  # noqa: B008
    return SimpleNamespace(config=config, model_origin=model, task_origin=task)


def job(request, **changes) -> Job:
    queued = Job(
        "0123", request, "queued", "", 0, 0, datetime(2026, 1, 1, tzinfo=UTC), None, None, None, 0, None, None, False,
        None, None,
    )  # fmt: skip
    return replace(queued, **changes)


def plan(lacking, rows=(), provenance=None, jobs=(), default=DEFAULT):
    of = provenance or {}
    measured = {(row.model, row.task): row for row in rows}
    return plan_missing([lacking], measured, rows, of.__getitem__, jobs, default)[0]


def test_a_model_and_a_task_are_named_as_their_maps_say():
    rows = [Row("m1", "b", "math"), Row("m2", "ref-llama", "own")]
    cell = plan(("b", "own"), rows, {"m1": known(), "m2": known()})
    assert (cell.request.model, cell.request.revision, cell.request.task) == ("/models/b", None, "/data/own.jsonl")
    assert (cell.unknown, cell.job, cell.active, cell.problem) == (None, None, False, None)


def test_a_hub_model_keeps_its_revision():
    cell = plan(("name", "math"), [Row("m1", "name", "code")], {"m1": known(model=HUB)})
    assert (cell.request.model, cell.request.revision) == ("org/name", "abc")


def test_built_in_names_need_no_map():
    cell = plan(("ref-llama", "math"))
    assert (cell.request.model, cell.request.task, cell.request.config) == ("ref-llama", "math", DEFAULT)


def test_a_job_that_made_a_map_is_asked_before_the_map():
    asked = job(ProbeRequest(model="/elsewhere/b", task="/elsewhere/own.jsonl"), status="done", result="m1")
    cell = plan(("b", "own"), [Row("m1", "b", "own")], {"m1": known()}, [asked])
    assert (cell.request.model, cell.request.task) == ("/elsewhere/b", "/elsewhere/own.jsonl")


@pytest.mark.parametrize(
    ("lacking", "origins", "words"),
    [
        (("gone", "math"), {}, "where gone lies is not known here any more"),
        (("b", "math"), {"model": None}, "where b lies is not known here any more"),
        (("b", "math"), {"model": ModelOrigin(kind="gguf", place="name.gguf")}, "where b lies is not known"),
        (("b", "own"), {"task": TaskOrigin(kind="file", place="own.jsonl")}, "where the rows of own lie is not known"),
    ],
)
def test_what_cannot_be_found_again_is_said(lacking, origins, words):
    cell = plan(lacking, [Row("m1", "b", "own")], {"m1": known(**origins)})
    assert cell.request is None and words in cell.unknown and cell.problem == cell.unknown


def test_settings_are_those_of_most_cells_of_the_model_then_of_most_cells():
    few, many = ProbeConfig(samples=2), ProbeConfig(samples=4)
    rows = [Row("m1", "b", "x"), Row("m2", "c", "x"), Row("m3", "c", "y")]
    of = {"m1": known(few), "m2": known(many), "m3": known(many)}
    assert plan(("b", "math"), rows, of).request.config == few
    assert plan(("ref-llama", "math"), rows, of).request.config == many


def test_the_latest_job_of_the_same_model_task_and_probe_is_the_cells_own():
    wanted = ProbeRequest(model="ref-llama", task="math", config=ProbeConfig(samples=2))
    other = wanted.model_copy(update={"config": ProbeConfig(probe="fisher")})
    jobs = [
        job(SweepRequest(model="ref-llama", task="math")), job(other),
        job(wanted, id="new", status="failed", error="no memory"), job(wanted, id="old"),
    ]  # fmt: skip
    cell = plan(("ref-llama", "math"), jobs=jobs)
    assert (cell.job.id, cell.active, cell.problem) == ("new", False, "no memory")
    assert plan(("ref-llama", "math"), jobs=jobs[3:]).active
