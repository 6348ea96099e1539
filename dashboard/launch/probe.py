"""Settings of a probe, what is wrong with them, and the start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st
from pydantic import ValidationError

from dashboard.launch import presets
from dashboard.shared import estimates, fields, job_view, learned, measured, queries, start, task_facts
from dashboard.shared.subject import Subject
from dashboard.shared.widgets import with_held
from domlora.data.tasks import NamedTask, builtin_tasks
from domlora.jobs.spec import ProbeRequest
from domlora.probes.config import ProbeConfig
from domlora.probes.registry import PROBES, ProbeInfo

DEFAULT = ProbeConfig()
PAGE = "energy_map/page.py"
NEEDS = {
    "gradients": "a forward and a backward pass", "activations": "a forward pass", "weights": "no sample at all",
    "two tasks": "a forward and a backward pass on each of two tasks",
}  # fmt: skip


def form(subject: Subject) -> None:
    """Draws the form; its start puts the job's id into the URL.

    Raises:
        DomLoRAError: the store cannot be read or written.
    """
    first = st.container()  # what is asked for below decides what stands here
    settings, device = _settings(subject)
    problems = [*subject.problems, *_lacking(subject, settings)]
    config = DEFAULT
    try:
        config = ProbeConfig(**settings)
    except ValidationError as error:
        problems += fields.refused(error, ProbeConfig)
    rows = subject.splits.get(config.split, 0)
    if subject.splits and config.samples > rows:
        problems.append(f"{config.samples} samples asked for, but there are {rows} {config.split} rows: ask for fewer.")
    learned.panel(subject, config.split, config.max_length)
    with first:
        _start(subject, config, device, problems, rows)


def _settings(subject: Subject) -> tuple[dict[str, Any], str]:
    """All settings as `ProbeConfig` names them, and the device."""
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    settings: dict[str, Any] = {"probe": fields.choice(left, ProbeConfig, "probe")}
    info = PROBES[settings["probe"]]
    if info.needs == "two tasks":
        settings["against"] = _against(right, subject)
    else:
        right.caption(f"{info.title}: {info.measures}. It takes {NEEDS[info.needs]}.")
    columns = st.columns(4, vertical_alignment="bottom")
    for name, column in zip(("samples", "max_length", "rank", "alpha"), columns, strict=True):
        settings[name] = fields.number(column, ProbeConfig, name)
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
    return settings, device


def _against(where: Any, subject: Subject) -> str | None:
    """Asks for the other task of a probe that compares two."""
    options = with_held("against", [name for name in builtin_tasks() if name != subject.task.source])
    chosen = where.selectbox(
        **fields.label_and_help(ProbeConfig, "against"), options=options, index=None, key="against",
        bind="query-params", accept_new_options=True, placeholder="choose, or type a file",
    )  # fmt: skip
    return (chosen or "").strip() or None


def _lacking(subject: Subject, settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with the other task of a probe that compares two."""
    if PROBES[settings["probe"]].needs != "two tasks":
        return []
    against = settings["against"]
    if against is None:
        return [f"{PROBES[settings['probe']].title} compares two tasks: choose the other one."]
    if against == subject.task.source:
        return [f"{against} is the task itself: choose another one to compare it with."]
    facts = task_facts.task_facts(NamedTask(against))
    return [facts] if isinstance(facts, str) else []


def _start(subject: Subject, config: ProbeConfig, device: str, problems: list[str], rows: int) -> None:
    """Presets, the button with what belongs beside it, and the job that was started."""
    info = PROBES[config.probe]
    offered = {
        name: {**one, "samples": min(one["samples"], rows) if rows else one["samples"]}
        for name, one in presets.PROBE.items()
    }

    def time(settings: Mapping[str, Any]) -> estimates.Estimate | None:
        return _estimate(subject, info, settings["samples"], settings["max_length"])

    presets.choose(offered, {"samples": config.samples, "max_length": config.max_length}, time)
    known = None if problems else measured.of_probe(subject, config)
    takes = _estimate(subject, info, config.samples, config.max_length)
    notes = [takes.sentence if takes else "No earlier measurement of this model to judge time by."]
    pressed = start.row(
        f"Measures {info.title} of {subject.name} on {subject.task_name}.", problems, notes,
        None if known is None else lambda: measured.say("Measured", known.created, PAGE, {"map": known.label}),
    )  # fmt: skip
    if pressed == "open" and known is not None:
        st.switch_page(PAGE, query_params={"map": known.label})
    if pressed:
        request = ProbeRequest(config=config, device=device, refresh=pressed == "again", **subject.fields)
        st.query_params["job"] = queries.submit(request).id
    job_view.launched()


def _estimate(subject: Subject, info: ProbeInfo, samples: int, max_length: int) -> estimates.Estimate | None:
    """Time that PAGE took tells that of probes that pass samples through the model, roughly; weights are read once."""
    if info.needs == "weights":
        return None
    return estimates.of_probe(
        subject.name, subject.task_name, samples * (2 if info.needs == "two tasks" else 1), max_length
    )
