"""The store: what goes in comes out, one line for what goes wrong, and no job is taken twice.

Runs on SQLite; on PostgreSQL too where $DOMLORA_TEST_POSTGRES names an empty database (all its tables are dropped).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from domlora.errors import StoreError
from domlora.jobs.queue import Queue
from domlora.store import database, schema
from domlora.store.store import Store
from tests.helpers.stores import POSTGRES, REQUEST, energy_map, run_python

# Energy maps


def test_map_survives_the_store(store):
    energy = energy_map()
    assert store.maps.add(energy) == energy.id
    for loaded in (
        store.maps.get(energy.id),
        store.maps.get(energy.provenance.key),
        store.maps.find(energy.provenance.key),
    ):
        assert loaded.provenance == energy.provenance
        pd.testing.assert_frame_equal(loaded.modules, energy.modules, check_dtype=False)
    assert store.maps.find("0" * 64) is None


def test_list_of_maps_says_what_the_maps_say_and_is_newest_first(store):
    old, new = energy_map("a"), energy_map("b", created="2026-01-02T05:00:00+01:30")
    older = energy_map("c", energies=[1.0], created="2025-12-31T00:00:00Z")
    for energy in (old, older, new):
        store.maps.add(energy)
    listed = store.maps.list()
    assert [summary.id for summary in listed] == [new.id, old.id, older.id]
    first = listed[0]
    assert first.created == datetime(2026, 1, 2, 3, 30, tzinfo=UTC) and first.created.utcoffset() == timedelta(0)
    assert (first.dominant.module, first.dominant.share) == (new.dominant["module"], new.dominant["share"])
    assert (first.lead, first.effective_modules, first.modules) == (4.0, new.effective_modules, 3)
    assert (first.verdict, first.level) == (new.verdict.sentence, new.level)
    # measured facts, not what was asked for
    assert (first.samples, first.dtype, first.device, first.seconds) == (2, "bfloat16", "NVIDIA H200", 0.0)
    assert (first.estimator, first.reduction, first.architecture) == ("expected", "per_sample", "LlamaForCausalLM")
    assert listed[-1].lead == older.lead == float("inf")


def test_same_key_replaces_the_map(store):
    store.maps.add(energy_map(energies=[1.0, 2.0]))
    store.maps.add(energy_map(energies=[5.0, 1.0, 1.0]))
    assert [summary.modules for summary in store.maps.list()] == [3]
    assert store.maps.get(energy_map().id).dominant["layer"] == 0


def test_prefix_of_a_map_must_be_known_and_unique(store):
    energies = [energy_map(str(i)) for i in range(20)]  # 20 hex keys: at least two begin alike
    for energy in energies:
        store.maps.add(energy)
    first = [energy.id[0] for energy in energies]
    shared = next(letter for letter in first if first.count(letter) > 1)
    with pytest.raises(StoreError, match=f"'{shared}' fits {first.count(shared)} energy maps .*give more of the id"):
        store.maps.get(shared)
    for unknown in ("xyz", "", "%", "_", "\\"):
        with pytest.raises(StoreError, match=r"no energy map .*`domlora maps`"):
            store.maps.get(unknown)
    assert store.maps.get(energies[0].id.upper()).id == energies[0].id


def test_removed_map_is_gone(store):
    store.maps.add(energy_map())
    assert store.maps.remove(energy_map().id[:6]) == energy_map().id
    assert store.maps.list() == []
    with pytest.raises(StoreError, match=r"no energy map"):
        store.maps.remove(energy_map().id)


def test_damaged_map_is_named_and_the_list_still_works(store):
    store.maps.add(energy_map())
    with store.database.writing() as connection:
        connection.execute(schema.energy_maps.update().values(parquet=b"PAR1 cut short"))
    with pytest.raises(StoreError, match=r"cannot be read .*measure again"):
        store.maps.get(energy_map().id)
    assert len(store.maps.list()) == 1


# Several processes


def test_processes_that_open_a_new_store_at_once_all_succeed(home):
    code = "from domlora.store.store import Store; s = Store(); s.maps.list(); print('ok')"
    openers = [run_python(code) for _ in range(4)]
    assert [opener.communicate()[0] for opener in openers] == ["ok\n"] * 4


# Trouble


def test_full_disk_is_one_line_and_keeps_the_earlier_map(home):
    store = Store()
    store.maps.add(energy_map("a"))
    job = Queue(store).submit(REQUEST)

    @sa.event.listens_for(store.database.engine, "engine_connect")
    def no_more_room(connection):
        cursor = connection.connection.dbapi_connection
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {pages}")

    big = energy_map("b", energies=np.random.default_rng(0).random(20_000))
    with pytest.raises(StoreError, match=r"disk is full; free some space") as caught:
        store.maps.add(big)
    assert "\n" not in str(caught.value)
    fresh = Store()
    assert [summary.id for summary in fresh.maps.list()] == [energy_map("a").id]
    assert fresh.maps.get(energy_map("a").id).provenance == energy_map("a").provenance
    assert Queue(fresh).get(job.id) == job
    fresh.maps.add(big)


def test_write_that_is_killed_leaves_the_store_as_it_was(home):
    store = Store()
    store.maps.add(energy_map("a"))
    code = """
