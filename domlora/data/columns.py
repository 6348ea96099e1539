"""Which field of a row each column of a file is: `question=prompt,context=input`. Knows no format and no file.

In: what a user, or a `dataset_info.json`, says of the columns. Out: rows whose keys readers know.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domlora.data.formats.fields import IGNORE, MEANING, missing
from domlora.errors import TaskError

# What a column can be said to be.
FIELDS = (*dict.fromkeys((*MEANING, "test", "entry_point", "answerKey", "split", "id", *"ABCDEFGH")), IGNORE)


def columns_of(text: str) -> dict[str, str]:
    """Reads `question=prompt,context=input`; a column named twice or an unknown field is an error.

    Raises:
        TaskError: one line that names the piece.
    """
    columns: dict[str, str] = {}
    for piece in text.split(","):
        column, equals, field = (part.strip() for part in piece.partition("="))
        if not column or not equals or not field:
            raise TaskError(
                f"--columns takes COLUMN=FIELD,... and {piece.strip()[:60]!r} is none: question=prompt, say"
            )
        if column in columns:
            raise TaskError(f"--columns names the column {column[:40]!r} twice: say once what it is")
        columns[column] = field
    return checked(columns)


def checked(columns: Mapping[str, str]) -> dict[str, str]:
    """The same columns.

    Raises:
        TaskError: an unknown field, or two columns for one.
    """
    taken: dict[str, str] = {}
    for column, field in columns.items():
        if field not in FIELDS:
            raise TaskError(f"no field {field[:40]!r} for the column {column[:40]!r}: choose from {', '.join(FIELDS)}")
        if field in taken and field != IGNORE:
            raise TaskError(f"the columns {taken[field][:40]!r} and {column[:40]!r} cannot both be {field}: choose one")
        taken[field] = column
    return dict(columns)


def renamed(row: Mapping[str, Any], columns: Mapping[str, str]) -> dict[str, Any]:
    """A row under the names of its fields; a column that already has the name of such a field gives way."""
    if not columns:
        return dict(row)
    made = {name: value for name, value in row.items() if name not in columns and name not in columns.values()}
    for column, field in columns.items():
        if field != IGNORE and not missing(row.get(column)):
            made[field] = row[column]
        elif field != IGNORE and column in row:
            made.setdefault(field, row[column])
    return made
