"""The database under the store: how it is opened and brought up to date, and what its errors mean in one line.

In: a SQLAlchemy URL, or None for the SQLite file of this home. Out: transactions to read and to write in, and values
as every database takes them. Everything that differs between SQLite and PostgreSQL is in this file; `maps`, `runs` and
the queue of jobs hold only SQL that both understand.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, SQLAlchemyError

from domlora import paths
from domlora.errors import StoreError
from domlora.store.schema import REVISIONS, alembic_version, schema_version

BUSY_SECONDS = 15  # how long a transaction waits for another process's write on SQLite
RETRY_SECONDS = 0.02  # between two attempts at what SQLite does not wait for itself
MIGRATION_LOCK = 0x646F6D6C6F7261  # "domlora": what processes agree on that migrate a store on PostgreSQL
LISTED = 5  # how many ids an "ambiguous" message names


class Database:
    """Transactions on the store's database.

    Attributes:
        engine: the SQLAlchemy engine.
        name: the file or URL, without a password, for messages.
    """

    def __init__(self, url: str | None) -> None:
        self.name = str(paths.home() / "domlora.db") if url is None else "of DOMLORA_STORE"
        with self._explained():
            self.engine = self._open(url)
        self._prepare()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """One consistent view of the store.

        Raises:
            StoreError: whatever the database says, in one line.
        """
        with self._explained(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """One transaction: everything in the block is kept at its end, or nothing is.

        Raises:
            StoreError: whatever the database says, in one line; the store is as it was.
        """
        with self._explained(), self.engine.connect() as connection:
            connection.execution_options(writing=True)
            with connection.begin():
                yield connection

    def _open(self, text: str | None) -> sa.Engine:
        if text is None:
            path = paths.home() / "domlora.db"
            path.parent.mkdir(parents=True, exist_ok=True)
            url = sa.URL.create("sqlite", database=str(path))
        else:
            url = sa.make_url(text)
            self.name = url.render_as_string(hide_password=True)
        engine = sa.create_engine(url, pool_pre_ping=True)
        if engine.dialect.name == "sqlite":
            _tune_sqlite(engine)
        return engine

    def _prepare(self) -> None:
        """Brings an empty database or one of an earlier version to the newest revision, refuses a newer one's."""
        with self.reading() as connection:
            current = self._revision(connection) == REVISIONS[-1]
        if not current:
            # Once more if it fails because a domlora of before alembic, which takes no such lock, made the tables.
            retrying_conflicts(self._migrate)

    def _migrate(self) -> None:
        """Of several processes at once, the first does it; the others wait, then find nothing left to do."""
        logging.getLogger("alembic").setLevel(logging.WARNING)  # what it imports and runs is no news to a user
        from domlora.store.migrating import migrate  # before the lock, so that nobody waits for an import

        with self.writing() as connection:
            if connection.dialect.name == "postgresql":  # on SQLite the transaction for writing is the lock
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            stored = self._revision(connection)
            if stored != REVISIONS[-1]:
                migrate(connection, stored, REVISIONS[-1])

    def _revision(self, connection: sa.Connection) -> str | None:
        """The revision of the store, by plain SQL; None if it is empty.

        Raises:
            StoreError: it is none that this version knows.
        """
        tables = sa.inspect(connection)
        revision = None
        if tables.has_table(alembic_version.name):
            revision = connection.scalar(sa.select(alembic_version.c.version_num))
        elif tables.has_table(schema_version.name):
            revision = str(connection.scalar(sa.select(sa.func.max(schema_version.c.version))))
        if revision not in (None, *REVISIONS):
            raise StoreError(
                f"the store {self.name} was written by a newer domlora (schema {revision}, this one knows "
                f"{REVISIONS[-1]}): upgrade domlora, or set DOMLORA_HOME to another folder"
            )
        return revision

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """The one place where the database's errors become a StoreError."""
        try:
            yield
        except (SQLAlchemyError, OSError, ImportError, UnicodeError) as error:
            raise StoreError(_explain(error, self.name)) from error


