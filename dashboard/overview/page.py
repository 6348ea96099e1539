"""What has been measured: one sentence a model, and every map in one table."""

import re

import pandas as pd
import streamlit as st

from dashboard.shared import heatmap, queries, words
from domlora.errors import DomLoRAError
from domlora.models.catalogue import REFERENCE_MODELS
from domlora.probes.registry import PROBES

MODELS_SHOWN = 6  # sentences before the rest folds away
MAPS_DRAWN = 2

st.title("Where should the adapter go?")
st.markdown(
    "**PAGE** (Projected Adapter Gradient Energy) says how much gradient would reach a LoRA adapter at each module of "
    "a frozen model, from a few samples and before any training. A module with a large share of it is where a small "
    "adapter is pushed hardest at the first step; whether it also *learns* best is for a fine-tune to show. "
    "The sentences below report what was measured, whatever it says."
)
with st.container(horizontal=True):
    if st.button("Find my placement", type="primary", key="find", icon=":material/search:"):
        st.switch_page("find/page.py")
    if st.button("Measure a model", key="measure", icon=":material/play_arrow:"):
        st.switch_page("launch/page.py")
try:
    rows = queries.map_rows()
except DomLoRAError as error:
    st.error(str(error))
    st.stop()
if not rows:
    st.info("No energy map yet. Measure one on the Launch page, or run `domlora probe smollm2-135m --task math`.")
    st.page_link("launch/page.py", label="Launch a probe", icon=":material/play_arrow:")
    st.stop()

by_model: dict[str, list[queries.MapRow]] = {}
for row in rows:
    if row.probe == queries.PAGE:
        by_model.setdefault(row.model, []).append(row)
own = [of_model for name, of_model in by_model.items() if name not in REFERENCE_MODELS]
small = [of_model for name, of_model in by_model.items() if name in REFERENCE_MODELS]
findings = ["- " + words.model_sentence(of_model) for of_model in own]
st.markdown("\n".join(findings[:MODELS_SHOWN]))
if findings[MODELS_SHOWN:]:
    with st.expander(f"{len(findings) - MODELS_SHOWN} more models"):
        st.markdown("\n".join(findings[MODELS_SHOWN:]))
if small:
    with st.expander(f"{words.count(len(small), 'small reference model')}, to try things on", expanded=not own):
        st.caption("Of 1 to 3 million parameters, shipped with domlora: no stand-in for a real model.")
        st.markdown("\n".join("- " + words.model_sentence(of_model) for of_model in small))

with st.container(horizontal=True):
    for newest in [of_model[0] for of_model in own or small][:MAPS_DRAWN]:
        try:
            figure = heatmap.thumbnail(queries.energy(newest.id))
        except DomLoRAError as error:
            st.error(str(error))
            continue
        st.plotly_chart(figure, key=f"map-{newest.id}", width=460, config={"displayModeBar": False})

st.subheader("All maps")
find, model_box, task_box, probe_box = st.columns([2, 1, 1, 1])
pattern = find.text_input(
    "Filter (regular expression)", key="filter", bind="query-params", placeholder="model, task, module"
)
models = model_box.multiselect(
    "Model", sorted({r.model for r in rows}), key="models", bind="query-params", placeholder="any"
)
tasks = task_box.multiselect(
    "Task", sorted({r.task for r in rows}), key="tasks", bind="query-params", placeholder="any"
)
probes = probe_box.multiselect(
    "Probe", [name for name in PROBES if any(row.probe == name for row in rows)], key="probes", bind="query-params",
    format_func=lambda name: PROBES[name].title, placeholder="any",
)  # fmt: skip
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
    and (not probes or row.probe in probes)
]
st.caption(f"{len(shown)} of {len(rows)} maps. Choose a row to open its map.")
table = pd.DataFrame(
    {
        "model": f"{row.model} (reference)" if row.model in REFERENCE_MODELS else row.model,
        "task": row.task, "probe": PROBES[row.probe].title, "dominant module": row.module.removeprefix("model."),
        # Only parts of a sum have shares; other scores have an order and no more.
        "share": 100 * row.share if PROBES[row.probe].additive else None,
        "effective modules": f"{row.effective_modules:.0f} of {row.modules}" if PROBES[row.probe].additive else "",
        "verdict": row.level if PROBES[row.probe].additive else "", "samples": row.samples,
        "measured": row.created if row.source != queries.SHIPPED else f"{row.created[:10]} ({row.source})",
        "estimator": f"{row.estimator}, {row.reduction.replace('_', ' ')}",
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
    column_config={
        "task": st.column_config.TextColumn(width=min(280, 24 + 7 * max((len(row.task) for row in shown), default=0))),
        "probe": st.column_config.TextColumn(
            width=min(200, 24 + 7 * max((len(PROBES[row.probe].title) for row in shown), default=0))
        ),
        "share": st.column_config.NumberColumn(format="%.2f%%"),
    },
)
if event.selection.rows:
    st.switch_page("energy_map/page.py", query_params={"map": shown[event.selection.rows[0]].label})
st.page_link("launch/page.py", label="Measure another model or task", icon=":material/play_arrow:")
