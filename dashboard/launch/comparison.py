"""Settings of a comparison, what they cost, what is wrong with them, and the start."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from dashboard.launch import estimates
from dashboard.launch import queries as launch_queries
from dashboard.launch.subject import Subject, in_words
from dashboard.shared import heatmap, queries, words
from domlora.comparison.config import SweepConfig
from domlora.comparison.placements import place_for
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError
from domlora.jobs.spec import SweepRequest
from domlora.models.reference import check_comparable
from domlora.placements.methods import METHODS
from domlora.placements.place import NAMES, check_name
from domlora.probes.config import ProbeConfig

DEFAULT = SweepConfig()
CHART = {"displaylogo": False}
LONG_NAME = 12  # characters that a narrow column shows


def form(subject: Subject) -> None:
    """Draws the form; its start puts the job's id into the URL.

    Raises:
        DomLoRAError: the store cannot be read or written.
    """
    where = st.container()  # placements come first, but which there are depends on what is asked below
    columns = st.columns([3, 4, 3, 3])  # three rates are to be seen whole
    samples = columns[0].number_input(
        "Probe samples", 1, None, ProbeConfig().samples, key="samples", bind="query-params",
        help="Placements such as dominant are chosen by an energy map of so many samples; the job measures it first "
             "where there is none.",
    )  # fmt: skip
    probe = ProbeConfig(samples=samples)
    energy, fits = launch_queries.map_for(subject.name, subject.task, probe)
    with where:
        names = _placements(energy)
    settings, problems = _settings(columns, names)
    device = settings.pop("device")
    problems = [*subject.problems, *problems]
    if subject.model and not subject.problems:
        try:
            check_comparable(subject.model, subject.revision)
        except DomLoRAError as error:
            problems.append(str(error))
    config = DEFAULT
    try:
        config = SweepConfig(**settings)
    except ValidationError as error:
        problems += in_words(error)
    names_are_fine, notes = True, []
    for name in names:
        try:
            check_name(name)
        except DomLoRAError as error:
            names_are_fine = False
            problems.append(str(error))
    rows = subject.splits.get("train", 0)
    if subject.splits and samples > rows:
        problems.append(f"{samples} probe samples asked for, but there are {rows} train rows: ask for fewer.")
    if subject.splits and not problems:
        split = launch_queries.row_split(subject.task, config)
        if isinstance(split, str):
            problems.append(split)
        else:
            notes = [f"Rows: {', '.join(f'{count} {name}' for name, count in split[0].items())}.", *split[1]]
    if subject.splits and config.energy_every and config.energy_samples > rows:
        problems.append(f"Energy maps of {config.energy_samples} samples, but there are {rows} train rows: ask fewer.")
    count = len(names)
    st.subheader("What will be trained")
    if names and names_are_fine and energy is not None and not problems:
        try:
            count = _table(energy, fits, names, config)
        except DomLoRAError as error:
            problems.append(str(error))
    elif names and energy is None:
        st.caption(
            f"How many modules and parameters each placement has is known once {subject.name or 'the model'} has been "
            "probed; the job probes first."
        )
    for problem in problems:
        st.error(problem)
    if not problems:
        variants = count * len(config.methods) * len(config.learning_rates) * config.seeds
        st.markdown(words.size_of(config, count, variants))
        st.caption(" ".join(notes))
        st.caption(
            estimates.estimate_sweep(subject.name, config, variants)
            or "No earlier comparison of this model to judge time and memory by."
        )
    if st.button("Start", type="primary", key="start", disabled=bool(problems)):
        request = SweepRequest(
            model=subject.model, revision=subject.revision, task=subject.task, probe=probe, sweep=config, device=device
        )
        st.query_params["job"] = queries.submit(request).id


def way_to_run(job_id: str) -> None:
    """The link to the run that a comparison's job fills, as soon as there is one."""
    job = queries.queue().get(job_id)
    if job.request.kind != "sweep" or job.status == "done":
        return  # `job_view` leads to the result
    run = queries.run_of_job(job_id)
    if run is not None:
        st.page_link(
            "compare/page.py", label="Watch it on Compare" if not job.ended else "See it on Compare",
            icon=":material/compare_arrows:", query_params={"run": queries.run_label(run)},
        )  # fmt: skip
    elif not job.ended:
        _wait_for_run(job_id)


@st.fragment(run_every=2.0)
def _wait_for_run(job_id: str) -> None:
    """Runs until the sweep has begun, then never again."""
    if queries.run_of_job(job_id) is not None or queries.queue().get(job_id).ended:
        st.rerun()
    st.caption("Its curves can be watched on Compare as soon as training begins.")


