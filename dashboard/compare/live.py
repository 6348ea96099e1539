"""The parts of the Compare page that grow while a run goes on. Widgets stay outside of the part that is redrawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard.compare import charts, tables
from dashboard.shared import contestants, job_view, queries, result_view, words
from dashboard.shared.running import is_live, job_of
from domlora.comparison.run import ENDED_VARIANT, Run
from domlora.jobs.spec import Job

if TYPE_CHECKING:
    from domlora.comparison.result import Comparison

REFRESH_SECONDS = 2.0
CHART = {"toImageButtonOptions": {"format": "svg", "filename": "domlora-comparison"}, "displaylogo": False}


@dataclass(frozen=True)
class Choice:
    """What the widgets say."""

    metric: str = "eval_loss"
    best_only: bool = True
    group: str = "contestant and rate"
    smoothing: float = 0.0
    log: bool = False
    pattern: str = ""
    baseline: str | None = None


@st.fragment(run_every=REFRESH_SECONDS)
def live(run_id: str, view: str, choice: Choice) -> None:
    """Draws the run, and again every two seconds until it ends."""
    run = queries.run(run_id)
    job = job_of(run)
    if not is_live(run, job):
        queries.forget_lists()
        st.rerun()  # once more, without the fragment's clock
    body(run, job, view, choice)


def body(run: Run, job: Job | None, view: str, choice: Choice) -> None:
    """Status and the charts of one view."""
    metrics = queries.metrics(run.id)
    _status(run, job, metrics)
    if view == "Curves":
        _curves(run, metrics, choice)
        return
    comparison = queries.comparison(run, choice.baseline)
    {"Result": _result, "Learning rates": _rates, "Forgetting": _forgetting}[view](comparison)


def conclusion(run: Run) -> None:
    """What can and what cannot be said of a run that has ended, and what makes it unequal or incomplete."""
    comparison = queries.comparison(run, None)
    st.markdown(comparison.conclusion)
    placements = {variant.placement for variant in run.variants}  # a warning that begins with a name stays as it is
    said = [w if w.split(" ")[0] in placements else w[0].upper() + w[1:] for w in (*run.warnings, *comparison.warnings)]
    warnings = list(dict.fromkeys(warning.rstrip(".") + "." for warning in said))
    if len(warnings) == 1:
        st.warning(warnings[0])
    elif warnings:
        st.warning("\n".join(f"- {warning}" for warning in warnings))
    if remarks := run.facts.get("remarks"):
        st.caption(words.of_rows(remarks))


def cancel(run: Run, job: Job | None) -> None:
    """Stops single variants, or everything."""
    with st.expander("Cancel", key="cancel_box"):
        left, right = st.columns([3, 1], vertical_alignment="bottom")
        names = [v.name for v in run.variants if v.status not in ENDED_VARIANT and not v.cancel_requested]
        chosen = left.multiselect("Variants", names, key="cancel_variants", placeholder="choose variants to stop")
        if right.button("Cancel these", key="cancel_these", disabled=not chosen, width="stretch"):
            for name in chosen:
                queries.store().runs.cancel_variant(run.id, name)
            st.toast(f"{len(chosen)} variants will stop at the next step.")
        asked = [v.name for v in run.variants if v.cancel_requested and v.status not in ENDED_VARIANT]
        if asked:
            st.caption(f"Stopping: {', '.join(asked)}.")
        if job is not None and st.button("Cancel the whole run", key="cancel_run", disabled=job.cancel_requested):
            queries.queue().cancel(job.id)
            st.toast("The run will stop at the next step; its curves stay.")


def _status(run: Run, job: Job | None, metrics: pd.DataFrame) -> None:
    variants = max(len(run.variants), len(run.placements) * len(run.config.methods) * run.config.variants)
    total = (len(run.variants) if run.status == "done" else variants) * run.config.steps
    done = sum(tables.steps_done(metrics).values())
    statuses = [v.status for v in run.variants]
    text = words.progress_of(done, total, statuses)
    if is_live(run, job):
        part = done / total if total else 0.0
        if job is not None and job.status == "queued":
            text += ". Waiting for a worker"
        elif job is not None and job.total:  # what is evaluated is work too: steps alone would tell another story
            part, text = job.done / job.total, f"{job_view.progress_text(job)}; {words.variants_of(statuses)}"
        elif job is not None and job.stage:
            text += f". Now: {job.stage}"
        st.progress(min(1.0, part), text=text + ".")
    elif job is not None and job.status in ("failed", "cancelled"):
        reason = f": {job.error}" if job.error else ""
        st.warning(f"Ended early, its job {'failed' if job.status == 'failed' else 'was cancelled'}{reason}. {text}.")
    elif run.status == "running":
        st.warning(f"Ended early: no process computes it any more. The same comparison again goes on with it. {text}.")
    else:
        st.caption(text + ".")


def _curves(run: Run, metrics: pd.DataFrame, choice: Choice) -> None:
    table = tables.variant_table(run)
    best = tables.best_rates(table, metrics)
    best |= tables.chosen_rates(queries.comparison(run, None))
    table = tables.filtered(table, choice.pattern, best if choice.best_only else None)
    if table.empty:
        st.info("No variant fits the filter." if run.variants else "No variant has begun yet.")
        return
    figure = charts.curves(
        metrics, table, contestants.names_of(run), choice.metric, group=choice.group,
        smoothing=choice.smoothing, log=choice.log, revision=run.id,
    )  # fmt: skip
    st.plotly_chart(figure, key=f"curves-{run.id}", width="stretch", config=CHART)
    if choice.best_only and run.config.learning_rates[1:]:
        so_far = ", ".join(f"{name} {rate:g}" for name, rate in best.items())
        st.caption(f"Learning rate with the lowest validation loss: {so_far}.")


def _result(comparison: Comparison) -> None:
    run, order = comparison.run, contestants.names_of(comparison.run)
    table = contestants.shortened(comparison.table)
    if comparison.best is None:
        st.info("No contestant has been measured to the end yet.")
        return
    before = table["loss_before"].dropna()
    figure = charts.pareto(
        table, order, reference=float(before.iloc[0]) if len(before) else None, part=comparison.part, revision=run.id
    )
    st.plotly_chart(figure, key=f"pareto-{run.id}", width="stretch", config=CHART)
    result_view.differences(comparison)


def _rates(comparison: Comparison) -> None:
    run, order = comparison.run, contestants.names_of(comparison.run)
    table = contestants.shortened(comparison.learning_rates)
    figure = charts.sensitivity(table, order, revision=run.id)
    st.plotly_chart(figure, key=f"sensitivity-{run.id}", width="stretch", config=CHART)
    shown = table[["contestant", "learning_rate", "loss", "low", "high", "finished", "diverged", "cancelled", "chosen"]]
    number = st.column_config.NumberColumn
    st.dataframe(
        shown, key="rates_table", hide_index=True, width="stretch",
        column_config={
            "learning_rate": number("learning rate", format="%g"), "loss": number("validation loss", format="%.3f"),
            "low": number("least seed", format="%.3f"), "high": number("largest seed", format="%.3f"),
            "finished": number("seeds finished"), "chosen": st.column_config.CheckboxColumn("chosen"),
        },
    )  # fmt: skip


def _forgetting(comparison: Comparison) -> None:
    table = contestants.shortened(comparison.forgetting)
    if table.empty:
        st.info(
            "Nothing measured on other tasks"
            + (": the run was asked for none." if not comparison.run.config.forgetting_rows else " yet.")
        )
        return
    figure = charts.forgetting(table, contestants.names_of(comparison.run), revision=comparison.run.id)
    st.plotly_chart(figure, key=f"forgetting-{comparison.run.id}", width="stretch", config=CHART)
    number = st.column_config.NumberColumn
    st.dataframe(
        table[["contestant", "task", "rows", "seeds", "loss_before", "loss", "change", "low", "high"]],
        key="forgetting_table", hide_index=True, width="stretch",
        column_config={
            "loss_before": number("loss before", format="%.3f"), "loss": number("loss after", format="%.3f"),
            "change": number(format="%+.3f"), "low": number("95 % from", format="%+.3f"),
            "high": number("to", format="%+.3f"),
        },
    )  # fmt: skip
