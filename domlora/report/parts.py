"""What a report is made of: one `Part` a result, in sections of text, charts, tables and code. Plain data, no HTML.

All text in it is text: names of models, tasks and placements come from outside, and the page escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

Figure = dict[str, Any]  # what Plotly draws: `data` and `layout`


@dataclass(frozen=True)
class Chart:
    """A figure with its finding; `said` is a line below it."""

    block: ClassVar[str] = "chart"
    title: str
    figure: Figure
    said: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of cells in words, one heading a column.

    Attributes:
        words: places of the columns that hold words; all others hold numbers and are set to the right.
    """

    block: ClassVar[str] = "table"
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: Sequence[int] = (0,)
    said: str = ""


@dataclass(frozen=True)
class Facts:
    """Names and values."""

    block: ClassVar[str] = "facts"
    known: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Lines to be copied."""

    block: ClassVar[str] = "code"
    text: str


@dataclass(frozen=True)
class Note:
    """A paragraph."""

    block: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Section:
    title: str
    blocks: Sequence[Chart | Table | Facts | Code | Note]


@dataclass(frozen=True)
class Part:
    """The report of one result.

    Attributes:
        id: of the map, run or search.
        kind: `Energy map`, `Comparison` or `Search`.
        title: model and task.
        made: when and on what, in a line.
        lead: what can be concluded.
        told: what else is known, a sentence each.
        warnings: what is to be read with care, a sentence each.
    """

    id: str
    kind: str
    title: str
    made: str
    lead: str
    sections: Sequence[Section]
    told: Sequence[str] = ()
    warnings: Sequence[str] = ()


def sentences(said: Sequence[str]) -> tuple[str, ...]:
    """Each once, with a capital letter and a full stop."""
    return tuple(dict.fromkeys(f"{one[0].upper()}{one[1:].rstrip('.')}." for one in said if one))


def facts(named: Mapping[str, Any]) -> Facts:
    """Of what is not known, nothing."""
    return Facts([(name, str(value)) for name, value in named.items() if value not in (None, "")])
