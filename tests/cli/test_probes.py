"""`domlora probes` as a user meets it: the list, and a ranking of a tiny model from nothing."""

import json

import pytest

from domlora.data.tasks import load_task
from domlora.probes.registry import PROBES
from domlora.store.store import Store
from domlora.training.rows import choose_rows, training_task
from tests.helpers.command import run
from tests.helpers.sweeping import write_task

TINY = (
    "--modules", 6, "--lr", "1e-2,1e-1", "--steps", 3, "--rank", 2, "--batch-size", 2, "--validation-rows", 4,
    "--test-rows", 8, "--samples", 4,
)  # fmt: skip


@pytest.fixture
def rows(tmp_path):
    return write_task(tmp_path / "rows.jsonl", 40)


@pytest.fixture
def ranked(capsys, tiny_folder, rows):
    """The JSON of a ranking of three probes that began with an empty store."""
    command = ("probes", "rank", tiny_folder, "--task", rows, "--probes", "page,plop,weight-norm", *TINY, "--json")
    status, out, err = run(capsys, *command)
    assert status == 0, err
    return json.loads(out)


@pytest.mark.parametrize("command", [("probes",), ("probes", "list")])
def test_list_has_every_probe_with_formula_and_source(capsys, command):
    status, out, _ = run(capsys, *command)
    assert status == 0
    for info in PROBES.values():
        assert all(text in out for text in (info.name, info.title, info.formula, info.source))
    (listed,) = [json.loads(run(capsys, *command, "--json")[1])]
    assert [one["name"] for one in listed] == list(PROBES)
    assert {one["prefers"] for one in listed} == {"high", "low"}


def test_rank_trains_measures_and_says_what_is_told_apart(ranked):
    assert {one["probe"] for one in ranked["probes"]} == {"page", "plop", "weight-norm", "random", "size", "depth"}
    assert len(ranked["modules"]) == 6
    assert ranked["rows"] == 8
    assert ranked["steps"] == 3
    assert set(ranked["scores"]["plop"]) == {one["module"] for one in ranked["modules"]}
    by_name = {one["probe"]: one for one in ranked["probes"]}
    assert by_name["page"]["relative_cost"] == 1
    assert by_name["weight-norm"]["samples"] == 0
    assert ranked["sentence"]


def test_no_probe_reads_rows_that_modules_are_judged_by(ranked, rows):
    """All of them read what the map reads that modules are chosen by, which is one of theirs."""
    store, task = Store(), load_task(rows)
    (run,) = store.runs.list()
    left = training_task(task, choose_rows(task, run.config))
    assert left.splits == {"train": 28} and run.facts["training_hash"] == left.content_hash
    maps = store.maps.list()
    assert {one.task_hash for one in maps} == {left.content_hash} and len(maps) == 3
    assert run.facts["energy_map"] in {one.id for one in maps}


def test_the_second_ranking_is_answered_from_the_store(capsys, ranked, tiny_folder, rows, monkeypatch):
    import domlora.models.loading

    def never(*_, **__):
        raise AssertionError("nothing is to be loaded")

    monkeypatch.setattr(domlora.models.loading, "load_local", never)
    for options in (TINY, ("--samples", 4)):  # the same settings, or any run of this model and task
        status, out, err = run(
            capsys, "probes", "rank", tiny_folder, "--task", rows, "--probes", "page,plop,weight-norm", *options
        )
        assert status == 0, err
        assert f"Run {ranked['run']}; maps" in out
        assert ranked["sentence"] in out
    assert len(Store().runs.list()) == 1


def test_missing_probes_are_measured_in_one_pass(capsys, ranked, tiny_folder, rows, monkeypatch):
    import domlora.jobs.execute

    passes = []
    before = domlora.jobs.execute.run_probe

    def counted(request, *others):
        passes.append(request)
        return before(request, *others)

    monkeypatch.setattr(domlora.jobs.execute, "run_probe", counted)
    status, out, err = run(
        capsys, "probes", "rank", tiny_folder, "--task", rows, "--run", ranked["run"], "--samples", 4,
        "--against", "chat", "--json",
    )  # fmt: skip
    assert status == 0, err
    found = json.loads(out)
    assert {p["probe"].split(" ")[0] for p in found["probes"]} == {*PROBES, "random", "size", "depth"}
    assert len(passes) == 1
    assert passes[0].config.against == "chat"
    assert {c.probe for c in passes[0].configs} == set(PROBES) - {"page", "plop", "weight-norm"}
    table = run(
        capsys, "probes", "rank", tiny_folder, "--task", rows, "--samples", 4, "--against", "chat"
    )[1]  # fmt: skip
    assert "Interference with chat" in table
    assert "(the largest module first)" in table


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--probes", "nobody"), 2, "no probe is called 'nobody': known are all, page"),
        (("--probes", "interference"), 2, "name the other one with --against"),
        (("--lr", "0"), 2, "--lr: a learning rate of 0 trains nothing"),
        (("--modules", 0), 2, "spread"),
        (("--modules", 99), 1, "has 14 modules to spread over"),
        (("--modules", 4), 2, "has 4 single modules with a result, and to rank probes takes 5"),
        (("--run", "none"), 1, "none"),
        (("--run", "none", "--steps", 3), 2, "--run names a comparison that is trained already"),
        (("--samples", 0), 2, "--samples"),
    ],
)
def test_bad_requests_are_one_line_with_a_way_out(capsys, tiny_folder, rows, options, status, words):
    settings = () if "--run" in options else TINY
    one = ("--probes", "page")
    found, out, err = run(capsys, "probes", "rank", tiny_folder, "--task", rows, *one, *settings, *options)
    last = [line for line in err.splitlines() if line.strip()][-1]
    assert (found, out) == (status, ""), err
    assert words in last


def test_a_run_of_another_task_is_refused(capsys, ranked, tiny_folder):
    status, _, err = run(capsys, "probes", "rank", tiny_folder, "--task", "math", "--run", ranked["run"])
    assert status == 2
    assert f"run {ranked['run']} is of" in err
