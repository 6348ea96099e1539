"""What single modules achieved that were trained alone, beside their energy: a switch, a second map, a scatter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.energy_map import achieved_charts, grid
from dashboard.energy_map import queries as map_queries
from dashboard.shared import queries
from dashboard.shared.widgets import clicks, forget_unknown
from domlora.comparison.run import Run
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError
from domlora.ranking.result import Ranking


def switch(energy: EnergyMap) -> list[Run]:
    """Draws the switch; the runs that trained single modules of the map's model and task, none where it is off."""
    runs = map_queries.single_runs(energy.provenance)
    why = (
        "How much the loss falls when an adapter trains one module alone, each at its best rate."
        if runs else "No single modules of this model and task were trained yet: the page Probes does that."
    )  # fmt: skip
    on = st.toggle("What training achieved", key="achieved", bind="query-params", disabled=not runs, help=why)
    return runs if on else []


def choose(energy: EnergyMap, runs: Sequence[Run]) -> Ranking | None:
    """Draws the choice of a run where there are several; what its modules achieved, None where that is not shown."""
    if not runs:
        return None
    labels = {queries.run_label(run): run for run in runs}
    forget_unknown("achieved_by", labels)
    run = runs[0]
    if len(labels) > 1:
        run = labels[st.selectbox("Trained in", list(labels), key="achieved_by", bind="query-params")]
    try:
        return map_queries.achieved(run, energy.id)
    except DomLoRAError as error:
        st.error(str(error))
        return None


def fact(ranking: Ranking | None, module: str) -> None:
    """What the chosen module achieved, in one line."""
    if ranking is None:
        return
    rows = ranking.modules[ranking.modules["module"] == module]
    if rows.empty:
        st.caption("It was not trained alone.")
        return
    row = rows.iloc[0]
    verb = "lowers" if row["improvement"] >= 0 else "raises"
    st.markdown(
        f"**Trained alone** it {verb} the loss by {abs(row['improvement']):.3f} nats (95 % interval of the fall "
        f"{row['low']:.3f} to {row['high']:.3f}), place {row['rank']} of {len(ranking.modules)}."
    )


def show(
    ranking: Ranking | None, energy: EnergyMap, module: str, config: dict[str, Any], on_click: Callable[[str], None]
) -> None:
    """The map of what was achieved and the scatter against energy; a click means what it means on the energy map."""
    if ranking is None:
        return
    for stack in energy.table["stack"].unique():
        if (ranking.modules["stack"] == stack).any():
            cells = achieved_charts.grid(energy, ranking, stack, module)
            _draw(grid.aligned(cells) if energy.probe.additive else cells, f"achieved-{stack}", config, on_click)
    _draw(achieved_charts.scatter(energy, ranking, module), "achieved-scatter", config, on_click)
    run = ranking.run
    st.caption(
        f"{len(ranking.modules)} modules, each trained alone for {run.config.steps} steps and judged on {ranking.rows} "
        f"{ranking.part} rows; bars are 95 % intervals."
    )
    st.page_link(
        "probes/page.py", label="Which probe foretells this best", icon=":material/leaderboard:",
        query_params={"singles": queries.run_label(run)},
    )  # fmt: skip


def _draw(figure: go.Figure, name: str, config: dict[str, Any], on_click: Callable[[str], None]) -> None:
    key = f"{name}-{clicks()}"
    st.plotly_chart(
        figure, key=key, width="stretch", config=config, on_select=lambda: on_click(key), selection_mode="points"
    )
