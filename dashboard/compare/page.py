"""One comparison: what can be concluded, the curves as they grow, what it cost, and the way to take it away."""

import re

import streamlit as st

from dashboard.compare import charts, details, live, more, tables
from dashboard.compare.live import Choice
from dashboard.shared import queries, words
from dashboard.shared.running import is_live, job_of
from dashboard.shared.widgets import forget_unknown
from domlora.errors import DomLoRAError

VIEWS = ("Curves", "Result", "Learning rates", "Forgetting", "Answers", "Settings", "Take away")
LIVE_VIEWS = ("Curves", "Result", "Learning rates", "Forgetting")

st.title("Compare")
try:
    runs = queries.run_rows()
except DomLoRAError as error:
    st.error(str(error))
    st.stop()
if not runs:
    st.info("No comparison yet: choose placements and train them side by side first.")
    st.page_link(
        "launch/page.py", label="Launch a comparison", icon=":material/play_arrow:",
        query_params={"kind": "Comparison"},
    )  # fmt: skip
    st.stop()

labels = {queries.run_label(run): run.id for run in runs}
asked = st.query_params.get("run")
by_id = {id: label for label, id in labels.items()}
if asked in by_id:  # links may name a run by its id alone
    st.session_state["run"] = by_id[asked]
elif asked and asked not in labels:
    st.warning(f"The store has no run {asked!r}; this is the latest one.")
run_id = labels[st.selectbox("Run", list(labels), key="run", bind="query-params")]

try:
    run = queries.run(run_id)
    job = job_of(run)
    running = is_live(run, job)
    if not running:
        live.conclusion(run)
        if run.status == "done" and not run.config.race:
            more.form(run)
    view = st.segmented_control(
        "View", VIEWS, default=VIEWS[0], required=True, key="view", bind="query-params", label_visibility="collapsed"
    )  # fmt: skip
    choice = Choice()
    if view == "Curves":
        columns = st.columns([3, 3, 4])
        metric = columns[0].selectbox(
            "Metric", list(charts.METRICS), key="metric", bind="query-params",
            format_func=charts.METRICS.get,
        )  # fmt: skip
        rates = columns[1].selectbox("Learning rates", ["best of each", "all"], key="rates_shown", bind="query-params")
        group = columns[2].selectbox(
            "One line for each", list(tables.GROUPS), key="group", bind="query-params",
            help="The band goes from the least to the largest of the variants that a line stands for.",
        )  # fmt: skip
        columns = st.columns([4, 3, 2], vertical_alignment="bottom")
        pattern = columns[0].text_input(
            "Filter (regular expression)", key="variant_filter", bind="query-params",
            placeholder="dominant|random.*seed=0",
        )  # fmt: skip
        smoothing = columns[1].slider("Smoothing", 0.0, 0.95, 0.0, 0.05, key="smoothing", bind="query-params")
        log = columns[2].toggle("Log", key="log_axis", bind="query-params")
        try:
            re.compile(pattern)
        except re.error as error:
            st.error(
                f"The filter is not a regular expression: {error}. Put a backslash before ( [ * + ? to search for it."
            )
            pattern = ""
        choice = Choice(
            metric=metric, best_only=rates != "all", group=group, smoothing=smoothing, log=log, pattern=pattern
        )
    elif view == "Result":
        comparison = queries.comparison(run, None)
        names = [contestant.name for contestant in comparison.contestants]
        forget_unknown("baseline", names)
        baseline = st.selectbox(
            "Baseline of the differences", names, names.index(comparison.baseline) if comparison.baseline else 0,
            key="baseline", bind="query-params", format_func=words.short_name,
        )  # fmt: skip
        choice = Choice(baseline=baseline)
    if view in LIVE_VIEWS:
        if running:
            live.live(run.id, view, choice)
        else:
            live.body(run, job, view, choice)
    elif view == "Answers":
        details.answers(run)
    elif view == "Settings":
        details.settings(run, runs)
    else:
        details.take_away(run)
    if running:
        live.cancel(run, job)
except DomLoRAError as error:
    st.error(str(error))
