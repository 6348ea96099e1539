"""Stores that earlier versions of domlora made open in this one, with all that was in them, as does an empty database.

Runs on SQLite; on PostgreSQL too where $DOMLORA_TEST_POSTGRES names an empty database (all its tables are dropped).
`schema_2.sql` is what the last version before alembic made: a map, a job whose first worker died, a run with records.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from domlora.energy import files as energy_files
from domlora.errors import StoreError
from domlora.jobs.queue import Queue
from domlora.store import schema
from domlora.store.store import Store
from tests.helpers.runs import A, B, a_run, answer, evaluation
from tests.helpers.stores import REQUEST, empty_store, energy_map, run_python

ROOT = Path(__file__).parents[2]
SCHEMA_2 = Path(__file__).with_name("schema_2.sql")
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
def url(request, home):
    """The URL of an empty database; None stands for the file of this home."""
    home.mkdir()
    return empty_store(request.param)


@pytest.fixture
def database(url, home):
    """An engine on the same database, without domlora in between."""
    engine = sa.create_engine(url or f"sqlite:///{home / 'domlora.db'}")
    yield engine
    engine.dispose()


def make(version: int, database: sa.Engine) -> None:
    """What a domlora of this schema had made; 0 stands for an empty database."""
    if version == 0:
        return
    script = f"{SCHEMA_1};\n{JOB_1};\n" if version == 1 else SCHEMA_2.read_text(encoding="utf-8")
    statements = [statement for statement in script.split(";\n") if statement.strip()]
    if database.name == "postgresql":
        statements = [
            "SET LOCAL TIME ZONE 'UTC'", *map(in_postgresql, statements), "SELECT setval('jobs_number_seq', 1)",
        ]  # fmt: skip
    with database.begin() as connection:
        connection.execution_options(no_parameters=True)  # a % is a %
        for statement in statements:
            connection.exec_driver_sql(statement)
    if version == 1:
        add_map_1(database)


def in_postgresql(statement: str) -> str:
    """The same statement as PostgreSQL has it."""
    for ours, theirs in (
        ("DATETIME", "TIMESTAMPTZ"),
        ("BLOB", "BYTEA"),
        ("number INTEGER", "number SERIAL"),
        ("version INTEGER", "version SERIAL"),
        ("DOUBLE", "DOUBLE PRECISION"),
        ("X'", "'\\x"),
    ):
        statement = statement.replace(ours, theirs)
    return statement


def add_map_1(database: sa.Engine) -> None:
    energy = energy_map()
    values = {
        "key": energy.provenance.key, "id": energy.id, "parquet": energy_files.to_parquet(energy),
        "created": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "summary": json.dumps(SUMMARY_1),
    }  # fmt: skip
    created = sa.bindparam("created", type_=schema.UTCDateTime)
    with database.begin() as connection:
        connection.execute(sa.text(MAP_1).bindparams(created), values)


def contents(database: sa.Engine, like: dict[str, list[dict]] | None = None) -> dict[str, list[dict]]:
    """All rows of all tables but those of the version; with `like`, only the tables and columns of an earlier look."""
    tables = sa.MetaData()
    tables.reflect(database)
    looked = {}
    with database.connect() as connection:
        for table in tables.sorted_tables:
            if table.name in (schema.schema_version.name, schema.alembic_version.name):
                continue
            rows = [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            if like is not None:
                columns = like[table.name][0] if table.name in like else ()
                rows = [{name: row[name] for name in columns} for row in rows]
            if like is None or table.name in like:
                looked[table.name] = sorted(rows, key=repr)
    return looked


def versions(database: sa.Engine) -> tuple[list[str], list[int]]:
    """What this domlora reads, and what one of before alembic reads."""
    with database.connect() as connection:
        return (
            list(connection.scalars(sa.select(schema.alembic_version.c.version_num))),
            list(connection.scalars(sa.select(schema.schema_version.c.version))),
        )


# Nothing is lost


def test_store_of_schema_1_is_upgraded_and_loses_nothing(url, database):
    make(1, database)
    before = contents(database)
    store = Store(url)
    assert contents(database, like=before) == before and all(before.values())
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
    again = Store(url)
    assert len(Queue(again).list()) == 2 and again.runs.list() == [a_run()]
    again.close()


def test_store_of_schema_2_is_upgraded_and_loses_nothing(url, database):
    make(2, database)
    before = contents(database)
    store = Store(url)
    assert contents(database, like=before) == before and all(before.values())
    assert store.maps.get(energy_map().id).provenance == energy_map().provenance
    (listed,) = store.maps.list()
    assert (listed.id, listed.level, listed.dominant.layer) == (energy_map().id, "diffuse", 0)
    (job,) = Queue(store).list()
    assert (job.id, job.status, job.request, job.attempts) == ("8bd4c7bf9fe7", "running", REQUEST, 2)
    (run,) = store.runs.list()
    expected = a_run()
    then = expected.config.model_copy(update={"order": "fixed", "rate_seeds": 0})
    assert (run.id, run.config, run.placements, run.facts) == (
        expected.id, then, expected.placements, expected.facts,
    )  # fmt: skip
    results = {A: {"eval_loss_before": 2.5, "eval_loss_after": 1.5}, B: {}}
    assert {variant.name: variant.results for variant in run.variants} == results
    assert store.runs.metrics(run.id)["value"].fillna(-1).tolist() == [2.25, -1]
    assert store.runs.evaluations(run.id) == [evaluation(A)] and store.runs.answers(run.id) == [answer(B)]
    assert Queue(store).submit(REQUEST).id != job.id
    store.close()


@pytest.mark.parametrize("version", [1, 2])
def test_upgrade_that_fails_leaves_the_store_as_it_was(url, database, version, monkeypatch):
    make(version, database)
    before = contents(database)

    upgrade = command.upgrade

    def fail(*arguments):
        upgrade(*arguments)
        raise OSError("no space left on device")

    with monkeypatch.context() as patch, pytest.raises(StoreError, match="disk is full"):
        patch.setattr(command, "upgrade", fail)
        Store(url)
    assert contents(database) == before
    assert not sa.inspect(database).has_table(schema.alembic_version.name)
    Store(url).close()
    assert versions(database) == (["4"], [3])


# The same tables, whatever was there


def test_revisions_are_those_of_the_scripts():
    config = Config()
    config.set_main_option("script_location", "domlora.store:migrations")
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(script.revision for script in scripts)[::-1] == schema.REVISIONS


@pytest.mark.parametrize("version", [0, 1, 2])
def test_tables_are_then_those_that_the_schema_describes(url, database, version):
    make(version, database)
    Store(url).close()
    assert versions(database)[0] == [schema.REVISIONS[-1]]
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.alembic_version.name})
        assert compare_metadata(context, schema.metadata) == []


def test_revision_of_another_program_in_the_same_database_is_left_alone(url, database):
    with database.begin() as connection:
        connection.exec_driver_sql("DROP TABLE IF EXISTS alembic_version")
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.exec_driver_sql("INSERT INTO alembic_version VALUES ('theirs')")
    Store(url).close()
    with database.begin() as connection:
        assert list(connection.exec_driver_sql("SELECT * FROM alembic_version").scalars()) == ["theirs"]
        connection.exec_driver_sql("DROP TABLE alembic_version")


# Older and newer versions


@pytest.mark.parametrize("version", [0, 1, 2])
def test_versions_before_alembic_refuse_an_upgraded_store(url, database, version):
    make(version, database)
    Store(url).close()
    (_, (number,)) = versions(database)
    assert number > 2, "they compare this number with their own, 1 or 2, and say: written by a newer domlora"


def test_number_that_no_version_before_alembic_wrote_is_refused(url, database):
    make(2, database)
    with database.begin() as connection:
        connection.execute(schema.schema_version.update().values(version=99))
    with pytest.raises(StoreError, match=r"newer domlora \(schema 99, this one knows 4\): upgrade domlora"):
        Store(url)


# Several at once

OPENER = """
import sys, time
from alembic import command
from domlora.store.store import Store
upgrade, ran = command.upgrade, []
def slow(*arguments):
    ran.append("migrated")
    time.sleep(0.5)  # with the lock held, so that the others come now
    upgrade(*arguments)
