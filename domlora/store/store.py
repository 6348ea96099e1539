"""The store: what was measured and trained, and what is to be, in one database that every process may open.

SQLite in `home()` by default; `DOMLORA_STORE=postgresql+psycopg://...` for teams. `store.maps` and `store.runs` keep
energy maps and comparisons; the queue of jobs (`jobs.queue`) lies in the same database. The store computes nothing,
starts nothing, and imports no torch.
"""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from domlora.store.database import Database
from domlora.store.maps import Maps

if TYPE_CHECKING:
    from domlora.store.runs import Runs


class Store:
    """Energy maps and comparisons, and the database that they share with the queue of jobs.

    Attributes:
        url: as given or from $DOMLORA_STORE; None stands for the SQLite file in `home()`.
        database: its transactions.
        maps: the energy maps.

    Raises:
        StoreError: with one line and a way out, where the database cannot be opened.
    """

    def __init__(self, url: str | None = None) -> None:
        self.url = url or os.environ.get("DOMLORA_STORE") or None
        self.database = Database(self.url)
        self.maps = Maps(self.database)

    @cached_property
    def runs(self) -> Runs:
        """The comparisons."""
        from domlora.store.runs import Runs  # only here, so that lists of maps and the queue open fast

        return Runs(self.database)

    def close(self) -> None:
        """Gives the connections back; the store opens them again when it is used again."""
        self.database.engine.dispose()
