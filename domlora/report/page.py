"""A report as one HTML file that asks no host for anything: charts that hover, tables and text that need no script.

In: parts. Out: text. Plotly's script is read as a file from the installed package and goes into the page packed; the
browser unpacks it. Every name is escaped, and a policy in the page forbids whatever it might still ask of a network.
"""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from domlora.errors import DomLoRAError, UsageError
from domlora.report.parts import Chart, Part
from domlora.version import __version__
from domlora.visible import visible

SUFFIXES = (".html", ".htm")
SCRIPT = Path("package_data") / "plotly.min.js"


def html(parts: Sequence[Part], *, when: datetime | None = None) -> str:
    """The whole file.

    Args:
        when: the date that it bears; now, where none is given.

    Raises:
        DomLoRAError: Plotly's script is not installed.
    """
    when = when or datetime.now(UTC)
    title = f"{parts[0].kind}: {parts[0].title}" if len(parts) == 1 else f"{len(parts)} results of domlora"
    charts = [block for part in parts for section in part.sections for block in section.blocks
              if isinstance(block, Chart)]  # fmt: skip
    return _environment().get_template("page.html").render(
        parts=parts, title=title, when=f"{when:%Y-%m-%d %H:%M} UTC", version=__version__,
        figures=Markup(_json([chart.figure for chart in charts])),
        plotly=Markup(_packed(_script())) if charts else "",
    )  # fmt: skip


def check_suffix(path: Path) -> None:
    """Refuses a file name that no browser takes for a page, before anything is read."""
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: a report is written as .html, not {path.suffix or 'no suffix'!r}")


def write(text: str, path: Path) -> int:
    """Writes a page, in place of what the file held, and returns its size in bytes.

    Raises:
        DomLoRAError: a path that cannot be written.
    """
    content = text.encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    except OSError as error:
        raise DomLoRAError(f"cannot write {path} ({error.strerror}): free some space, or name another place") from error
    return len(content)


def _json(value: Any) -> str:
    """JSON that no text in it can lead out of its script block."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _script() -> Path:
    """Where the installed package has Plotly's script; the package itself is not imported."""
    spec = importlib.util.find_spec("plotly")
    path = Path(spec.origin).parent / SCRIPT if spec is not None and spec.origin is not None else None
    if path is None or not path.is_file():
        raise DomLoRAError("a report needs the package plotly, whose script draws its charts: `pip install plotly`")
    return path


@lru_cache(maxsize=1)
def _packed(script: Path) -> str:
    """A file as text for a script block: gzip, then base64."""
    return base64.b64encode(gzip.compress(script.read_bytes(), 9, mtime=0)).decode("ascii")


@lru_cache(maxsize=1)
def _environment() -> Environment:
    """Escapes whatever is filled in, and spells out characters that would turn the direction of writing."""

    def shown(value: Any) -> Any:
        return visible(value, keep="\n\t") if isinstance(value, str) and not isinstance(value, Markup) else value

    return Environment(
        loader=FileSystemLoader(Path(__file__).parent, encoding="utf-8"), autoescape=True, undefined=StrictUndefined,
        finalize=shown, trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
