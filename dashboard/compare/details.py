"""The parts of the Compare page that are read at leisure: answers, settings, downloads."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard.compare import tables
from dashboard.shared import address, contestants, files, queries, report_button, taking, words
from domlora.comparison.run import BASE, Answer, Run
from domlora.errors import DomLoRAError
from domlora.export.taken import Taken
from domlora.export.where import WORDS, verdicts
from domlora.tracking.services import SERVICES


def answers(run: Run) -> None:
    """The reference, the base model and the chosen variants on one test row, side by side."""
    given = queries.answers(run.id)
    if not given:
        st.info(
            "No sample answers yet: they are written when training is over."
            if run.status == "running" and run.config.answers
            else "No sample answers: the run was asked for none, or ended before they were written."
        )
        return
    _answer_measures(run)
    rows = sorted({answer.row for answer in given})
    names = list(dict.fromkeys(answer.variant for answer in given))
    trained = [name for name in names if name != BASE]
    left, right = st.columns([1, 3])
    address.follow("answer_row", rows, rows[0], _row)
    row = left.selectbox("Test row", rows, key="answer_row", format_func=_row, **address.kept("answer_row", _row))
    address.follow_many("answer_variants", trained, trained[:2])
    shown = right.multiselect("Variants", trained, key="answer_variants", **address.kept("answer_variants"))
    by_name = {answer.variant: answer for answer in given if answer.row == row}
    if not by_name:
        st.info("No variant answered this row.")
        return
    first = next(iter(by_name.values()))
    st.markdown("**Asked**")
    st.code(first.prompt, language=None, wrap_lines=True)
    columns = st.columns(2)
    _answer(columns[0], "Reference", first.reference, None)
    if BASE in by_name:
        _answer(columns[1], "Before training", by_name[BASE].text, by_name[BASE].correct)
    for start in range(0, len(shown), 2):
        columns = st.columns(2)
        for column, name in zip(columns, shown[start : start + 2], strict=False):
            answer: Answer | None = by_name.get(name)
            text, correct = (answer.text, answer.correct) if answer else ("(did not answer this row)", None)
            _answer(column, name, text, correct)


def _row(row: int) -> str:
    return f"row {row + 1}"


def _answer_measures(run: Run) -> None:
    """How good the answers of each contestant are over all rows, where that can be measured."""
    table = contestants.shortened(queries.comparison(run, None).answers)
    if table.empty:
        return
    percent = st.column_config.NumberColumn(format="percent")
    st.dataframe(
        table[["contestant", "measure", "before", "after", "low", "high", "rows"]], key="answers_table",
        hide_index=True, width="stretch",
        column_config={
            "before": percent, "after": percent,
            "low": st.column_config.NumberColumn("95 % from", format="percent"),
            "high": st.column_config.NumberColumn("to", format="percent"),
        },
    )  # fmt: skip
    files.table(table, f"{run.id}-answers", "answers")


def _answer(column: DeltaGenerator, name: str, text: str, correct: bool | None) -> None:
    mark = {True: " · correct", False: " · wrong", None: ""}[correct]
    column.markdown(f"**{name}**{mark}")
    column.code(text or "(empty)", language=None, wrap_lines=True)


def settings(run: Run, runs: Sequence[Run]) -> None:
    """Where the run came from, what was trained, and how another run differs."""
    others = {queries.run_label(other): other.id for other in runs if other.id != run.id}
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    address.follow("other", list(others), None, lambda label: others[label])
    other = left.selectbox(
        "Compare the settings with those of", list(others), index=None, key="other", placeholder="another run",
        **address.kept("other", lambda label: others[label]),
    )  # fmt: skip
    if other is not None:
        address.follow_switch("differences_only", True)
        only = right.toggle("Differences only", key="differences_only", **address.kept("differences_only"))
        table = tables.settings_diff(run, queries.run(others[other]), only)
        if table.empty:
            st.info("The two runs have the same settings.")
        else:
            st.dataframe(table, key="settings_diff", hide_index=True, width="stretch")
            files.table(table, f"{run.id}-{others[other]}-settings", "settings_diff")
    st.markdown("**Placements as trained**")
    attached = {v.placement: v.modules for v in run.variants}
    table = pd.DataFrame(words.placement_rows(run.placements))
    if len(table):
        table.insert(2, "attached", [attached.get(placement.name, 0) for placement in run.placements])
        st.dataframe(
            table, key="placements_trained", hide_index=True, width="stretch",
            column_config={
                "modules": st.column_config.NumberColumn(help="modules that the placement names"),
                "attached": st.column_config.NumberColumn(help="modules that PEFT attached an adapter to"),
                "trainable parameters": st.column_config.NumberColumn(format="localized"),
            },
        )  # fmt: skip
        files.table(table, f"{run.id}-placements", "placements")
    st.markdown("**Settings and provenance**")
    rows = pd.DataFrame([{"setting": name, "value": str(value)} for name, value in tables.provenance(run).items()])
    st.dataframe(rows, key="settings", hide_index=True, width="stretch", height=420)
    files.table(rows, f"{run.id}-settings", "settings")


def take_away(run: Run) -> None:
    """Everything as files, and one adapter with the lines that make it."""
    name = f"{run.model}-{run.task}-{run.id}"
    metrics = queries.metrics(run.id)
    comparison = queries.comparison(run, None)
    columns = st.columns(3)
    # A rerun would replace what the other buttons hand out: a click that comes meanwhile would find nothing.
    columns[0].download_button(
        "Table as CSV", comparison.to_csv(), f"{name}.csv", key="table_csv", width="stretch", on_click="ignore"
    )
    columns[1].download_button(
        "Curves as CSV", lambda: metrics.to_csv(index=False), f"{name}-curves.csv", key="curves_csv",
        width="stretch", on_click="ignore",
    )  # fmt: skip
    columns[2].download_button(
        "Everything as JSON", lambda: tables.everything(run, metrics, comparison), f"{name}.json",
        key="everything_json", width="stretch", on_click="ignore",
    )  # fmt: skip
    report_button.of_run(run.id)
    with st.popover("Curves elsewhere"):
        st.caption("Sends curves and conclusion to a service, where its package is installed:")
        commands = "\n".join(f"domlora runs send {run.id} --to {service}" for service in SERVICES)
        st.code(commands, language="bash")
    st.markdown("**Adapter**")
    names = [v.name for v in run.variants]
    best = next((c.variants[0].name for c in comparison.contestants if c.name == comparison.best), None)
    if names:
        address.follow("variant", names, best or names[0])
    chosen = st.selectbox(
        "Variant", names, key="variant", **address.kept("variant"),
        help="At first the best contestant's, at the learning rate chosen for it.",
    )  # fmt: skip
    variant = next((v for v in run.variants if v.name == chosen), None)
    if variant is None:
        st.info("No variant has begun yet.")
        return
    taken = Taken.of(run, comparison, variant, metrics)
    taking.adapter(taken)
    _where_it_runs(taken)
    placement = next((p for p in run.placements if p.name == variant.placement), None)
    if placement is not None:
        st.markdown(f"The `LoraConfig` of {words.short_name(placement.name)}:")
        taking.snippet(placement, variant.method, run.config.dropout)
    st.caption("SVG or PNG of any chart: the camera at its upper right; Options say which.")


def _where_it_runs(taken: Taken) -> None:
    """What each server makes of the adapter, and the commands; what needs torch is a command to run."""
    try:
        if taken.saved is None:
            return
        found = verdicts(taken.saved, taken.base)
    except DomLoRAError as error:
        st.warning(str(error))
        return
    st.markdown("**Where it runs**")
    rows = [
        {"server": v.server.name, "verdict": WORDS[v.use], "why": v.why, "read at": v.server.version} for v in found
    ]
    st.dataframe(pd.DataFrame(rows), key="where_it_runs", hide_index=True, width="stretch")
    made = ["domlora", "runs", "export", taken.run.id, "--variant", taken.variant.name, "--out", "best"]
    lines = [f"# {v.server.name}\n{v.command}" for v in found]
    lines.append(f"# the merged model\n{shlex.join([*made, '--merged'])}")
    lines.append(f"# GGUF, by a checkout of llama.cpp\n{shlex.join([*made, '--gguf', '--llama-cpp', 'llama.cpp'])}")
    st.code("\n\n".join(lines), language="bash")
