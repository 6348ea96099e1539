"""Comparisons with all that they record, and what a job had reached when its worker died."""

import sqlalchemy as sa
from alembic import op

revision = "2"
down_revision = "1"


def upgrade() -> None:
    """Makes the tables of comparisons and the new column of jobs."""
    time = sa.DateTime(timezone=True)
    op.add_column("jobs", sa.Column("reached", sa.JSON))
    op.create_table(
        "runs",
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
        sa.Column("created", time, nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("finished", time),
        sa.Column("job", sa.Text),
        sa.Column("facts", sa.JSON, nullable=False),
        sa.Column("warnings", sa.JSON, nullable=False),
    )
    op.create_table(
        "variants",
        _run_column(),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("position", sa.Integer, nullable=False),
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
        sa.Column("cancel_requested", sa.Boolean, nullable=False),
        sa.Column("ended_step", sa.Integer),
    )
    _create_records()
    op.execute("UPDATE schema_version SET version = 2")


def _create_records() -> None:
    op.create_table(
        "metrics",
        _run_column(),
        sa.Column("variant", sa.String, primary_key=True),
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("step", sa.Integer, primary_key=True),
        sa.Column("value", sa.Double),
    )
    op.create_table(
        "evaluations",
        _run_column(),
        sa.Column("variant", sa.String, primary_key=True),
        sa.Column("part", sa.String, primary_key=True),
        sa.Column("losses", sa.JSON, nullable=False),
        sa.Column("accuracies", sa.JSON, nullable=False),
    )
    op.create_table(
        "answers",
        _run_column(),
        sa.Column("variant", sa.String, primary_key=True),
        sa.Column("row", sa.Integer, primary_key=True),
        sa.Column("prompt", sa.Text, nullable=False),
        sa.Column("reference", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("correct", sa.Boolean),
    )


def _run_column() -> sa.Column:
    return sa.Column("run", sa.String(12), sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True)
