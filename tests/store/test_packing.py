"""A run leaves a store as files and comes into another one as it was."""

from pathlib import Path

import pytest

from domlora.energy import files as energy_files
from domlora.errors import StoreError
from domlora.paths import sample_data_path
from domlora.store.packing import pack, unpack
from domlora.store.shipped import SHIPPED, take_in_runs
from domlora.store.store import Store
from tests.helpers.compared import fill


@pytest.fixture
def energy():
    return energy_files.read(sample_data_path() / "maps" / "smollm2-135m-math.parquet")


@pytest.fixture
def other(tmp_path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'other.db'}")


def test_a_run_comes_over_with_all_that_belongs_to_it(energy, other, tmp_path):
    run = fill(energy, steps=20, ended=True, diverged=("qv lr=0.01 seed=1",))
    pack(Store(), run.id, tmp_path / "packed", [energy])
    assert unpack(other, tmp_path / "packed") == run.id
    there, here = other.runs, Store().runs
    assert there.get(run.id) == here.get(run.id)
    assert there.evaluations(run.id) == here.evaluations(run.id)
    assert there.answers(run.id) == here.answers(run.id)
    assert there.metrics(run.id).equals(here.metrics(run.id))
    assert len(there.metrics(run.id)) > 0
    assert other.maps.get(energy.id).modules.equals(energy.modules)


def test_a_run_that_is_there_stays_as_it_is(energy, other, tmp_path):
    run = fill(energy, steps=20, ended=True)
    pack(Store(), run.id, tmp_path / "packed")
    assert unpack(other, tmp_path / "packed") == run.id
    other.runs.set_facts(run.id, {"mine": 1})
    assert unpack(other, tmp_path / "packed") is None
    assert other.runs.get(run.id).facts["mine"] == 1


def test_a_column_that_came_later_has_its_default(energy, other, tmp_path):
    run = fill(energy, steps=20, ended=True)

    def earlier(content):
        for row in content["variants"]:
            del row["ended_step"]
        return content

    pack(Store(), run.id, tmp_path / "packed", change=earlier)
    assert unpack(other, tmp_path / "packed") == run.id
    assert len(other.runs.get(run.id).variants) == len(run.variants)


def test_what_is_packed_twice_is_the_same_file(energy, tmp_path):
    run = fill(energy, steps=20, ended=True)
    pack(Store(), run.id, tmp_path / "one")
    pack(Store(), run.id, tmp_path / "two")
    assert (tmp_path / "one" / "run.json.gz").read_bytes() == (tmp_path / "two" / "run.json.gz").read_bytes()


def test_an_unknown_run_is_said(tmp_path):
    with pytest.raises(StoreError, match="has no run"):
        pack(Store(), "nothing", tmp_path / "packed")


def test_runs_that_come_with_domlora_are_small_whole_and_of_no_machine(other):
    folders = sorted(path.parent for path in (sample_data_path() / "runs").glob("*/run.json.gz"))
    assert folders
    assert sum(file.stat().st_size for folder in folders for file in folder.iterdir()) < 10e6
    take_in_runs(other)
    runs = other.runs.list()
    assert len(runs) == len(folders)
    maps = {one.id for one in other.maps.list()} | {one.id for run in runs for one in other.maps.list(run=run.id)}
    for run in runs:
        assert run.status == "done"
        assert run.facts[SHIPPED] is True
        assert run.facts["energy_map"] in maps
        assert run.job is None
        assert all(variant.adapter is None for variant in run.variants)
        assert not Path(run.task_origin.place).is_absolute()
    for id in maps:
        origin = other.maps.get(id).provenance.task_origin
        assert not Path(origin.place).is_absolute()
