"""The parts of the Compare page that grow while a run goes on. Widgets stay outside of the part that is redrawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from dashboard.compare import charts, parallel, tables
from dashboard.compare.controls import SHOWN, Choice
from dashboard.shared import address, contestants, files, job_view, queries, result_view, words
from dashboard.shared.running import is_live, job_of
from dashboard.shared.widgets import choosing_rows, keep_known
from domlora.comparison.run import ENDED_VARIANT, Run
from domlora.errors import DomLoRAError
from domlora.jobs.local import log_tail
from domlora.jobs.spec import Job

if TYPE_CHECKING:
    from domlora.comparison.result import Comparison

REFRESH_SECONDS = 2.0
LOG_LINES, LOG_HEIGHT = 40, 280  # lines, pixels


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
    elif view == "Variants":
        _variants(run, choice)
    else:
        comparison = queries.comparison(run, choice.baseline)
        {"Result": _result, "Learning rates": _rates, "Forgetting": _forgetting}[view](comparison, choice)
    if job is not None:
        _log(job)


def conclusion(run: Run) -> None:
    """What can and what cannot be said of a run that has ended: the headline, and behind it all of it with warnings."""
    comparison = queries.comparison(run, None)
    headline = tables.headline(comparison)
    st.markdown(f"#### {words.literal(headline)}")
    placements = {variant.placement for variant in run.variants}  # a warning that begins with a name stays as it is
    said = [w if w.split(" ")[0] in placements else w[0].upper() + w[1:] for w in (*run.warnings, *comparison.warnings)]
    warnings = list(dict.fromkeys(warning.rstrip(".") + "." for warning in said))
    remarks = run.facts.get("remarks")
    rest = comparison.conclusion if comparison.conclusion != headline else ""
    if not (rest or warnings or remarks):
        return
    label = "How sure that is" + (f", and {words.count(len(warnings), 'warning')}" if warnings else "")
    with st.expander(label, icon=":material/warning:" if warnings else None, key="conclusion"):
        if rest:
            st.markdown(words.literal(rest))
        if len(warnings) == 1:
            st.warning(words.literal(warnings[0]))
        elif warnings:
            st.warning("\n".join(f"- {words.literal(warning)}" for warning in warnings))
        if remarks:
            st.caption(words.of_rows(remarks))


def cancel(run: Run, job: Job | None) -> None:
    """Stops single variants, or everything. It stands over what is redrawn: below, an open list moves, and closes."""
    with st.popover("Cancel", icon=":material/stop_circle:", key="cancel_box"):
        left, right = st.columns([3, 2], vertical_alignment="bottom")
        names = [v.name for v in run.variants if v.status not in ENDED_VARIANT and not v.cancel_requested]
        keep_known("cancel_variants", names)
        chosen = left.multiselect("Variants", names, key="cancel_variants", placeholder="choose variants to stop")
        right.button(
            "Cancel these", key="cancel_these", disabled=not chosen, width="stretch", on_click=_cancel, args=(run.id,)
        )
        asked = [v.name for v in run.variants if v.cancel_requested and v.status not in ENDED_VARIANT]
        if asked:
            st.caption(f"Stopping: {', '.join(asked)}.")
        if job is not None and st.button("Cancel the whole run", key="cancel_run", disabled=job.cancel_requested):
            queries.queue().cancel(job.id)
            st.toast("The run will stop at the next step; its curves stay.")


def _cancel(run_id: str) -> None:
    """Before the page is drawn again, so that what is cancelled is in no list any more."""
    chosen = st.session_state["cancel_variants"]
    try:
        for name in chosen:
            queries.store().runs.cancel_variant(run_id, name)
        st.toast(f"{words.count(len(chosen), 'variant')} will stop at the next step.")
    except DomLoRAError as error:  # it ended in the meantime
        st.toast(str(error))
    st.session_state["cancel_variants"] = []


def _log(job: Job) -> None:
    """The end of what the job wrote, where that is on this machine."""
    tail = log_tail(job.id, LOG_LINES)
    if tail:
        with st.expander("Log of the job", expanded=job.status == "failed", key="log_box"):
            st.code(tail, language=None, height=LOG_HEIGHT)


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
    others = [queries.run(id) for id in choice.others]
    table, points, best = _variants_to_draw(run, metrics, choice)
    order = contestants.names_of(run)
    if others:
        several = [tables.of_run(run, label, table, points) for label in [_run_label(run, others)]]
        for other in others:
            theirs, curves, _ = _variants_to_draw(other, queries.metrics(other.id), choice)
            several.append(tables.of_run(other, _run_label(other, [run, *others]), theirs, curves))
            order = list(dict.fromkeys([*order, *contestants.names_of(other)]))
        table, points = (pd.concat(parts, ignore_index=True) for parts in zip(*several, strict=True))
    if table.empty:
        st.info("No variant fits the filter." if run.variants else "No variant has begun yet.")
        return
    shown = _shown(table)
    comparable = all(tables.on_same_rows(run, other) for other in others)
    figure = charts.curves(
        points, table[table["contestant"].isin(shown)], order, choice.metric, group=choice.group,
        smoothing=choice.smoothing, log=choice.log, steps=run.config.steps if run.status == "running" else None,
        ranked=comparable, revision=run.id,
    )  # fmt: skip
    st.plotly_chart(figure, key=f"curves-{run.id}", width="stretch", config=choice.chart)
    if not comparable:
        st.caption("These runs have other held-out rows or another model: compare shapes, and no losses.")
    elif choice.best_only and run.config.learning_rates[1:]:
        so_far = ", ".join(f"{name} {rate:g}" for name, rate in best.items())
        st.caption(f"Learning rate with the lowest validation loss: {so_far}.")
    _legend(tables.last_values(table, points, choice.metric), charts.METRICS[choice.metric])


def _variants_to_draw(
    run: Run, metrics: pd.DataFrame, choice: Choice
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    """The variants of a run that the options leave, its curves, and the best rate of each contestant."""
    table = tables.variant_table(run)
    best = tables.best_rates(table, metrics)
    best |= tables.chosen_rates(queries.comparison(run, None))
    return tables.filtered(table, choice.pattern, best if choice.best_only else None), metrics, best


def _run_label(run: Run, others: Sequence[Run]) -> str:
    """Its name, with its id where another run is called the same."""
    name = tables.run_name(run)
    return f"{name} ({run.id[:4]})" if any(tables.run_name(o) == name and o.id != run.id for o in others) else name


def _shown(table: pd.DataFrame) -> list[str]:
    """The contestants that the address asks for; all of them where it asks for none that there is."""
    names = list(dict.fromkeys(table["contestant"]))
    return [name for name in names if name in address.many(SHOWN)] or names


def _legend(table: pd.DataFrame, metric: str) -> None:
    """A table whose chosen rows are what charts show."""
    st.dataframe(
        table, hide_index=True, width="stretch",
        **choosing_rows("legend", list(table["contestant"]), address.many(SHOWN), _choose_contestants),
        column_config={
            "learning_rate": st.column_config.NumberColumn("rate", format="%g"),
            "value": st.column_config.NumberColumn(
                metric, format="%.4g", help="the mean of its variants, at their last step"
            ),
        },
    )  # fmt: skip
    with st.container(horizontal=True):
        st.caption("Choose rows to draw only those.")
        files.table(table, "curves-last", "legend")


def _variants(run: Run, choice: Choice) -> None:
    others = [queries.run(id) for id in choice.others]
    several = [
        tables.variant_table(one).assign(**({"run": _run_label(one, [run, *others])} if others else {}))
        for one in (run, *others)
    ]
    table = pd.concat(several, ignore_index=True)
    table["loss"] = table.get("eval_loss_after", pd.Series(math.nan, index=table.index))
    ranked = all(tables.on_same_rows(run, other) for other in others)
    figure = parallel.parallel(table[table["status"] == "done"], ranked=ranked, revision=run.id)
    st.plotly_chart(figure, key=f"parallel-{run.id}", width="stretch", config=choice.chart)
    if ranked:
        st.caption("Drag along an axis to keep the lines that cross it there; a click on the axis lets go.")
    else:
        st.caption("These runs have other held-out rows or another model: losses of one run belong together.")
    shown = table.drop(columns="loss").dropna(axis="columns", how="all")
    if others:
        shown.insert(0, "run", shown.pop("run"))
    if not shown["note"].any():
        shown = shown.drop(columns="note")
    number = st.column_config.NumberColumn
    results = [name for name in shown if name.endswith(("_before", "_after"))]
    st.dataframe(
        shown, key="variants_table", hide_index=True, width="stretch",
        column_config={
            "learning_rate": number("rate", format="%g"), "parameters": number(format="localized"),
            **{name: number(name.replace("_", " "), format="%.3f") for name in results},
        },
    )  # fmt: skip
    files.table(shown, f"{run.id}-variants", "variants")


def _result(comparison: Comparison, choice: Choice) -> None:
    run, order = comparison.run, contestants.names_of(comparison.run)
    table = contestants.shortened(comparison.table)
    if comparison.best is None:
        st.info("No contestant has been measured to the end yet.")
        return
    before = table["loss_before"].dropna()
    figure = charts.pareto(
        table[table["contestant"].isin(_shown(table))], order, part=comparison.part, revision=run.id,
        reference=float(before.iloc[0]) if len(before) else None,
    )  # fmt: skip
    st.plotly_chart(figure, key=f"pareto-{run.id}", width="stretch", config=choice.chart)
    result_view.differences(comparison, only=address.many(SHOWN), choose=_choose_contestants, config=choice.chart)
    files.table(comparison.table.reset_index(), f"{run.id}-result", "result")


def _choose_contestants(names: list[str]) -> None:
    address.put(SHOWN, names or None)


def _rates(comparison: Comparison, choice: Choice) -> None:
    run, order = comparison.run, contestants.names_of(comparison.run)
    table = contestants.shortened(comparison.learning_rates)
    figure = charts.sensitivity(table, order, revision=run.id)
    st.plotly_chart(figure, key=f"sensitivity-{run.id}", width="stretch", config=choice.chart)
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
    files.table(shown, f"{run.id}-rates", "rates")


def _forgetting(comparison: Comparison, choice: Choice) -> None:
    table = contestants.shortened(comparison.forgetting)
    if table.empty:
        st.info(
            "Nothing measured on other tasks"
            + (": the run was asked for none." if not comparison.run.config.forgetting_rows else " yet.")
        )
        return
    figure = charts.forgetting(table, contestants.names_of(comparison.run), revision=comparison.run.id)
    st.plotly_chart(figure, key=f"forgetting-{comparison.run.id}", width="stretch", config=choice.chart)
    number = st.column_config.NumberColumn
    shown = table[["contestant", "task", "rows", "seeds", "loss_before", "loss", "change", "low", "high"]]
    st.dataframe(
        shown, key="forgetting_table", hide_index=True, width="stretch",
        column_config={
            "loss_before": number("loss before", format="%.3f"), "loss": number("loss after", format="%.3f"),
            "change": number(format="%+.3f"), "low": number("95 % from", format="%+.3f"),
            "high": number("to", format="%+.3f"),
        },
    )  # fmt: skip
    files.table(shown, f"{comparison.run.id}-forgetting", "forgetting")
