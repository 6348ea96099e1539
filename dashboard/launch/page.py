"""Ask for a probe or a comparison: choose model, task and settings, see what is wrong, start it and watch it."""

import streamlit as st

from dashboard.launch import comparison, probe
from dashboard.shared import fields, subject
from domlora.errors import DomLoRAError

subject.take_old_address()
comparison.take_old_address()
st.title("Launch")
KINDS = ["Probe", "Comparison"]
wrong = fields.not_taken("kind", KINDS.__contains__)
kind = st.segmented_control(
    "What to launch", KINDS, default="Probe", required=True, key="kind", bind="query-params",
    help="A probe measures where the gradient energy is; a comparison trains placements side by side.",
    label_visibility="collapsed",
)  # fmt: skip
fields.say_not_taken(st, wrong)
try:
    chosen = subject.choose()
    if kind == "Comparison":
        comparison.form(chosen)
    else:
        probe.form(chosen)
except DomLoRAError as error:
    st.error(str(error))
