"""The tables of the store, as SQLAlchemy describes them: what the scripts in `store/migrations/versions` add up to.

To change a table, change it here, write the script that makes the same change in a store that exists (the next number,
as alembic has it, with `upgrade` alone), and add its number to `REVISIONS`. A script that was released never changes.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

REVISIONS = ("1", "2", "3", "4")  # of the scripts, the newest last


class UTCDateTime(sa.TypeDecorator[datetime]):
    """A point in time: aware and in UTC on the Python side, also on SQLite, which keeps no time zone."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


metadata = sa.MetaData()
# Alembic's own table under a name of ours, since another program may keep its revision in the same database.
alembic_version = sa.Table(
    "domlora_alembic_version", metadata, sa.Column("version_num", sa.String(32), primary_key=True)
)
# What stores had before alembic: 1 or 2. Now always 3, which those versions of domlora refuse.
schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, primary_key=True))
energy_maps = sa.Table(
    "energy_maps",
    metadata,
    sa.Column("key", sa.String(128), primary_key=True),
    sa.Column("id", sa.String(12), nullable=False, index=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("model_revision", sa.Text, nullable=False),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("task_hash", sa.Text, nullable=False),
    sa.Column("created", UTCDateTime, nullable=False),
    sa.Column("summary", sa.JSON, nullable=False),
    sa.Column("parquet", sa.LargeBinary, nullable=False),
)
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),  # the order of submission
    sa.Column("id", sa.String(12), nullable=False, unique=True),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("wanted_device", sa.Text, nullable=False),  # of the request, for `Store.claim`
    sa.Column("status", sa.String(16), nullable=False, index=True),
    sa.Column("stage", sa.Text, nullable=False, default=""),
    sa.Column("done", sa.BigInteger, nullable=False, default=0),
    sa.Column("total", sa.BigInteger, nullable=False, default=0),
    sa.Column("created", UTCDateTime, nullable=False),
    sa.Column("started", UTCDateTime),
    sa.Column("finished", UTCDateTime),
    sa.Column("heartbeat", UTCDateTime),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("worker", sa.Text),
    sa.Column("device", sa.Text),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("result", sa.Text),
    sa.Column("error", sa.Text),
    sa.Column("reached", sa.JSON),  # stage -> the most that an attempt whose worker died had done of it
)
runs = sa.Table(
    "runs",
    metadata,
    sa.Column("id", sa.String(12), primary_key=True),
    sa.Column("key", sa.String(128), nullable=False, unique=True),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("model_source", sa.Text, nullable=False),
    sa.Column("model_revision", sa.Text, nullable=False),
    sa.Column("task", sa.Text, nullable=False),
    sa.Column("task_source", sa.Text, nullable=False),
    sa.Column("task_hash", sa.Text, nullable=False),
    sa.Column("config", sa.JSON, nullable=False),
    sa.Column("placements", sa.JSON, nullable=False),
    sa.Column("created", UTCDateTime, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("finished", UTCDateTime),
    sa.Column("job", sa.Text),
    sa.Column("facts", sa.JSON, nullable=False),
    sa.Column("warnings", sa.JSON, nullable=False),
)


def _run_column() -> sa.Column:
    """The run that a row belongs to, and goes with."""
    return sa.Column("run", sa.String(12), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)


variants = sa.Table(
    "variants",
    metadata,
    _run_column(),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("position", sa.Integer, nullable=False),  # its place in the run
    sa.Column("placement", sa.Text, nullable=False),
    sa.Column("method", sa.Text, nullable=False),
    sa.Column("learning_rate", sa.Double, nullable=False),
    sa.Column("seed", sa.BigInteger, nullable=False),
    sa.Column("trainable_parameters", sa.BigInteger, nullable=False),
    sa.Column("modules", sa.Integer, nullable=False),
    sa.Column("status", sa.String(16), nullable=False),
    sa.Column("note", sa.Text),
    sa.Column("results", sa.JSON, nullable=False),
    sa.Column("adapter", sa.Text),
    sa.Column("cancel_requested", sa.Boolean, nullable=False, default=False),
    sa.Column("ended_step", sa.Integer),  # the step in which it ended, for `Runs.rewind`
)
metrics = sa.Table(
    "metrics",
    metadata,
    _run_column(),
    sa.Column("variant", sa.String, primary_key=True),
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("step", sa.Integer, primary_key=True),
    sa.Column("value", sa.Double),  # NULL stands for a value that is not finite
)
evaluations = sa.Table(
    "evaluations",
    metadata,
    _run_column(),
    sa.Column("variant", sa.String, primary_key=True),
    sa.Column("part", sa.String, primary_key=True),
    sa.Column("losses", sa.JSON, nullable=False),
    sa.Column("accuracies", sa.JSON, nullable=False),
)
answers = sa.Table(
    "answers",
    metadata,
    _run_column(),
    sa.Column("variant", sa.String, primary_key=True),
    sa.Column("row", sa.Integer, primary_key=True),
    sa.Column("prompt", sa.Text, nullable=False),
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("correct", sa.Boolean),
)
# What a run's owner says of it. No foreign key: a run that is trained anew under its id keeps its name.
run_notes = sa.Table(
    "run_notes",
    metadata,
    sa.Column("run", sa.String(12), primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("tags", sa.JSON, nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("pinned", sa.Boolean, nullable=False),
    sa.Column("archived", sa.Boolean, nullable=False),
)
