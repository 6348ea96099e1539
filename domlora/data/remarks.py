"""What a user must know about rows and turns that were not used as they stand: `Remark`, counted by reason.

In: reasons as they turn up. Out: sentences and JSON. Nothing of a row is left out without one of these.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

TOO_MANY = 0.1  # of the rows: more than this lost is a warning


@dataclass(frozen=True, slots=True)
class Remark:
    """Something that is true of several rows or turns.

    Attributes:
        noun: what is counted: row, turn, tool call, ...
        rest: what is true of it, without a verb: `with label false left out`.
        row: the first row of which it is true.
        lost: whether what is counted is not used at all.
    """

    noun: str
    rest: str
    count: int
    row: int
    lost: bool

    @property
    def words(self) -> str:
        """`2 rows with label false left out, such as row 3`."""
        such = f"such as row {self.row}" if self.count > 1 else f"row {self.row}"
        return f"{self.count} {self.noun}{'' if self.count == 1 else 's'} {self.rest} ({such})"


class Remarks:
    """Collects remarks of one kind each."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, bool], tuple[int, int]] = {}

    def add(self, noun: str, rest: str, row: int, *, lost: bool, count: int = 1) -> None:
        if count:
            before, first = self._found.get((noun, rest, lost), (0, row))
            self._found[noun, rest, lost] = (before + count, first)

    def extend(self, remarks: Iterable[Remark]) -> None:
        for one in remarks:
            self.add(one.noun, one.rest, one.row, lost=one.lost, count=one.count)

    def all(self) -> tuple[Remark, ...]:
        """In the order in which each first turned up."""
        return tuple(Remark(noun, rest, count, row, lost) for (noun, rest, lost), (count, row) in self._found.items())


def lost(remarks: Iterable[Remark], noun: str) -> int:
    """How many of `noun` are not used."""
    return sum(one.count for one in remarks if one.noun == noun and one.lost)


def too_many_lost(remarks: Iterable[Remark], rows: int) -> str | None:
    """A warning if more than a tenth of the rows is not used."""
    count = lost(remarks, "row")
    if count <= TOO_MANY * rows:
        return None
    return f"{count} of {rows} rows are not used: look at the reasons before you trust the rest"
