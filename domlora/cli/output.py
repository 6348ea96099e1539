"""What all commands print with: one JSON document, aligned tables, marked sentences, progress on stderr.

In: text. Out: on a terminal tables that fit its width, a little colour and a bar that moves; anywhere else plain text,
which scripts read. rich is imported where something is drawn on a terminal, and nowhere else. Names of models, tasks
and modules come from outside: nothing in them is taken for markup, and a terminal gets their control characters spelt
out.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, TextIO

from pydantic import BaseModel

from domlora.progress import FETCHING, Pace, Progress, in_words
from domlora.visible import visible

if TYPE_CHECKING:
    from rich.console import Console

# Basic colours, which every theme of a terminal makes readable on its background; the words say it without them.
STATUS_STYLES = {
    "done": "green", "failed": "red", "diverged": "red", "running": "magenta", "training": "magenta",
    "cancelled": "dim",
}  # fmt: skip
NUMBER = re.compile(r"[-+]?(\d[\d,]*(\.\d+)?(e[-+]?\d+)?|inf|nan)( ?[%kMG])?")
MARKED_STYLE = "green underline"
BRACKETS = ("⟦", "⟧")
GAP = 2  # blanks between two columns
NARROWEST = 12  # a column of words is not folded to less than so many characters
LINE_SECONDS = 30.0  # between two lines of progress where there is no terminal


def plain(value: Any) -> Any:
    """Data classes, pydantic models and dates as what JSON knows."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value


def say_of_rows(warnings: Iterable[str], remarks: Iterable[str]) -> None:
    """What a user must know of a measurement: warnings, and what of the rows is not used as it stands."""
    for warning in warnings:
        note(f"{warning[0].upper()}{warning[1:].rstrip('.')}.")
    for remark in remarks:
        say(f"Rows: {remark}.")


