"""Ask for a probe or a comparison: choose model, task and settings, see what is wrong, start it and watch it."""

import streamlit as st

from dashboard.launch import comparison, probe
from dashboard.shared import job_view, subject
from domlora.errors import DomLoRAError

st.title("Launch")
kind = st.segmented_control(
    "What to launch", ["Probe", "Comparison"], default="Probe", required=True, key="kind", bind="query-params",
    help="A probe measures where the gradient energy is; a comparison trains placements side by side.",
    label_visibility="collapsed",
)  # fmt: skip
try:
    chosen = subject.choose()
    if kind == "Comparison":
        comparison.form(chosen)
    else:
        probe.form(chosen)
    if "job" in st.query_params:
        st.divider()
        job_view.show(st.query_params["job"])
        comparison.way_to_run(st.query_params["job"])
except DomLoRAError as error:
    st.error(str(error))
