"""Settings of single modules that probes are ranked by, what they cost, what is wrong with them, and the start."""

from __future__ import annotations

from typing import Any

import streamlit as st
from pydantic import ValidationError
from streamlit.delta_generator import DeltaGenerator

from dashboard.probes import queries as probe_queries
from dashboard.shared import estimates, fields, task_facts, words
from dashboard.shared.subject import Subject, choose
from domlora.comparison.config import SweepConfig
from domlora.comparison.placements import place_for
from domlora.errors import DomLoRAError
from domlora.probes.config import ProbeConfig
from domlora.ranking.singles import LEAST_MODULES, MODULES, SINGLES


def form() -> None:
    """Draws the form; its start puts the ids of both jobs into the URL.

    Raises:
        DomLoRAError: the store cannot be read or written.
    """
    subject = choose()
    problems = list(subject.problems)
    columns = st.columns(4, vertical_alignment="bottom")
    modules = columns[0].number_input(
        "Modules", LEAST_MODULES, None, MODULES, key="modules", bind="query-params",
        help="So many single modules are trained, evenly over kinds and layers and with the dominant one.",
    )  # fmt: skip
    rates, unreadable = fields.rates(columns[1], SINGLES)
    problems += unreadable
    steps = _number(columns[2], "steps")
    samples = fields.probe_samples(columns[3])
    with st.expander("More settings"):
        columns = st.columns(4, vertical_alignment="bottom")
        seeds = _number(columns[0], "seeds")
        rank = _number(columns[1], "rank")
        budget = _number(
            columns[2], "budget",
            more="At equal rank, which PAGE scores and which is the default, kinds differ in size. A budget equalises.",
        )  # fmt: skip
        batch_size = _number(columns[3], "batch_size")
        columns = st.columns(4, vertical_alignment="bottom")
        validation_rows = _number(columns[0], "validation_rows")
        test_rows = _number(columns[1], "test_rows", low=2)  # intervals over rows take two
        max_length = _number(columns[2], "max_length")
        data_seed = _number(columns[3], "data_seed")
    settings = SINGLES.model_dump() | {
        "placements": (f"spread:{modules}",), "learning_rates": rates, "steps": steps, "evaluate_every": steps,
        "seeds": seeds, "rank": rank, "alpha": None, "budget": budget, "batch_size": batch_size,
        "validation_rows": validation_rows, "test_rows": test_rows, "max_length": max_length, "data_seed": data_seed,
    }  # fmt: skip
    config = SINGLES
    try:
        config = SweepConfig(**settings)
    except ValidationError as error:
        problems += fields.refused(error, SweepConfig)
    problems += subject.lacks(samples)
    if subject.splits and not problems:
        problems += _fits(subject, config, samples)
    for problem in problems:
        st.error(problem)
    if not problems:
        variants = modules * config.variants
        st.markdown(words.size_of(config, modules, variants))
        st.caption(estimates.estimate_sweep(subject.name, config, variants))
    if st.button("Train and rank", type="primary", key="start_ranking", disabled=bool(problems)):
        st.query_params["jobs"] = ",".join(job.id for job in probe_queries.submit(subject, config, samples))
        st.rerun()  # the jobs are shown above


def _number(column: DeltaGenerator, name: str, **options: Any) -> Any:
    """Asks for a number of what is trained; its default is that of single modules."""
    return fields.number(column, SweepConfig, name, defaults=SINGLES, **options)


def _fits(subject: Subject, config: SweepConfig, samples: int) -> list[str]:
    """What the rows of the task, or the modules of a model that was probed before, do not allow."""
    split = task_facts.row_split(subject.task, config)
    if isinstance(split, str):
        return [split]
    if problems := split.lacks(samples, config):
        return problems
    probe = ProbeConfig(samples=samples, max_length=config.max_length)
    energy, _ = task_facts.map_for(subject.name, subject.task, probe, config)
    try:
        if energy is not None:
            place_for(energy, config)
    except DomLoRAError as error:
        return [str(error)]
    return []