def print_json(data: Any) -> None:
    """One JSON document on stdout; escaped where stdout lacks a character, so that it still reads as the same data."""
    text = json.dumps(data, indent=1, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(data, indent=1)
    print(text)


def replace_unknown_characters() -> None:
    """From now on stdout and stderr print a `?` for a character that they cannot encode, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if getattr(stream, "errors", None) in ("strict", "surrogateescape") and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def print_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, status: int | None = None) -> None:
    """Columns as wide as their widest cell; on a terminal folded to its width, where that leaves them readable.

    Args:
        head: a heading a column.
        rows: a cell a column.
        status: the column whose words get their colour on a terminal.
    """
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    if _styled(sys.stdout):
        console = _console(sys.stdout)
        numeric = [_numeric([row[i] for row in rows]) for i in range(len(head))]
        needed = sum(width if number else min(width, NARROWEST) for width, number in zip(widths, numeric, strict=True))
        if needed + GAP * (len(head) - 1) <= console.width:
            return _print_rich_table(console, head, rows, numeric, status)
        head, rows = [visible(cell) for cell in head], [[visible(cell) for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    for row in (head, *rows):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def say(text: str = "", style: str = "") -> None:
    """A line on stdout, in a style of rich where that is a terminal."""
    _print(sys.stdout, (text, style))


def say_marked(runs: Sequence[tuple[str, bool]]) -> None:
    """Runs of one text on stdout, of which some are marked: as `marks` says."""
    if _coloured(sys.stdout):
        return _print(sys.stdout, *((text, MARKED_STYLE if marked else "") for text, marked in runs))
    begin, end = _brackets(sys.stdout)
    _print(sys.stdout, *((f"{begin}{text}{end}" if marked else text, "") for text, marked in runs))


def marks(what: str) -> str:
    """A sentence on how `say_marked` marks something."""
    if _coloured(sys.stdout):
        return f"{what} is green and underlined."
    return f"{what} stands between {' and '.join(_brackets(sys.stdout))}."


def note(text: str) -> None:
    """A warning on stdout."""
    _print(sys.stdout, ("Note:", "bold magenta"), (f" {text}", ""))


def complain(text: str) -> None:
    """What went wrong, on stderr."""
    _print(sys.stderr, ("domlora:", "bold red"), (f" {text}", ""))


@contextmanager
def progress_bar(unit: str, total: int | None = None) -> Iterator[Progress]:
    """Follows (stage, done, total) on stderr: as a bar on a terminal, elsewhere as a line every half minute.

    However the block ends, the bar is gone and the terminal as it was.

    Args:
        unit: what `total` counts; shown beside a count up to just that total, as other stages may count other things.
        total: how much there is to do, where that is known before the first stage begins.
    """
    animated = sys.stderr.isatty() and not _dumb()
    with _moving_bar(unit, total) if animated else _lines(sys.stderr) as progress:
        yield progress


def _styled(stream: TextIO) -> bool:
    """Whether text on a stream may carry styles: what rich would say, without importing it."""
    force = os.environ.get("FORCE_COLOR")
    return not _dumb() and (stream.isatty() if force is None else force != "")


def _coloured(stream: TextIO) -> bool:
    """Whether a style would be seen: where there are no colours, rich leaves out all other styles too."""
    return _styled(stream) and _console(stream).color_system is not None


def _brackets(stream: TextIO) -> tuple[str, str]:
    """What stands around marked text: brackets that hardly any text has itself, where the stream has them."""
    try:
        "".join(BRACKETS).encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return "[[", "]]"
    return BRACKETS


def _dumb() -> bool:
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def _console(stream: TextIO) -> Console:
    """Writes to a stream that shows styles, without markup, emoji names or colours of its own accord."""
    from rich.console import Console

    class QuietConsole(Console):
        def show_cursor(self, show: bool = True) -> bool:
            """The cursor stays: a process that is killed (out of memory) could not bring it back."""
            return False

    return QuietConsole(
        file=stream, force_terminal=True, color_system=None if os.environ.get("NO_COLOR") else "auto", markup=False,
        emoji=False, highlight=False, width=None if stream.isatty() else 100_000,
    )  # fmt: skip


def _print(stream: TextIO, *parts: tuple[str, str]) -> None:
    """One line of (text, style); the terminal itself breaks a long one, so that it is copied as one."""
    if not _styled(stream):
        return print("".join(text for text, _ in parts), file=stream)
    from rich.text import Text

    line = Text.assemble(*((visible(text, keep="\n\t"), style) for text, style in parts))
    _console(stream).print(line, soft_wrap=True)


def _print_rich_table(
    console: Console, head: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool], status: int | None
) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, GAP, 0, 0), pad_edge=False, header_style="bold")
    for title, number in zip(head, numeric, strict=True):
        table.add_column(Text(visible(title)), justify="right" if number else "left", no_wrap=number, overflow="fold")
    status = None if status is None else range(len(head))[status]
    for row in rows:
        table.add_row(
            *(
                Text(visible(cell), STATUS_STYLES.get(cell, "") if i == status else "")
                for i, cell in enumerate(row)
            )
        )  # fmt: skip
    console.print(table)


def _numeric(cells: Sequence[str]) -> bool:
    """Whether a column holds numbers and nothing else; a cell may be empty."""
    filled = [cell for cell in cells if cell]
    return bool(filled) and all(NUMBER.fullmatch(cell) for cell in filled)


@contextmanager
def _moving_bar(unit: str, total: int | None) -> Iterator[Progress]:
    from rich import progress as rich_progress

    stream = sys.stderr
    columns = (
        rich_progress.SpinnerColumn("line"),  # characters that every terminal has
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(bar_width=24),
        rich_progress.TextColumn("{task.fields[amount]}", markup=False),
        rich_progress.TimeRemainingColumn(elapsed_when_finished=True),
    )
    bar = rich_progress.Progress(
        *columns, console=_console(stream), transient=True, redirect_stdout=False, refresh_per_second=5
    )
    lock = threading.Lock()
    shown: tuple[str, int] | None = None
    pace = Pace()

    def amount(done: int, of: int, stage: str = "") -> str:
        if stage == FETCHING:
            return in_words(stage, done, of, pace).partition(": ")[2]
        return "" if not of else f"{unit} {done}/{of}" if of == total else f"{done}/{of}"

    task = bar.add_task("starting", total=total, amount=amount(0, total or 0))

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal task, shown
        with lock:
            pace.saw(done, total)
            if (stage, total) != shown:  # the time left is that of this stage
                bar.remove_task(task)
                words = visible(stage).removesuffix(" (MB)")
                task = bar.add_task(words, total=total or None, amount=amount(done, total, stage))
                shown = (stage, total)
            bar.update(task, completed=done, amount=amount(done, total, stage))

    with bar, _logging_to(sys.stderr, instead_of=stream):
        yield progress


@contextmanager
def _logging_to(stream: TextIO, *, instead_of: TextIO) -> Iterator[None]:
    """Log lines go where rich prints them above the bar, not through it."""
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is instead_of
    ]
    for handler in handlers:
        handler.setStream(stream)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(instead_of)


@contextmanager
def _lines(stream: TextIO, wait: Callable[[threading.Event, float], bool] = threading.Event.wait) -> Iterator[Progress]:
    """A line every `LINE_SECONDS`; the first after as long, so that short work says nothing."""
    state = ("starting", 0, 0)
    ended = threading.Event()

    pace = Pace()

    def progress(stage: str, done: int, total: int) -> None:
        nonlocal state
        state = (stage, done, total)
        pace.saw(done, total)

    def report() -> None:
        while not wait(ended, LINE_SECONDS):
            stage, done, total = state
            counted = f"{stage} {done}/{total} ({done / total:.0%})" if total else stage
            line = in_words(stage, done, total, pace) if stage == FETCHING else counted
            try:
                print(line, file=stream, flush=True)
            except (OSError, ValueError):  # nobody reads any more: the work goes on
                return

    reporter = threading.Thread(target=report, name="progress", daemon=True)
    reporter.start()
    try:
        yield progress
    finally:
        ended.set()
        reporter.join()
