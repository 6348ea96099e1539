"""JSON and JSON Lines as rows. Text in; rows out, each with its number and the split that its list is named by.

One object may be a row, hold its rows under a known key, or hold them as columns:

    {"train": [{"prompt": "1+1?", "completion": "2"}], "test": [...]}
    {"prompt": ["1+1?", "2+2?"], "completion": ["2", "4"]}
    {"prompt": {"0": "1+1?", "1": "2+2?"}, "completion": {"0": "2", "1": "4"}}        pandas, `to_json()`
    {"columns": ["prompt", "completion"], "index": [0], "data": [["1+1?", "2"]]}      pandas, orient="split"
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from domlora.data.cells import column_names
from domlora.data.splits import SPLITS
from domlora.data.text_files import KINDS
from domlora.errors import TaskError

JSON_SUFFIXES = (".json", ".jsonl", ".ndjson")
# Keys under which one object may hold all rows; a split's name puts its rows in that split.
LIST_KEYS = ("data", "rows", "examples")
SPLIT_KEYS = ("train", "validation", "valid", "val", "dev", "eval", "test")
TURNS_KEYS = ("messages", "conversations", "conversation")  # their lists are turns of one row, not rows
SHOWN = 60  # characters of an object with a fault

Contents = dict[str, Any]
FoundRow = tuple[int, str | None, Contents]  # number, split of its list, contents


class _TwiceError(ValueError):
    """A key that stands twice in one object: one of its values would be lost."""


def json_rows(text: str, place: str, suffix: str) -> Iterator[FoundRow]:
    """Reads a text that begins with a bracket, or that its suffix calls JSON.

    Args:
        text: it is not blank.
        place: the file, for errors.
        suffix: of the file, without those of compression.

    Raises:
        TaskError: one line with the place and how to mend it.
    """
    if text.lstrip()[0] == "{":
        return _object_rows(text, place, suffix)
    return _list_rows(_json(text, place, suffix), place)


def _loads(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number, parse_float=_finite)


def _unique(pairs: list[tuple[str, Any]]) -> Contents:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        shown = json.dumps(found, ensure_ascii=False)[:SHOWN]
        raise _TwiceError(f"the key `{twice}` stands twice in the object {shown}")
    return found


def _no_number(name: str) -> None:
    """NaN and Infinity are what pandas and Python write for a value that is missing."""


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _json(text: str, place: str, suffix: str) -> Any:
    try:
        return _loads(text)
    except (ValueError, RecursionError) as error:
        other = text.lstrip()[0] not in "[{" and suffix not in JSON_SUFFIXES
        raise _not_json(error, place, f"bring {KINDS}" if other else "mend that line") from error


def _not_json(error: Exception, place: str, way_out: str, line: int | None = None) -> TaskError:
    where = f"{place}, line {line}" if line else place
    if isinstance(error, _TwiceError):
        return TaskError(f"{where}: {error}: remove or rename one")
    if not isinstance(error, json.JSONDecodeError):  # numbers or nesting beyond all bounds
        return TaskError(f"{where}: not JSON that can be read ({error}): {way_out}")
    if error.msg == "Extra data":
        way_out = "put each object on one line of its own"
    return TaskError(f"{place}, line {line or error.lineno}: not JSON ({error.msg}, column {error.colno}): {way_out}")


def _list_rows(values: Any, place: str, key: str | None = None) -> Iterator[FoundRow]:
    if not isinstance(values, list):
        raise TaskError(f"{place} is JSON, but no list of objects: it holds one {type(values).__name__}")
    split = SPLITS[key] if key in SPLIT_KEYS else None
    for number, value in enumerate(values, 1):
        yield number, split, _object(value, f"{place}, row {number}" + (f" of `{key}`" if key else ""))


def _object(value: Any, place: str) -> Contents:
    if not isinstance(value, dict):
        kind = type(value).__name__
        raise TaskError(f"{place}: a row must be an object with keys, not a {kind}: mend or remove it")
    return dict(zip(column_names(value, place), value.values(), strict=True))


def _object_rows(text: str, place: str, suffix: str) -> Iterator[FoundRow]:
    """JSON Lines; or one object, either with its rows under a known key, or of columns, or itself a row."""
    # Not splitlines(): a JSON string may hold U+2028 and its like.
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if len(lines) > 1 and _opens_json_lines(lines[0][1], lines[1][1]):
        for number, line in lines:
            try:
                value = _loads(line)
            except (ValueError, RecursionError) as error:
                raise _not_json(error, place, "mend or remove that line", number) from error
            yield number, None, _object(value, f"{place}, line {number}")
        return
    top = _json(text, place, suffix)
    columns = _rows_of_columns(top, place)
    if columns is not None:
        yield from _list_rows(columns, place)
        return
    lists = {key: _rows_under(top.get(key), f"{place}, `{key}`") for key in (*LIST_KEYS, *SPLIT_KEYS)}
    lists = {key: rows for key, rows in lists.items() if rows is not None}
    if not lists:
        yield lines[0][0], None, _object(top, place)
    for key, rows in lists.items():
        yield from _list_rows(rows, place, key)


def _opens_json_lines(first: str, second: str) -> bool:
    """An object that is spread over lines has no whole object on its first, and none begins on its second."""
    try:
        json.loads(first)
    except (ValueError, RecursionError):
        return second.startswith("{")
    return True


def _rows_under(value: Any, place: str) -> list[Any] | None:
    if isinstance(value, dict):
        return _rows_of_columns(value, place)
    return value if isinstance(value, list) else None


def _rows_of_columns(top: Contents, place: str) -> list[Any] | None:
    """The rows of an object that holds columns; None for any other object."""
    names, data = top.get("columns"), top.get("data")
    if isinstance(names, list) and isinstance(data, list) and data and isinstance(data[0], list):
        names = column_names(map(str, names), place)
        return [_named(names, values, f"{place}, row {number}") for number, values in enumerate(data, 1)]
    if top.keys() & {*LIST_KEYS, *SPLIT_KEYS}:
        return None
    if _are_columns(top):
        lengths = {key: len(values) for key, values in top.items()}
        if len(set(lengths.values())) > 1:
            shown = ", ".join(f"{key} {length}" for key, length in lengths.items())
            raise TaskError(f"{place}: its columns are of unequal length ({shown}): mend them, or bring a row a line")
        return [dict(zip(top, values, strict=True)) for values in zip(*top.values(), strict=True)]
    inner = list(top.values())
    if not inner or not all(isinstance(value, dict) and value for value in inner):
        return None
    if all(_is_index(value) and value.keys() == inner[0].keys() for value in inner):
        return [{name: column[at] for name, column in top.items()} for at in inner[0]]
    return inner if _is_index(top) else None


def _named(names: list[str], values: Any, place: str) -> Contents:
    if not isinstance(values, list) or len(values) != len(names):
        raise TaskError(f"{place}: not one value for each of its {len(names)} columns: mend it")
    return dict(zip(names, values, strict=True))


def _is_index(values: Contents) -> bool:
    """Keys as pandas numbers its rows."""
    return all(key.isdigit() for key in values)


def _are_columns(top: Contents) -> bool:
    """Lists only, and none of them the turns of one conversation."""
    if not top or not all(isinstance(values, list) for values in top.values()):
        return False
    return not any(_are_turns(key, values) for key, values in top.items())


def _are_turns(key: str, values: list[Any]) -> bool:
    first = values[0] if values else None
    if key.strip() in TURNS_KEYS:
        return not isinstance(first, list)
    return isinstance(first, dict) and any(name in first for name in ("role", "from"))
