"""Settings of a comparison, what they cost, what is wrong with them, and the start."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import streamlit as st
from pydantic import ValidationError

from dashboard.launch import presets
from dashboard.shared import (
    estimates,
    fields,
    heatmap,
    job_view,
    learned,
    measured,
    queries,
    start,
    task_facts,
    words,
)
from dashboard.shared.subject import Subject
from dashboard.shared.widgets import clicks, toggle_clicked, with_held
from domlora.comparison.config import SweepConfig
from domlora.comparison.placements import place_for
from domlora.comparison.run import Run
from domlora.energy.energy_map import EnergyMap
from domlora.errors import DomLoRAError
from domlora.jobs.spec import SweepRequest
from domlora.models.reference import check_comparable
from domlora.placements.methods import METHODS
from domlora.placements.names import EMBED, HEAD, read
from domlora.placements.place import NAMES, check_name
from domlora.probes.config import ProbeConfig
from domlora.settings import setting
from domlora.tracking.services import SERVICES, how_to_install, installed

DEFAULT = SweepConfig()
CHART = {"displaylogo": False}
LONG_NAME = 12  # characters that a narrow column shows


def form(subject: Subject) -> None:
    """Draws the form; its start puts the job's id into the URL.

    Raises:
        DomLoRAError: the store cannot be read or written.
    """
    first = st.container()  # what is asked for below decides what stands here
    where = st.container()  # placements come next, but which there are depends on what is asked below
    columns = st.columns([3, 4, 3, 3], vertical_alignment="bottom")  # three rates are to be seen whole
    samples = fields.probe_samples(
        columns[0],
        "Placements such as dominant are chosen by their energy map; the job measures it first where there is none.",
    )
    probe = ProbeConfig(samples=samples)
    with where:
        names = _placements(task_facts.map_for(subject.name, subject.task, probe)[0])
    settings, unreadable = _settings(columns, names)
    device, sending = settings.pop("device"), settings.pop("sending")
    config, problems = _checked(subject, names, settings, unreadable)
    more, notes = _rows(subject, samples, config, fine=not problems)
    problems += more
    learned.panel(subject, "train", config.max_length)
    st.subheader("What will be trained")
    energy, fits = task_facts.map_for(subject.name, subject.task, probe, config)
    count = _trained(subject, energy, fits, names, config, problems)
    if not problems:
        st.caption(" ".join(notes))
    request = SweepRequest(probe=probe, sweep=config, device=device, **sending, **subject.fields)
    with first:
        _start(subject, request, count, problems)


def take_old_address() -> None:
    """Moves what `more_placements` says into the one box for placements, before it is drawn for the first time."""
    if st.query_params.get("more_placements") and "placements" not in st.session_state:
        there = [name for name in st.query_params.get_all("placements") if name] or list(DEFAULT.placements)
        st.query_params["placements"] = list(dict.fromkeys([*there, *names_in(st.query_params["more_placements"])]))
        del st.query_params["more_placements"]
        st.rerun()  # boxes are filled from the address that a run begins with


def names_in(typed: str) -> list[str]:
    """The names in a text that has blanks or commas between them."""
    return [part for part in re.split(r"[,\s]+", typed) if part]


def _start(subject: Subject, request: SweepRequest, count: int, problems: list[str]) -> None:
    """Presets, the button with what belongs beside it, and the job that was started."""
    config, probe = request.sweep, request.probe

    def estimate(config: SweepConfig) -> estimates.Estimate | None:
        return estimates.of_sweep(
            subject.name, subject.task_name, config, count * len(config.methods) * config.variants
        )

    def time(settings: Mapping[str, Any]) -> estimates.Estimate | None:
        return estimate(config.model_copy(update=dict(settings)))

    presets.choose(presets.COMPARISON, config.model_dump(), time)
    known = None if problems else measured.of_sweep(subject, probe, config)
    variants, takes = count * len(config.methods) * config.variants, estimate(config)
    pressed = start.row(
        f"Trains {words.count(count, 'placement')} on {subject.name} with {subject.task_name}.", problems,
        [
            words.size_of(config, count, variants),
            takes.sentence if takes else "No earlier measurement of this model to judge time by.",
        ],
        None if known is None else lambda: measured.say("Compared", known.created, "compare/page.py", _address(known)),
    )  # fmt: skip
    if pressed == "open" and known is not None:
        st.switch_page("compare/page.py", query_params=_address(known))
    if pressed:
        request = request.model_copy(update={"refresh": pressed == "again"})
        st.query_params["job"] = queries.submit(request).id
    job_view.launched()


def _address(run: Run) -> dict[str, str]:
    return {"run": queries.run_label(run)}


def _checked(
    subject: Subject, names: Sequence[str], settings: dict[str, Any], unreadable: Sequence[str]
) -> tuple[SweepConfig, list[str]]:
    """The configuration (the default one where the settings make none), and what is wrong with what was asked for."""
    problems = [*subject.problems, *unreadable]
    if subject.model and not subject.problems:
        try:
            check_comparable(subject.model, subject.revision)
        except DomLoRAError as error:
            problems.append(str(error))
    config = DEFAULT
    try:
        config = SweepConfig(**settings)
    except ValidationError as error:
        problems += fields.refused(error, SweepConfig)
    for name in names:
        try:
            check_name(name)
        except DomLoRAError as error:
            problems.append(str(error))
    return config, problems


def _rows(subject: Subject, samples: int, config: SweepConfig, *, fine: bool) -> tuple[list[str], list[str]]:
    """What the rows of the task do not allow, and how they are split where all is `fine` so far."""
    problems = subject.lacks(samples)
    notes: list[str] = []
    if not subject.splits:
        return problems, notes
    if fine and not problems:
        split = task_facts.row_split(subject.task, config)
        if isinstance(split, str):
            return [split], notes
        problems = split.lacks(samples, config)
        notes = [f"Rows: {', '.join(f'{count} {name}' for name, count in split.counts.items())}.", *split.notes]
    return problems, notes


def _trained(
    subject: Subject,
    energy: EnergyMap | None,
    fits: bool,
    names: Sequence[str],
    config: SweepConfig,
    problems: list[str],
) -> int:
    """Draws what will be trained and returns how many placements; adds to `problems` what the map does not allow."""
    if names and energy is not None and not problems:
        try:
            return _table(energy, fits, names, config)
        except DomLoRAError as error:
            problems.append(str(error))
    elif names and energy is None:
        st.caption(
            f"How many modules and parameters each placement has is known once {subject.name or 'the model'} has been "
            "probed; the job probes first."
        )
    return len(names)


def _placements(energy: EnergyMap | None) -> tuple[str, ...]:
    """The names that were chosen, typed and picked."""
    offered = with_held("placements", _presets())
    chosen = st.multiselect(
        setting(SweepConfig, "placements").title, offered, list(DEFAULT.placements), key="placements",
        bind="query-params", wrap=True, accept_new_options=True,
        placeholder="choose, or type others, as in top-k:5 or down@11",
        help="\n".join(f"- `{name}`: {text}" for name, text in NAMES.items()),
    )  # fmt: skip
    names = list(dict.fromkeys(part for one in chosen for part in names_in(one)))
    with st.expander("Pick cells on the energy map", key="pick", on_change="rerun") as box:
        if energy is None:
            st.caption("There is no energy map of this model yet: probe it first to pick cells.")
            fields.say_not_taken(st, fields.not_taken("picked", lambda _: False))
        else:
            modules = list(energy.modules["module"])
            above = st.container()  # drawn last: what a link has picked is known once its widget was drawn
            fields.several(st, "picked", modules, label="Picked modules", wrap=True)
            each = st.toggle(
                "Each by itself", key="each", bind="query-params", help="Each is a placement of one module, else one."
            )
            if box.open:
                with above:
                    st.caption(f"Energy map of {energy.provenance.model} on {energy.provenance.task}.")
                    _pick(energy)
            picked = sorted(st.session_state["picked"], key=modules.index)
            if each:
                names += [words.single_name(energy, module) for module in picked]
            elif picked:
                names.append("module:" + "+".join(picked))
    return tuple(names)


def _pick(energy: EnergyMap) -> None:
    for stack in energy.table["stack"].unique():
        key = f"pick-{energy.id}-{stack}-{clicks()}"
        st.plotly_chart(
            heatmap.heatmap(energy, stack, "share", True, picked=st.session_state.get("picked", [])), key=key,
            width="stretch", config=CHART, selection_mode="points",
            on_select=lambda key=key: toggle_clicked(key, "picked"),
        )  # fmt: skip


def _presets() -> list[str]:
    extra = ["top-k:4", "top-share:0.25"]
    return list(dict.fromkeys([*DEFAULT.placements, *extra, *(name for name in NAMES if ":" not in name)]))


def _settings(first: Sequence[Any], names: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    """All other settings as `SweepConfig` names them (and the device), and what cannot be read as numbers."""
    rates, problems = fields.rates(first[1], DEFAULT)
    settings: dict[str, Any] = {"placements": names, "learning_rates": rates}
    if problems and not rates:
        settings["learning_rates"] = DEFAULT.learning_rates  # said above, once is enough
    _numbers(settings, first[2:], "seeds", "steps")
    _numbers(settings, st.columns(4, vertical_alignment="bottom"), "rank", "alpha", "batch_size", "max_length")
    with st.expander("More settings"):
        settings["methods"] = tuple(
            fields.several(
                st, "methods", list(METHODS), label=setting(SweepConfig, "methods").title,
                default=list(DEFAULT.methods),
                help="\n".join(f"- `{name}`: {info.words}" for name, info in METHODS.items()),
            )
        )  # fmt: skip
        columns = st.columns(4, vertical_alignment="bottom")
        _numbers(settings, columns[:1], "budget")
        settings["allocation"] = fields.choice(columns[1], SweepConfig, "allocation")
        settings["schedule"] = fields.choice(columns[2], SweepConfig, "schedule")
        _numbers(settings, columns[3:], "warmup")
        columns = st.columns(4, vertical_alignment="bottom")
        _numbers(settings, columns[:1], "rate_seeds")
        settings["order"] = fields.choice(columns[1], SweepConfig, "order")
        settings["loss_mean"] = fields.choice(columns[2], SweepConfig, "loss_mean")
        _numbers(settings, columns[3:], "dropout")
        rows = ("train_rows", "validation_rows", "test_rows", "evaluate_every")
        _numbers(settings, st.columns(4, vertical_alignment="bottom"), *rows)
        more = ("accumulation", "forgetting_rows", "answers", "data_seed")
        _numbers(settings, st.columns(4, vertical_alignment="bottom"), *more)
        columns = st.columns(4, vertical_alignment="bottom")
        _numbers(settings, columns[:2], "patience", "minutes")
        settings["gradient_checkpointing"] = fields.switch(columns[2], SweepConfig, "gradient_checkpointing")
        columns = st.columns(4, vertical_alignment="bottom")
        _numbers(settings, columns[:1], "energy_every")
        settings["energy_samples"] = fields.number(
            columns[1], SweepConfig, "energy_samples", disabled=not settings["energy_every"]
        )
        settings["dtype"] = fields.choice(columns[2], SweepConfig, "dtype")
        settings["device"] = fields.text(columns[3], SweepRequest, "device")
        settings["sending"] = _sending()
        settings["run_code"] = fields.switch(st, SweepConfig, "run_code")
        if settings["run_code"]:
            st.warning(
                "Code that the model writes will be run on this machine, in a separate process with limited time and "
                "memory. It is not a sandbox against malice: switch it on only where that is acceptable."
            )
    return settings, problems


def _sending() -> dict[str, Any]:
    """Asks where curves are sent; only services whose package is installed here can be chosen."""
    left, right = st.columns(2, vertical_alignment="bottom")
    here = [service for service in SERVICES if installed(service)]
    missing = [service for service in SERVICES if service not in here]
    chosen = fields.several(left, "log_to", here, **fields.label_and_help(SweepRequest, "log_to"))
    project = fields.text(right, SweepRequest, "log_project").strip() or None
    if missing:
        commands = ", ".join(f"`{how_to_install(service)}`" for service in missing)
        st.caption(f"More places for curves: {commands}.")
    return {"log_to": tuple(chosen), "log_project": project if chosen else None}


def _numbers(settings: dict[str, Any], columns: Sequence[Any], *names: str) -> None:
    """Asks for settings that are numbers, one a column."""
    for name, column in zip(names, columns, strict=True):
        settings[name] = fields.number(column, SweepConfig, name)


def _table(energy: EnergyMap, fits: bool, names: tuple[str, ...], config: SweepConfig) -> int:
    """Placements with modules and parameters, and the warning where budgets differ; how many there are."""
    later = [name for name in names if read(name).rule in (EMBED, HEAD)]
    measured = [name for name in names if name not in later]
    placements = place_for(energy, config, measured) if measured else []
    if later:
        st.caption(f"The size of {' and '.join(later)} is known once the job has read the model.")
    if not placements:
        return len(later)
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
    return len(placements) + len(later)
