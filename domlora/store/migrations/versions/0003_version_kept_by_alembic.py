"""From here on alembic's table says what a store is.

`schema_version` stays at 3 for good: versions of domlora that know no alembic read there that the store is newer than
they are, and say so.
"""

from alembic import op

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Leaves the number that earlier versions of domlora refuse."""
    op.execute("UPDATE schema_version SET version = 3")
