"""The cells of the matrix without a map: which, why, and one button that measures them all. Live only while one runs.

In: the choice of the page. Out: jobs. Widgets stay outside of the part that is redrawn, but for its button.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.matrix import missing_cells
from dashboard.matrix import queries as matrix_queries
from dashboard.matrix.queries import Choice
from dashboard.shared import job_view, queries
from domlora.errors import DomLoRAError
from domlora.jobs.missing import MissingCell

REFRESH_SECONDS = 2.0


def show(choice: Choice) -> None:
    """Draws the missing cells, and again every two seconds while any of them is on its way."""
    cells = missing_cells.missing(choice)
    active = frozenset(_active(cells))
    if active:
        _live(choice, active)
    else:
        _draw(choice, cells)


@st.fragment(run_every=REFRESH_SECONDS)
def _live(choice: Choice, active: frozenset[str]) -> None:
    try:
        cells = missing_cells.missing(choice)
        if active - set(_active(cells)):  # one has ended: its map belongs on the page above
            queries.forget_lists()
            st.rerun()
        _draw(choice, cells)
    except DomLoRAError as error:  # the page, which would catch it, is not run again with this part
        st.error(str(error))


def _active(cells: list[MissingCell]) -> list[str]:
    return [cell.job.id for cell in cells if cell.job is not None and not cell.job.ended]


def _draw(choice: Choice, cells: list[MissingCell]) -> None:
    title, total = matrix_queries.probe_title(choice.probe), len(choice.models) * len(choice.tasks)
    if not cells:
        every = "The one cell is" if total == 1 else f"All {total} cells are"
        st.markdown(f"{every} measured by {title}. Add models or tasks above to measure more.")
    else:
        verb = "has" if len(cells) == 1 else "have"
        st.markdown(f"{len(cells)} of {total} cells {verb} no map by {title}.")
    ready = [cell for cell in cells if cell.request is not None and not cell.active]
    with st.container(horizontal=True, vertical_alignment="center"):
        label = "Measure the missing cell" if len(ready) == 1 else f"Measure {len(ready)} missing cells"
        if st.button(label if ready else "Measure missing cells", key="measure_missing", disabled=not ready):
            missing_cells.launch(ready)
            st.rerun()  # the whole page, so that this part becomes live
        st.page_link("jobs/page.py", label="See all jobs", icon=":material/list:")
    if not cells:
        return
    by_place = {(cell.model, cell.task): state(cell) for cell in cells}
    table = pd.DataFrame(
        [{task: by_place.get((model, task), "measured") for task in choice.tasks} for model in choice.models],
        index=pd.Index(choice.models, name="model"),
    )
    lacking = [model for model in choice.models if any(cell.model == model for cell in cells)]
    st.dataframe(table.loc[lacking], key="missing_cells", width="stretch")
    problems = [(f"{cell.model} on {cell.task}", cell.problem) for cell in cells if not cell.active]
    said = [f"{place}: {problem}" for place, problem in problems if problem]
    if said:
        st.warning(said[0] if len(said) == 1 else "\n".join(f"- {line}" for line in said))


def state(cell: MissingCell) -> str:
    """What becomes of a cell, in a word or two."""
    if cell.job is not None and not cell.job.ended:
        return "waits for a worker" if cell.job.status == "queued" else job_view.progress_text(cell.job)
    if cell.request is None:
        return "cannot be measured from here"
    return "failed" if cell.job is not None and cell.job.status == "failed" else "no map yet"
