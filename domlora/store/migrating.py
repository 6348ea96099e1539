"""Brings the tables of a store to the newest revision, by alembic and the scripts in `store/migrations`.

In: a connection whose transaction holds the store's lock. Out: the tables of `store.schema`, with all that was in
them, once the caller commits. Imported only where there is something to do: alembic takes longer to import than a
store to open.
"""

from __future__ import annotations

import threading

import sqlalchemy as sa
from alembic import command
from alembic.config import Config

_ONE_AT_A_TIME = threading.Lock()  # alembic's `op` and `context` belong to the process, not to a thread


def migrate(connection: sa.Connection, stored: str | None, newest: str) -> None:
    """Runs the migrations that a store lacks.

    Args:
        connection: in a transaction that only the caller ends; it keeps all of the migrations or none.
        stored: the revision of the store; None for an empty database.
        newest: the revision to reach.
    """
    config = Config()
    config.set_main_option("script_location", "domlora.store:migrations")  # in this package, wherever it is installed
    config.attributes["connection"] = connection
    with _ONE_AT_A_TIME:
        if stored is not None:
            command.stamp(config, stored)  # a store of before alembic does not say it in alembic's table
        command.upgrade(config, newest)