def retrying_conflicts(write: Any) -> None:
    """Calls `write`; once more if another process inserted the same row (or made the same table) at that moment."""
    try:
        write()
    except StoreError as error:
        conflict = isinstance(error.__cause__, IntegrityError) or "already exists" in str(error.__cause__)
        if not conflict:
            raise
        write()


def only(prefix: str, ids: Sequence[str], what: str, command: str, error: type[Exception]) -> str:
    """The one id of `ids`, those that begin with `prefix`.

    Raises:
        error: there is none, or there are several; `command` shows all.
    """
    if not ids or not prefix:
        raise error(f"the store has no {what} {prefix!r}: {command} lists those it has")
    if len(ids) > 1:
        some = ", ".join(ids[:LISTED]) + (", ..." if len(ids) > LISTED else "")
        raise error(f"{prefix!r} fits {len(ids)} {what}s ({some}): give more of the id")
    return ids[0]


def now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def text(text: str) -> str:
    """What every database takes as text."""
    return text.encode(errors="replace").decode().replace("\0", " ")


def finite(data: Any) -> Any:
    """NaN and infinity become null: JSON has no such numbers, and PostgreSQL insists on that."""
    return json.loads(json.dumps(data), parse_constant=lambda _: None)


def _tune_sqlite(engine: sa.Engine) -> None:
    """Write-ahead log, patience with other writers, and transactions that begin where we say.

    The driver's own habit is to begin late, as a reader: two such transactions that both go on to write end in an
    error that no waiting mends. So a transaction for writing takes its lock at the start, where it can wait.
    """

    @sa.event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        _write_ahead(connection)
        for pragma in ("synchronous = NORMAL", "foreign_keys = ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        writing = connection.get_execution_options().get("writing", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")


def _write_ahead(connection: Any) -> None:
    """Switches a file to the write-ahead log; SQLite lets writes wait for a lock, but not this switch."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        time.sleep(RETRY_SECONDS)


def _explain(error: Exception, name: str) -> str:
    """What went wrong with the store, and the way out."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    line = next((line.strip() for line in str(cause).splitlines() if line.strip()), type(cause).__name__)
    lower = line.lower()
    if "disk i/o error" in lower:
        return f"the store {name} could not be read or written ({line}): the disk is full or fails; free some space"
    if "disk is full" in lower or "no space left" in lower:
        return f"the store {name} could not be written: the disk is full; free some space and try again"
    if "locked" in lower or "database is busy" in lower:
        return (
            f"the store {name} was kept locked by another process for {BUSY_SECONDS} s: try again, and keep it on a "
            "local disk (network file systems lock badly)"
        )
    if "readonly" in lower or "read-only" in lower or "permission denied" in lower:
        return f"the store {name} cannot be written ({line}): make it writable, or set DOMLORA_HOME to another folder"
    if "not a database" in lower or "malformed" in lower:
        return f"{name} is damaged or no store of domlora ({line}): move it away, or set DOMLORA_HOME to another folder"
    if isinstance(error, ImportError):
        return (
            f"the store {name} needs a driver that is not installed ({line}): for PostgreSQL, pip install "
            "'psycopg[binary]' and write DOMLORA_STORE=postgresql+psycopg://user@host/database"
        )
    if isinstance(error, ArgumentError):
        return f"DOMLORA_STORE is no database URL ({line}): write sqlite:////path/file.db or postgresql+psycopg://..."
    if isinstance(error, OSError) or "unable to open database file" in lower:
        return f"the store {name} cannot be opened ({line}): set DOMLORA_HOME to a folder that can be written"
    if isinstance(error, DBAPIError) and isinstance(cause, sqlite3.Error):
        return f"the store {name} cannot be used ({line}): is the disk full, or the file in use by another program?"
    if isinstance(error, DBAPIError) and (error.statement is None or error.connection_invalidated):
        return f"the store {name} cannot be reached ({line}): check DOMLORA_STORE and that the server runs"
    return f"the store {name} failed: {line}"
