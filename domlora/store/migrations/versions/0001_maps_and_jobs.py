"""Energy maps and the queue of jobs: what the first version of domlora made, with the number by which it knew it."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade() -> None:
    """Makes the first tables."""
    time = sa.DateTime(timezone=True)
    schema_version = op.create_table("schema_version", sa.Column("version", sa.Integer, primary_key=True))
    op.bulk_insert(schema_version, [{"version": 1}])
    op.create_table(
        "energy_maps",
        sa.Column("key", sa.String(128), primary_key=True),
        sa.Column("id", sa.String(12), nullable=False, index=True),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("model_revision", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("task_hash", sa.Text, nullable=False),
        sa.Column("created", time, nullable=False),
        sa.Column("summary", sa.JSON, nullable=False),
        sa.Column("parquet", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "jobs",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("id", sa.String(12), nullable=False, unique=True),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("wanted_device", sa.Text, nullable=False),
        sa.Column("status", sa.String(16), nullable=False, index=True),
        sa.Column("stage", sa.Text, nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.Column("total", sa.BigInteger, nullable=False),
        sa.Column("created", time, nullable=False),
        sa.Column("started", time),
        sa.Column("finished", time),
        sa.Column("heartbeat", time),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("worker", sa.Text),
        sa.Column("device", sa.Text),
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("result", sa.Text),
        sa.Column("error", sa.Text),
    )
