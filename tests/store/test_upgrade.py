"""A store that the first version of domlora made opens in this one, with all that was in it.

Runs on SQLite; on PostgreSQL too where $DOMLORA_TEST_POSTGRES names an empty database (all its tables are dropped).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
import sqlalchemy as sa

from domlora.energy import files as energy_files
from domlora.jobs.queue import Queue
from domlora.store import schema
from domlora.store.store import Store
from tests.helpers.runs import a_run
from tests.helpers.stores import REQUEST, empty_store, energy_map, run_python

SCHEMA_1 = """
CREATE TABLE energy_maps (
    "key" VARCHAR(128) NOT NULL, id VARCHAR(12) NOT NULL, model TEXT NOT NULL, model_revision TEXT NOT NULL,
    task TEXT NOT NULL, task_hash TEXT NOT NULL, created DATETIME NOT NULL, summary JSON NOT NULL,
    parquet BLOB NOT NULL, PRIMARY KEY ("key"));
CREATE TABLE jobs (
    number INTEGER NOT NULL, id VARCHAR(12) NOT NULL, request JSON NOT NULL, wanted_device TEXT NOT NULL,
    status VARCHAR(16) NOT NULL, stage TEXT NOT NULL, done BIGINT NOT NULL, total BIGINT NOT NULL,
    created DATETIME NOT NULL, started DATETIME, finished DATETIME, heartbeat DATETIME, attempts INTEGER NOT NULL,
    worker TEXT, device TEXT, cancel_requested BOOLEAN NOT NULL, result TEXT, error TEXT,
    PRIMARY KEY (number), UNIQUE (id));
CREATE TABLE schema_version (version INTEGER NOT NULL, PRIMARY KEY (version));
INSERT INTO schema_version VALUES (1);
CREATE INDEX ix_energy_maps_id ON energy_maps (id);
CREATE INDEX ix_jobs_status ON jobs (status)
"""
JOB_1 = (
    'INSERT INTO jobs VALUES (1, \'fccbf19530ea\', \'{"schema_version": 1, "kind": "probe", "model": "smollm2", '
    '"revision": null, "task": "math", "config": {"probe": "page", "estimator": "expected", "reduction": "per_sample", '
    '"samples": 32, "rank": 8, "alpha": 16.0, "rslora": false, "draws": 1, "max_length": 512, "seed": 0, '
    '"split": "train", "dtype": "auto"}, "device": "auto", "refresh": false}\', \'auto\', \'running\', \'probing\', '
    "3, 8, '2026-11-24 21:57:42.719090', '2026-11-24 21:57:42.721935', NULL, '2026-11-24 21:57:42.721937', 1, 'w', "
    "'auto', FALSE, NULL, NULL)"
)
SUMMARY_1 = {
    "samples": 2, "estimator": "expected", "reduction": "per_sample", "seconds": 0.0, "device": "NVIDIA H200",
    "dtype": "bfloat16", "layers": 3, "architecture": "LlamaForCausalLM", "lead": 4.0, "effective_modules": 2.0,
    "dominant": {"module": "layers.0.mlp.down_proj", "layer": 0, "kind": "down", "share": 0.7}, "modules": 3,
    "level": "concentrated", "verdict": "layer 0 leads",
}  # fmt: skip
MAP_1 = "INSERT INTO energy_maps VALUES (:key, :id, 'model-a', 'abc', 'math', 'def', :created, :summary, :parquet)"


@pytest.fixture(params=["sqlite", "postgresql"])
def old_store(request, home):
    """A store of schema 1 with a map and a running job in it; its URL."""
    url = empty_store(request.param)
    home.mkdir()
    engine = sa.create_engine(url or f"sqlite:///{home / 'domlora.db'}")
    energy = energy_map()
    with engine.begin() as connection:
        for statement in SCHEMA_1.split(";\n"):
            if url:
                for ours, theirs in (
                    ("DATETIME", "TIMESTAMPTZ"),
                    ("BLOB", "BYTEA"),
                    ("number INTEGER", "number SERIAL"),
                ):
                    statement = statement.replace(ours, theirs)
            connection.execute(sa.text(statement))
        connection.exec_driver_sql(JOB_1)
        if url:
            connection.execute(sa.text("SELECT setval('jobs_number_seq', 1)"))
        values = {
            "key": energy.provenance.key, "id": energy.id, "parquet": energy_files.to_parquet(energy),
            "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "summary": json.dumps(SUMMARY_1),
        }  # fmt: skip
        created = sa.bindparam("created", type_=schema.UTCDateTime)
        connection.execute(sa.text(MAP_1).bindparams(created), values)
    engine.dispose()
    return url


def test_store_of_schema_1_is_upgraded_and_loses_nothing(old_store):
    store = Store(old_store)
    assert store.maps.get(energy_map().id).provenance == energy_map().provenance
    (listed,) = store.maps.list()
    assert (listed.id, listed.verdict, listed.dominant.share) == (energy_map().id, "layer 0 leads", 0.7)
    (job,) = Queue(store).list()
    assert (job.id, job.status, job.request, job.done, job.attempts) == ("fccbf19530ea", "running", REQUEST, 3, 1)
    assert job.created == datetime(2026, 11, 24, 21, 57, 42, 719090, tzinfo=UTC)
    assert [found.status for found in Queue(store).recover(-1e9)] == ["queued"], "the new column works"
    assert Queue(store).submit(REQUEST).id != job.id
    assert store.runs.start(a_run()) == a_run() and store.runs.list() == [a_run()]
    store.close()
    again = Store(old_store)
    assert len(Queue(again).list()) == 2 and again.runs.list() == [a_run()]
    with again.database.reading() as connection:
        assert list(connection.scalars(sa.select(schema.schema_version.c.version))) == [2]
    again.close()


def test_processes_that_upgrade_a_store_at_once_all_succeed(old_store):
    code = (
        "import sys; from domlora.store.store import Store; from domlora.jobs.queue import Queue; "
        "print(len(Queue(Store(sys.argv[1] or None)).list()))"
    )
    openers = [run_python(code, old_store or "") for _ in range(4)]
    assert [opener.communicate()[0] for opener in openers] == ["1\n"] * 4
