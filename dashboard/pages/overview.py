"""What has been measured: one sentence a model, and every map in one table."""

import re

import pandas as pd
import streamlit as st

from dashboard import queries, words
from domlora.errors import DomLoRAError

st.title("Where should the adapter go?")
st.markdown(
    "**PAGE** (Projected Adapter Gradient Energy) says how much gradient would reach a LoRA adapter at each module of "
    "a frozen model, from a few samples and before any training. A module with a large share of it is where a small "
    "adapter is pushed hardest at the first step; whether it also *learns* best is for a fine-tune to show. "
    "The sentences below report what was measured, whatever it says."
)
try:
    rows = queries.map_rows()
except DomLoRAError as error:
    st.error(str(error))
    st.stop()
if not rows:
    st.info("No energy map yet. Measure one on the Launch page, or run `domlora probe smollm2-135m --task math`.")
    st.page_link("pages/launch.py", label="Launch a probe", icon=":material/play_arrow:")
    st.stop()

for model in dict.fromkeys(row.model for row in rows):
    st.markdown("- " + words.model_sentence([row for row in rows if row.model == model]))

st.subheader("All maps")
find, model_box, task_box = st.columns([2, 1, 1])
pattern = find.text_input(
    "Filter (regular expression)", key="filter", bind="query-params", placeholder="model, task, module"
)
models = model_box.multiselect("Model", sorted({r.model for r in rows}), key="models", bind="query-params")
tasks = task_box.multiselect("Task", sorted({r.task for r in rows}), key="tasks", bind="query-params")
try:
    wanted = re.compile(pattern, re.IGNORECASE)
except re.error as error:
    st.error(f"The filter is not a regular expression: {error}. Put a backslash before ( [ * + ? to search for it.")
    st.stop()
shown = [
    row
    for row in rows
    if wanted.search(f"{row.model} {row.task} {row.module} {row.id}")
    and (not models or row.model in models)
    and (not tasks or row.task in tasks)
]
st.caption(f"{len(shown)} of {len(rows)} maps. Choose a row to open its map.")
table = pd.DataFrame(
    {
        "model": row.model, "task": row.task, "dominant module": row.module.removeprefix("model."), "share": row.share,
        "effective modules": f"{row.effective_modules:.0f} of {row.modules}", "verdict": row.level,
        "samples": row.samples, "estimator": f"{row.estimator}, {row.reduction}", "measured": row.created,
        "source": row.source,
    }
    for row in shown
)  # fmt: skip
event = st.dataframe(
    table,
    key="maps",
    width="stretch",
    hide_index=True,
    on_select="rerun",
    selection_mode="single-row",
    column_config={"share": st.column_config.NumberColumn(format="percent")},
)
if event.selection.rows:
    st.switch_page("pages/energy_map.py", query_params={"map": shown[event.selection.rows[0]].label})
st.page_link("pages/launch.py", label="Measure another model or task", icon=":material/play_arrow:")