command.upgrade = slow
print("ready", flush=True)
sys.stdin.readline()
Store(sys.argv[1] or None).maps.list()
print(*ran or ["found"])
"""


@pytest.mark.parametrize("version", [0, 1, 2])
def test_of_processes_that_open_a_store_at_once_one_migrates(url, database, version):
    make(version, database)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    openers = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, url or ""],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            encoding="utf-8",
        )
        for _ in range(3)
    ]
    assert [opener.stdout.readline() for opener in openers] == ["ready\n"] * 3
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    said = sorted(opener.communicate()[0].strip() for opener in openers)
    assert said == ["found"] * 2 + ["migrated"]
    assert versions(database) == (["4"], [3])


@pytest.mark.parametrize("version", [0, 1, 2])
def test_threads_that_open_a_store_at_once_all_succeed(url, database, version):
    make(version, database)
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(lambda _: Store(url), range(4)))
    counts = {len(store.maps.list()) for store in stores}
    assert counts == {0 if version == 0 else 1}
    for store in stores:
        store.close()


# A store that is current


def test_current_store_opens_without_alembic(url):
    Store(url).close()
    code = (
        "import sys; from domlora.store.store import Store; Store(sys.argv[1] or None).maps.list(); "
        "print('alembic' in sys.modules)"
    )
    assert run_python(code, url or "").communicate()[0] == "False\n"


def test_current_store_that_is_read_only_can_be_read(url, home):
    store = Store(url)
    store.maps.add(energy_map())
    store.close()
    read_only = (
        f"{url}?options=-c%20default_transaction_read_only%3Don"
        if url
        else f"sqlite:///file:{home / 'domlora.db'}?mode=ro&uri=true"
    )
    reader = Store(read_only)
    assert reader.maps.get(energy_map().id).provenance == energy_map().provenance
    assert Queue(reader).list() == [] and reader.runs.list() == []
    with pytest.raises(StoreError, match="cannot be written"):
        Queue(reader).submit(REQUEST)
    reader.close()


def test_migrations_say_nothing_on_the_terminal(url):
    code = "from domlora.cli.main import main; main(['jobs', 'list', '--json'])"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "DOMLORA_STORE": url or ""}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, encoding="utf-8"
    )
    assert (json.loads(done.stdout), done.stderr) == ([], "")
