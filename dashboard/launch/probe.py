"""Settings of a probe, what is wrong with them, and the start."""

from __future__ import annotations

import streamlit as st
from pydantic import ValidationError

from dashboard.launch import estimates
from dashboard.launch.subject import Subject, in_words
from dashboard.shared import queries
from domlora.jobs.spec import ProbeRequest
from domlora.probes.config import ProbeConfig

DEFAULT = ProbeConfig()


def form(subject: Subject) -> None:
    """Draws the form; its start puts the job's id into the URL.

    Raises:
        DomLoRAError: the store cannot be read or written.
    """
    columns = st.columns(4)
    settings = {
        "samples": columns[0].number_input("Samples", 1, None, DEFAULT.samples, key="samples", bind="query-params"),
        "max_length": columns[1].number_input(
            "Maximum tokens", 2, None, DEFAULT.max_length, key="max_length", bind="query-params"
        ),
        "rank": columns[2].number_input("Rank", 1, None, DEFAULT.rank, key="rank", bind="query-params"),
        "alpha": columns[3].number_input("Alpha", 0.1, None, DEFAULT.alpha, key="alpha", bind="query-params"),
    }
    with st.expander("More settings"):
        columns = st.columns(4)
        settings["estimator"] = columns[0].selectbox(
            "Estimator", ["expected", "projected"], key="estimator", bind="query-params"
        )
        settings["reduction"] = columns[1].selectbox(
            "Reduction", ["per_sample", "mean_gradient"], key="reduction", bind="query-params"
        )
        settings["split"] = columns[2].selectbox(
            "Split", ["train", "validation", "test"], key="split", bind="query-params"
        )
        settings["seed"] = columns[3].number_input("Seed", 0, None, DEFAULT.seed, key="seed", bind="query-params")
        columns = st.columns(4)
        settings["dtype"] = columns[0].selectbox(
            "Number type", ["auto", "float32", "bfloat16"], key="dtype", bind="query-params"
        )
        device = columns[1].text_input("Device", "auto", key="device", bind="query-params")
        settings["draws"] = 1
        if settings["estimator"] == "projected":
            settings["draws"] = columns[2].number_input("Draws of A", 1, None, 1, key="draws", bind="query-params")
        settings["rslora"] = columns[3].checkbox("rsLoRA scaling", key="rslora", bind="query-params")

    problems = list(subject.problems)
    try:
        config = ProbeConfig(**settings)
    except ValidationError as error:
        problems += in_words(error)
        config = DEFAULT
    rows = subject.splits.get(config.split, 0)
    if subject.splits and config.samples > rows:
        problems.append(f"{config.samples} samples asked for, but there are {rows} {config.split} rows: ask for fewer.")
    for problem in problems:
        st.error(problem)
    st.caption(
        estimates.estimate(subject.name, config.samples, config.max_length)
        or "No earlier measurement of this model to judge time by."
    )
    if st.button("Start", type="primary", key="start", disabled=bool(problems)):
        request = ProbeRequest(
            model=subject.model, revision=subject.revision, task=subject.task, config=config, device=device
        )
        st.query_params["job"] = queries.submit(request).id