def _placements(energy: EnergyMap | None) -> tuple[str, ...]:
    """The names that were chosen, typed and picked."""
    left, right = st.columns([3, 2])
    presets = left.multiselect(
        "Placements", _presets(), list(DEFAULT.placements), key="placements", bind="query-params", wrap=True,
        help="\n".join(f"- `{name}`: {text}" for name, text in NAMES.items()),
    )  # fmt: skip
    typed = right.text_input(
        "Further placements", key="more_placements", bind="query-params", placeholder="top-k:5, down@11"
    )
    names = [*presets, *(part.strip() for part in re.split(r"[,\s]+", typed) if part.strip())]
    with st.expander("Pick cells on the energy map", key="pick", on_change="rerun") as box:
        picked = st.session_state.get("picked", [])
        if energy is None:
            st.caption("There is no energy map of this model yet: probe it first to pick cells.")
        else:
            modules = list(energy.modules["module"])
            if not set(picked) <= set(modules):
                st.session_state["picked"] = [module for module in picked if module in modules]
            if box.open:
                st.caption(f"Energy map of {energy.provenance.model} on {energy.provenance.task}.")
                _pick(energy)
            st.multiselect("Picked modules", modules, key="picked", bind="query-params", wrap=True)
            if st.session_state["picked"]:
                names.append("module:" + "+".join(sorted(st.session_state["picked"], key=modules.index)))
    return tuple(names)


def _pick(energy: EnergyMap) -> None:
    for stack in energy.table["stack"].unique():
        count = st.session_state.get("clicks", 0)  # a new key forgets the last click, so that a second one is seen
        key = f"pick-{energy.id}-{stack}-{count}"
        st.plotly_chart(
            heatmap.heatmap(energy, stack, "share", True, picked=st.session_state.get("picked", [])), key=key,
            width="stretch", config=CHART, on_select=lambda key=key: _toggle(key), selection_mode="points",
        )  # fmt: skip


def _toggle(key: str) -> None:
    """A click on a cell picks its module, or drops it."""
    points = st.session_state[key].selection.points
    if points:
        module, picked = points[0]["customdata"], list(st.session_state.get("picked", []))
        st.session_state["picked"] = [m for m in picked if m != module] if module in picked else [*picked, module]
        st.session_state["clicks"] = st.session_state.get("clicks", 0) + 1


def _presets() -> list[str]:
    extra = ["top-k:4", "top-share:0.25"]
    return list(dict.fromkeys([*DEFAULT.placements, *extra, *(name for name in NAMES if ":" not in name)]))


