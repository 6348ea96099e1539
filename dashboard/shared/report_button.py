"""The button that hands out a report: one HTML file of a map, a comparison or a search, made when it is asked for.

In: the id of a result. Out: a button. The file is the same as `domlora report` writes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from dashboard.shared import queries, words

if TYPE_CHECKING:
    from domlora.report.parts import Part


def of_map(id: str) -> None:
    """The button of an energy map."""

    def made() -> Part:
        from domlora.report.energy_map import map_part

        return map_part(queries.energy(id))

    _button(id, made)


def of_run(id: str) -> None:
    """The button of a comparison; of a search where the run is a race."""

    def made() -> Part:
        from domlora.report.subjects import run_part

        return run_part(queries.store(), queries.run(id))

    _button(id, made)


def _button(id: str, made: Callable[[], Part]) -> None:
    def content() -> str:
        from domlora.report import page

        return page.html([made()])

    # No rerun on a click: it would throw away the contents that a second click asks for.
    st.download_button(
        "Report as HTML", content, words.file_name(f"domlora-report-{id}") + ".html",
        mime="text/html", key="report_html", on_click="ignore", icon=":material/description:",
        help="One file with charts that still hover, tables, settings and how to do it again; it opens offline.",
    )  # fmt: skip
