"""Settings of a probe, what is wrong with them, and the start."""

from __future__ import annotations

from typing import Any

import streamlit as st
from pydantic import ValidationError

from dashboard.shared import estimates, fields, learned, queries
from dashboard.shared.subject import Subject
from domlora.jobs.spec import ProbeRequest
from domlora.probes.config import ProbeConfig

DEFAULT = ProbeConfig()


def form(subject: Subject) -> None:
    """Draws the form; its start puts the job's id into the URL.

    Raises:
        DomLoRAError: the store cannot be read or written.
    """
    settings: dict[str, Any] = {
        name: fields.number(column, ProbeConfig, name)
        for name, column in zip(
            ("samples", "max_length", "rank", "alpha"), st.columns(4, vertical_alignment="bottom"), strict=True
        )
    }
    with st.expander("More settings"):
        columns = st.columns(4, vertical_alignment="bottom")
        for name, column in zip(("estimator", "reduction", "split"), columns[:3], strict=True):
            settings[name] = fields.choice(column, ProbeConfig, name)
        settings["seed"] = fields.number(columns[3], ProbeConfig, "seed")
        columns = st.columns(4, vertical_alignment="bottom")
        settings["dtype"] = fields.choice(columns[0], ProbeConfig, "dtype")
        device = fields.text(columns[1], ProbeRequest, "device")
        if settings["estimator"] == "projected":
            settings["draws"] = fields.number(columns[2], ProbeConfig, "draws")
        settings["rslora"] = columns[3].checkbox(
            **fields.label_and_help(ProbeConfig, "rslora"), key="rslora", bind="query-params"
        )

    problems = list(subject.problems)
    try:
        config = ProbeConfig(**settings)
    except ValidationError as error:
        problems += fields.refused(error, ProbeConfig)
        config = DEFAULT
    rows = subject.splits.get(config.split, 0)
    if subject.splits and config.samples > rows:
        problems.append(f"{config.samples} samples asked for, but there are {rows} {config.split} rows: ask for fewer.")
    learned.panel(subject, config.split, config.max_length)
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