def _settings(first: Sequence[Any], names: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    """All other settings as `SweepConfig` names them (and the device), and what cannot be read as numbers."""
    problems: list[str] = []
    text = first[1].text_input("Learning rates", "1e-3, 3e-3, 1e-2", key="rates", bind="query-params")
    rates = []
    for part in filter(None, re.split(r"[,;\s]+", text)):
        try:
            rates.append(float(part))
        except ValueError:
            problems.append(f"The learning rate {part!r} is not a number: write rates as 1e-3, 0.003.")
    settings: dict[str, Any] = {"placements": names, "learning_rates": tuple(rates)}
    if problems and not rates:
        settings["learning_rates"] = DEFAULT.learning_rates  # said above, once is enough
    settings["seeds"] = first[2].number_input("Seeds", 1, None, DEFAULT.seeds, key="seeds", bind="query-params")
    settings["steps"] = first[3].number_input("Steps", 1, None, DEFAULT.steps, key="steps", bind="query-params")
    columns = st.columns(4)
    settings["rank"] = columns[0].number_input("Rank", 1, None, DEFAULT.rank, key="rank", bind="query-params")
    settings["alpha"] = columns[1].number_input("Alpha", 0.1, None, DEFAULT.alpha, key="alpha", bind="query-params")
    settings["batch_size"] = columns[2].number_input(
        "Batch size", 1, None, DEFAULT.batch_size, key="batch_size", bind="query-params"
    )
    settings["max_length"] = columns[3].number_input(
        "Maximum tokens", 2, None, DEFAULT.max_length, key="max_length", bind="query-params"
    )
    with st.expander("More settings"):
        settings["methods"] = tuple(
            st.multiselect(
                "LoRA methods", list(METHODS), ["lora"], key="methods", bind="query-params",
                help="\n".join(f"- `{name}`: {method.words}" for name, method in METHODS.items()),
            )
        )  # fmt: skip
        columns = st.columns(4)
        settings["budget"] = columns[0].number_input(
            "Budget (trainable parameters)", 1, None, None, key="budget", bind="query-params", placeholder="none",
            help="At most so many per placement: ranks are spread over its modules to match. Empty: equal ranks.",
        )  # fmt: skip
        settings["allocation"] = columns[1].selectbox(
            "Ranks within a placement", ["equal", "energy"], key="allocation", bind="query-params",
            format_func={"equal": "all equal", "energy": "by energy"}.get,
        )  # fmt: skip
        settings["schedule"] = columns[2].selectbox(
            "Schedule", ["linear", "cosine", "constant"], key="schedule", bind="query-params"
        )
        settings["warmup"] = columns[3].number_input(
            "Warm-up (fraction of steps)", 0.0, 0.99, DEFAULT.warmup, key="warmup", bind="query-params"
        )
        columns = st.columns(4)
        settings["train_rows"] = columns[0].number_input(
            "Training rows", 1, None, None, key="train_rows", bind="query-params", placeholder="all"
        )
        settings["validation_rows"] = columns[1].number_input(
            "Validation rows", 1, None, DEFAULT.validation_rows, key="validation_rows", bind="query-params"
        )
        settings["test_rows"] = columns[2].number_input(
            "Test rows", 1, None, DEFAULT.test_rows, key="test_rows", bind="query-params"
        )
        settings["evaluate_every"] = columns[3].number_input(
            "Steps between evaluations", 1, None, DEFAULT.evaluate_every, key="evaluate_every", bind="query-params"
        )
        columns = st.columns(4)
        settings["accumulation"] = columns[0].number_input(
            "Accumulated batches", 1, None, DEFAULT.accumulation, key="accumulation", bind="query-params"
        )
        settings["forgetting_rows"] = columns[1].number_input(
            "Forgetting rows", 0, None, DEFAULT.forgetting_rows, key="forgetting_rows", bind="query-params",
            help="Rows of each other built-in task on which the change of loss is measured; 0 for none.",
        )  # fmt: skip
        settings["answers"] = columns[2].number_input(
            "Sample answers", 0, None, DEFAULT.answers, key="answers", bind="query-params"
        )
        settings["data_seed"] = columns[3].number_input(
            "Data seed", 0, None, DEFAULT.data_seed, key="data_seed", bind="query-params"
        )
        columns = st.columns(4)
        settings["energy_every"] = columns[0].number_input(
            "Steps between energy maps", 0, None, DEFAULT.energy_every, key="energy_every", bind="query-params",
            help="Where the energy goes while each variant trains, shown on the Energy map page; 0 for never.",
        )  # fmt: skip
        settings["energy_samples"] = columns[1].number_input(
            "Samples of such a map", 1, None, DEFAULT.energy_samples, key="energy_samples", bind="query-params",
            disabled=not settings["energy_every"],
        )  # fmt: skip
        settings["dtype"] = columns[2].selectbox(
            "Number type", ["auto", "float32", "bfloat16"], key="dtype", bind="query-params"
        )
        settings["device"] = columns[3].text_input("Device", "auto", key="device", bind="query-params")
        settings["run_code"] = st.toggle("Run generated code against the tests", key="run_code", bind="query-params")
        if settings["run_code"]:
            st.warning(
                "Code that the model writes will be run on this machine, in a separate process with limited time and "
                "memory. It is not a sandbox against malice: switch it on only where that is acceptable."
            )
    return settings, problems


def _table(energy: EnergyMap, fits: bool, names: tuple[str, ...], config: SweepConfig) -> int:
    """Placements with modules and parameters, and the warning where budgets differ; how many there are."""
    placements = place_for(energy, config, names)
    longest = max(len(words.short_name(placement.name)) for placement in placements)
    st.dataframe(
        pd.DataFrame(words.placement_rows(placements)), key="placed", hide_index=True, width="stretch",
        column_config={
            "trainable parameters": st.column_config.NumberColumn(format="localized"),
            "placement": st.column_config.TextColumn(width=230 if longest > LONG_NAME else "small"),
        },
    )  # fmt: skip
    p = energy.provenance
    st.caption(
        f"By energy map `{energy.id}` of {p.model} on {p.task}."
        if fits else f"Sizes as on energy map `{energy.id}` ({p.model} on {p.task}, {p.samples} samples); no map fits "
        "this request yet, so the job probes first and may choose other modules."
    )  # fmt: skip
    warning = words.budget_warning(placements)
    if warning:
        st.warning(warning)
    return len(placements)