import os, signal
from domlora.store.store import Store
from domlora.store.schema import energy_maps
store = Store()
with store.database.writing() as connection:
    connection.execute(energy_maps.delete())
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert run_python(code).wait() == -9
    assert [summary.id for summary in store.maps.list()] == [energy_map("a").id]
    store.maps.add(energy_map("b"))


def test_store_of_a_newer_version_is_refused(store):
    with store.database.writing() as connection:
        connection.execute(schema.alembic_version.update().values(version_num="99"))
    with pytest.raises(StoreError, match=r"newer domlora \(schema 99.*upgrade domlora"):
        Store(store.url)


def test_locked_store_says_so(home, monkeypatch):
    monkeypatch.setattr(database, "BUSY_SECONDS", 0)
    one, other = Store(), Store()
    with one.database.writing(), pytest.raises(StoreError, match=r"locked by another process"):
        Queue(other).submit(REQUEST)
    assert Queue(other).list() == []
    Queue(other).submit(REQUEST)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite:////proc/nowhere/store.db", "cannot be opened"),
        ("no url", "DOMLORA_STORE is no database URL"),
        ("nosuchdatabase://host/x", "DOMLORA_STORE is no database URL"),
        ("mssql+pymssql://u:secret@host/x", "needs a driver that is not installed"),
    ],
)
def test_store_that_cannot_be_opened_is_one_line_without_the_password(url, message, monkeypatch):
    monkeypatch.setenv("DOMLORA_STORE", url)
    with pytest.raises(StoreError, match=message) as caught:
        Store()
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


@pytest.mark.skipif(not POSTGRES, reason="needs the PostgreSQL driver")
def test_unreachable_server_is_one_line_without_the_password():
    with pytest.raises(StoreError, match=r"cannot be reached .*check DOMLORA_STORE") as caught:
        Store("postgresql+psycopg://u:secret@127.0.0.1:1/x")
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_file_that_is_no_database_is_named(home):
    home.mkdir()
    (home / "domlora.db").write_text("a shopping list\n" * 100, encoding="utf-8")
    with pytest.raises(StoreError, match=r"domlora.db is damaged or no store of domlora"):
        Store()


def test_home_that_is_a_file_is_named(home):
    home.write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match=r"set DOMLORA_HOME"):
        Store()


def test_write_to_a_read_only_store_is_one_line(home):
    store = Store()
    sa.event.listen(
        store.database.engine,
        "engine_connect",
        lambda connection: connection.connection.dbapi_connection.execute("PRAGMA query_only = 1"),
    )
    with pytest.raises(StoreError, match=r"cannot be written .*make it writable"):
        Queue(store).submit(REQUEST)


def test_home_with_odd_characters_works(tmp_path, monkeypatch):
    monkeypatch.setenv("DOMLORA_HOME", str(tmp_path / "a b?c#d%20é"))
    Queue(Store()).submit(REQUEST)
    assert len(Queue(Store()).list()) == 1
    assert (tmp_path / "a b?c#d%20é" / "domlora.db").exists()
