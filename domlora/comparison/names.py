"""The contestants of a comparison by the short names that charts and tables give them, always in the same order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domlora.comparison.selection import contestant_name
from domlora.placements.words import short_name

if TYPE_CHECKING:
    import pandas as pd

    from domlora.comparison.run import Run


def names_of(run: Run) -> list[str]:
    """All contestants in the order of the run, by their short names; the order fixes their colours."""
    return list(dict.fromkeys(short_name(contestant_name(v.placement, v.method)) for v in run.variants))


def shortened(table: pd.DataFrame) -> pd.DataFrame:
    """A table of a comparison with its contestants as a column, by their short names."""
    table = table.reset_index() if table.index.name == "contestant" else table
    return table.assign(contestant=[short_name(name) for name in table["contestant"]])
