"""The Energy map page's tab on training: where the energy goes, step by step, while a comparison trains an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from dashboard.energy_map import charts, pick, tables
from dashboard.energy_map import queries as map_queries
from dashboard.energy_map.details import View
from dashboard.shared import queries, words
from dashboard.shared.widgets import forget_unknown
from domlora.errors import DomLoRAError

if TYPE_CHECKING:
    from domlora.comparison.run import Run


def show(view: View) -> None:
    """Choice of a run, a variant and a step; the map at that step and the strongest modules' shares over all steps."""
    try:
        runs = {_label(run): run for run in map_queries.trained_runs(view.energy.provenance)}
    except DomLoRAError as error:
        st.error(str(error))
        return
    if not runs:
        st.info(
            "No comparison of this model and task measured where the energy goes while it trained. Launch one with "
            "“Steps between energy maps” among its settings, or run `domlora compare` with `--energy-every 10`."
        )
        query = {**pick.subject_query(view.energy.provenance), "energy_every": "10"}
        st.page_link("launch/page.py", label="Launch a comparison", icon=":material/play_arrow:", query_params=query)
        return
    left, right = st.columns(2)
    forget_unknown("trained_run", list(runs))
    run = runs[left.selectbox("Comparison", list(runs), key="trained_run", bind="query-params")]
    variants = [variant.name for variant in run.variants]
    forget_unknown("variant", variants)
    variant = right.selectbox("Variant", variants, key="variant", bind="query-params", format_func=words.short_name)
    maps = map_queries.trained_maps(run.id, variant)
    steps = [one.step for one in maps]
    if not steps:
        st.caption("It has not measured any energy yet.")
        return
    step = steps[0]
    with st.container():  # its place stays, so that the toggle below does not move
        if len(steps) > 1:
            forget_unknown("step", steps)
            step = st.select_slider("Optimizer steps done", steps, value=steps[-1], key="step", bind="query-params")
    change = st.toggle("Change since the start", key="change", bind="query-params")
    if not view.open:
        return
    table = map_queries.training_table(maps)
    st.markdown(tables.training_words(table, step))
    log = False if change else view.log
    for stack in table["stack"].unique():
        figure = charts.training_map(table, stack, step, change=change, log=log, selected=view.module)
        st.plotly_chart(figure, key=f"training-{stack}-{step}-{variant}", width="stretch", config=view.config)
    drawn = tables.strongest(table)
    if view.module not in drawn:
        drawn = [*drawn[:-1], view.module] if len(drawn) >= tables.CURVES else [*drawn, view.module]
    if len(steps) > 1:
        figure = charts.training_lines(table, drawn, step)
        st.plotly_chart(figure, key="training-lines", width="stretch", config=view.config)
    samples = run.config.energy_samples
    st.caption(
        f"PAGE of the base modules with the adapter on, over {samples} training rows; step 0 is the untouched model."
    )
    st.page_link(
        "compare/page.py", label="See this comparison", icon=":material/compare_arrows:",
        query_params={"run": queries.run_label(run)},
    )  # fmt: skip


def _label(run: Run) -> str:
    """Model and task are those of the page."""
    return f"{run.created:%Y-%m-%d %H:%M}, {len(run.variants)} variants, {run.config.steps} steps ({run.id})"
