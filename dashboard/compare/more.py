"""A finished comparison is gone on with from its page: what is added is asked for here, and a job trains it.

In: a run. Out: a job in the queue, whose run takes over all that this one has.
"""

from __future__ import annotations

import re
from typing import Any

import streamlit as st

from dashboard.shared import fields, job_view, queries
from domlora.comparison.config import SweepConfig
from domlora.comparison.extension import extended
from domlora.comparison.run import Run
from domlora.errors import DomLoRAError
from domlora.jobs.spec import more_of
from domlora.placements.place import check_name

JOB = "added_job"  # in the session: the job that was started last, by run


def form(run: Run) -> None:
    """A button that opens the form, and the way to the job once it is started."""
    started = st.session_state.get(JOB, {}).get(run.id)
    with st.popover("Add more", icon=":material/add:", width="content"):
        st.caption(
            "What is trained already is taken over into a new run; only what is added is trained. With more steps, "
            "each variant goes on from where it ended."
        )
        added = _asked(run)
        try:
            for name in added["placements"]:
                check_name(name)
            request = more_of(run, extended(run, added))
        except DomLoRAError as error:
            st.caption(f"{str(error)[0].upper()}{str(error)[1:]}.")
            request = None
        if st.button("Start", type="primary", key="add_start", disabled=request is None) and request is not None:
            job = queries.submit(request)
            st.session_state[JOB] = st.session_state.get(JOB, {}) | {run.id: job.id}
            st.rerun()
    if started is not None:
        job_view.show(started)


def _asked(run: Run) -> dict[str, Any]:
    """What the widgets say, as `extended` takes it."""
    written = st.text_input("Further placements", key="add_placements", placeholder="o, down@3")
    rates = fields.further_rates(st, "add_rates")
    left, right = st.columns(2)
    seeds = left.number_input(
        **fields.label_and_help(SweepConfig, "seeds"), min_value=run.config.seeds, value=run.config.seeds,
        key=f"add_seeds_{run.id}",
    )  # fmt: skip
    steps = right.number_input(
        **fields.label_and_help(SweepConfig, "steps"), min_value=run.config.steps, value=run.config.steps,
        key=f"add_steps_{run.id}",
    )  # fmt: skip
    names = tuple(part for part in re.split(r"[,\s]+", written) if part)
    return {"placements": names, "learning_rates": rates, "seeds": seeds, "steps": steps}
