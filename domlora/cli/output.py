"""What all commands print with: one JSON document, aligned tables, a progress bar on stderr."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pydantic import BaseModel


def plain(value: Any) -> Any:
    """Data classes, pydantic models and dates as what JSON knows."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def print_json(data: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(data, indent=1, ensure_ascii=False))


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as their widest cell."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


@contextmanager
def progress_bar(unit: str, total: int | None = None) -> Iterator[Callable[[str, int, int], None]]:
    """A bar on stderr that follows (stage, done, total), and is not drawn where stderr is no terminal."""
    from tqdm import tqdm

    with tqdm(total=total, unit=unit, file=sys.stderr, leave=False, disable=None) as bar:

        def progress(stage: str, done: int, total: int) -> None:
            bar.set_description(stage)
            if total:
                bar.total, bar.n = total, done
            bar.refresh()

        yield progress
