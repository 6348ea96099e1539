"""Settings of single modules that probes are ranked by, what they cost, what is wrong with them, and the start."""

from __future__ import annotations

import re

import streamlit as st
from pydantic import ValidationError

from dashboard.launch import estimates
from dashboard.launch import queries as launch_queries
from dashboard.launch.subject import Subject, choose
from dashboard.probes import queries as probe_queries
from dashboard.shared import words
from domlora.comparison.config import SweepConfig
from domlora.comparison.placements import place_for
from domlora.errors import DomLoRAError
from domlora.probes.config import ProbeConfig
from domlora.ranking.rank import LEAST_MODULES, SINGLES


def form() -> None:
    """Draws the form; its start puts the ids of both jobs into the URL.

    Raises:
        DomLoRAError: the store cannot be read or written.
    """
    subject = choose()
    problems = list(subject.problems)
    columns = st.columns(4)
    modules = columns[0].number_input(
        "Modules", LEAST_MODULES, None, 30, key="modules", bind="query-params",
        help="So many single modules are trained, evenly over kinds and layers and with the dominant one.",
    )  # fmt: skip
    text = columns[1].text_input(
        "Learning rates", ", ".join(f"{rate:g}" for rate in SINGLES.learning_rates), key="rates", bind="query-params",
        help="Each module counts at the rate that is best on validation rows.",
    )  # fmt: skip
    steps = columns[2].number_input("Steps", 1, None, SINGLES.steps, key="steps", bind="query-params")
    samples = columns[3].number_input(
        "Probe samples", 1, None, ProbeConfig().samples, key="samples", bind="query-params"
    )
    with st.expander("More settings"):
        columns = st.columns(4)
        seeds = columns[0].number_input("Seeds", 1, None, SINGLES.seeds, key="seeds", bind="query-params")
        rank = columns[1].number_input("Rank", 1, None, SINGLES.rank, key="rank", bind="query-params")
        budget = columns[2].number_input(
            "Budget (trainable parameters)", 1, None, None, key="budget", bind="query-params", placeholder="none",
            help="At equal rank, which PAGE scores and which is the default, kinds differ in size. A budget equalises.",
        )  # fmt: skip
        batch_size = columns[3].number_input("Batch size", 1, None, SINGLES.batch_size, key="batch_size",
                                             bind="query-params")  # fmt: skip
        columns = st.columns(4)
        validation_rows = columns[0].number_input("Validation rows", 1, None, SINGLES.validation_rows,
                                                  key="validation_rows", bind="query-params")  # fmt: skip
        test_rows = columns[1].number_input("Test rows", 2, None, SINGLES.test_rows, key="test_rows",
                                            bind="query-params")  # fmt: skip
        max_length = columns[2].number_input("Maximum tokens", 2, None, SINGLES.max_length, key="max_length",
                                             bind="query-params")  # fmt: skip
        data_seed = columns[3].number_input("Data seed", 0, None, SINGLES.data_seed, key="data_seed",
                                            bind="query-params")  # fmt: skip
    rates = []
    for part in filter(None, re.split(r"[,;\s]+", text)):
        try:
            rates.append(float(part))
        except ValueError:
            problems.append(f"The learning rate {part!r} is not a number: write rates as 5e-3, 0.02.")
    settings = SINGLES.model_dump() | {
        "placements": (f"spread:{modules}",), "learning_rates": tuple(rates), "steps": steps, "evaluate_every": steps,
        "seeds": seeds, "rank": rank, "alpha": 2.0 * rank, "budget": budget, "batch_size": batch_size,
        "validation_rows": validation_rows, "test_rows": test_rows, "max_length": max_length, "data_seed": data_seed,
    }  # fmt: skip
    config = SINGLES
    try:
        config = SweepConfig(**settings)
    except ValidationError as error:
        problems += subject.in_words(error)
    rows = subject.splits.get("train", 0)
    if subject.splits and samples > rows:
        problems.append(f"{samples} probe samples asked for, but there are {rows} train rows: ask for fewer.")
    if subject.splits and not problems:
        problems += _fits(subject, config, samples)
    for problem in problems:
        st.error(problem)
    if not problems:
        variants = modules * len(rates) * seeds
        st.markdown(words.size_of(config, modules, variants))
        st.caption(
            estimates.estimate_sweep(subject.name, config, variants)
            or "No earlier comparison of this model to judge time and memory by."
        )
    if st.button("Train and rank", type="primary", key="start_ranking", disabled=bool(problems)):
        st.query_params["jobs"] = ",".join(job.id for job in probe_queries.submit(subject, config, samples))
        st.rerun()  # the jobs are shown above


def _fits(subject: Subject, config: SweepConfig, samples: int) -> list[str]:
    """What the rows of the task, or the modules of a model that was probed before, do not allow."""
    split = launch_queries.row_split(subject.task, config)
    if isinstance(split, str):
        return [split]
    energy, _ = launch_queries.map_for(
        subject.name, subject.task, ProbeConfig(samples=samples, max_length=config.max_length)
    )
    try:
        if energy is not None:
            place_for(energy, config)
    except DomLoRAError as error:
        return [str(error)]
    return []
