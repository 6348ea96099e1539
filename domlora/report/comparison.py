"""The report of a comparison. In: a `Comparison` and the curves of its run. Out: a `Part`. No torch."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from domlora.comparison.names import shortened
from domlora.comparison.result import BASELINE, Comparison
from domlora.comparison.run import Run
from domlora.export.command import compare_commands, shell
from domlora.placements.words import short_name
from domlora.report import contests
from domlora.report.facts import of_run, of_settings, placements_table
from domlora.report.parts import Chart, Code, Note, Part, Section, Table, facts, sentences
from domlora.wording import count, duration

ANSWER_MEASURES = {"exact_match": "exact match", "pass_at_1": "pass@1"}


def comparison_part(comparison: Comparison, metrics: pd.DataFrame) -> Part:
    """Everything that a reader needs to know of a comparison, and to make it again.

    Args:
        metrics: columns variant, step, name, value: the curves, as `store.runs.metrics` has them.
    """
    run = comparison.run
    sections = [Section("Result", result(comparison)), Section("While they trained", _curves(comparison, metrics))]
    if len(comparison.learning_rates):
        sections.append(Section("Learning rates", _rates(comparison)))
    if len(comparison.answers):
        sections.append(Section("Answers", (_answers(comparison),)))
    if len(comparison.forgetting):
        sections.append(Section("Other tasks", _forgetting(comparison)))
    sections += [
        Section("Placements", (placements_table(run.placements),)),
        *best_config(comparison),
        Section("Make it again", (Code(shell(compare_commands(run))),)),
        Section("Settings and provenance", (facts(of_settings(run.config)), facts(of_run(run)))),
    ]
    return Part(
        id=run.id, kind="Comparison", title=f"{run.model} on {run.task}", made=made(run), lead=comparison.conclusion,
        warnings=warnings(run, comparison), sections=sections,
    )  # fmt: skip


def made(run: Run) -> str:
    """When and on what, in a line."""
    spent = f" in {duration(run.facts['seconds'])}" if "seconds" in run.facts else ""
    device = f" on {run.facts['device']} {run.facts.get('dtype', '')}".rstrip() if "device" in run.facts else ""
    steps = f"{count(len(run.variants), 'variant')}, up to {count(run.config.steps, 'optimizer step')} each"
    when = "" if run.status == "done" else " It has not ended: what follows is how far it is."
    return f"Begun {run.created:%Y-%m-%d %H:%M} UTC: {steps}{device}{spent}.{when}"


def warnings(run: Run, comparison: Comparison | None) -> tuple[str, ...]:
    """What makes it unequal or incomplete, and what of the rows was not used."""
    told = (*run.warnings, *(comparison.warnings if comparison is not None else ()))
    return sentences((*told, *(f"rows: {remark}" for remark in run.facts.get("remarks", ()))))


def result(comparison: Comparison) -> list[Chart | Table | Note]:
    """Differences to the baseline, and every contestant in a row."""
    if comparison.best is None:
        return [Note("No contestant has been measured to the end yet.")]
    baseline = short_name(str(comparison.baseline))
    blocks: list[Chart | Table | Note] = []
    if len(comparison.contestants) > 1:
        title = f"Loss beside that of {baseline}: left of zero is better"
        said = "Points are means over seeds and rows, lines are 95 % intervals that hold for all pairs at once."
        blocks.append(Chart(title, contests.differences(comparison), said))
    head = (
        "contestant", "parameters", "learning rate", "seeds", "loss", "95 % interval", "accuracy",
        f"difference to {baseline}", "verdict",
    )  # fmt: skip
    rows = [_contestant(row) for row in shortened(comparison.table).to_dict("records")]
    said = f"Loss on {comparison.rows} {comparison.part} rows, at the learning rate chosen on validation rows."
    blocks.append(Table(head, rows, words=(0, 8), said=said))
    return blocks


def _contestant(row: dict[str, Any]) -> list[str]:
    gap = "" if row["verdict"] == BASELINE else _number(row["difference"], "+.3f")
    if gap and math.isfinite(row["difference_low"]):
        gap += f" ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})"
    verdict = row["verdict"] if row["status"] == "done" else row["status"]
    return [
        row["contestant"], f"{row['trainable_parameters']:,}", _number(row["learning_rate"], "g"), str(row["seeds"]),
        _number(row["loss"], ".3f"), _span(row["low"], row["high"], ".3f"), _number(row["accuracy"], ".1%"), gap,
        "; ".join(filter(None, (str(verdict), row["edge"], row["note"]))),
    ]  # fmt: skip


def _curves(comparison: Comparison, metrics: pd.DataFrame) -> list[Chart | Note]:
    figure = contests.curves(comparison, metrics)
    if figure is None:
        return [Note("No point of a curve was kept.")]
    said = "Each at its learning rate; a band goes from the least to the largest of its seeds."
    return [Chart("Validation loss over the steps", figure, said)]


def _rates(comparison: Comparison) -> list[Chart | Table]:
    blocks: list[Chart | Table] = []
    table = shortened(comparison.learning_rates)
    if table["learning_rate"].nunique() > 1:
        said = "A cross: all seeds diverged. Losses above the base model's lie at the upper edge; hovering says them."
        blocks.append(Chart("Validation loss by learning rate", contests.learning_rates(comparison), said))
    rows = [
        [
            row["contestant"], f"{row['learning_rate']:g}", _number(row["loss"], ".3f"),
            _span(row["low"], row["high"], ".3f"), str(row["finished"]), str(row["diverged"]),
            "chosen" if row["chosen"] else "",
        ]
        for row in table.to_dict("records")
    ]  # fmt: skip
    head = ("contestant", "rate", "validation loss", "least to largest seed", "seeds finished", "diverged", "")
    return [*blocks, Table(head, rows, words=(0, 6))]


def _answers(comparison: Comparison) -> Table:
    rows = [
        [
            row["contestant"], ANSWER_MEASURES.get(row["measure"], row["measure"]), _number(row["before"], ".1%"),
            _number(row["after"], ".1%"), _span(row["low"], row["high"], ".1%"), _number(row["rows"], ".0f"),
        ]
        for row in shortened(comparison.answers).to_dict("records")
    ]  # fmt: skip
    return Table(("contestant", "measure", "before", "after", "95 % interval", "rows"), rows, words=(0, 1))


def _forgetting(comparison: Comparison) -> list[Chart | Table]:
    rows = [
        [
            row["contestant"], row["task"], str(row["rows"]), str(row["seeds"]), _number(row["loss_before"], ".3f"),
            _number(row["loss"], ".3f"), _number(row["change"], "+.3f"), _span(row["low"], row["high"], "+.3f"),
        ]
        for row in shortened(comparison.forgetting).to_dict("records")
    ]  # fmt: skip
    head = ("contestant", "task", "rows", "seeds", "loss before", "after", "change", "95 % interval")
    chart = Chart("Change of loss on tasks that were not trained", contests.forgetting(comparison))
    return [chart, Table(head, rows, words=(0, 1))]


def best_config(comparison: Comparison) -> list[Section]:
    """The `LoraConfig` of the contestant with the lowest loss, where there is one."""
    best = next((one for one in comparison.contestants if one.name == comparison.best), None)
    placement = next((p for p in comparison.run.placements if best is not None and p.name == best.placement), None)
    if best is None or placement is None or best.learning_rate is None:
        return []
    words = (
        f"The lowest loss is {short_name(best.name)}'s, at a learning rate of {best.learning_rate:g}; "
        "the result says whether it is told apart from the next."
    )
    code = Code(placement.snippet(best.method, comparison.run.config.dropout))  # type: ignore[arg-type]
    return [Section("The adapter with the lowest loss", (Note(words), code))]


def _number(value: Any, form: str) -> str:
    return "" if value is None or not math.isfinite(value) else f"{value:{form}}"


def _span(low: float, high: float, form: str) -> str:
    return f"{low:{form}} to {high:{form}}" if math.isfinite(low) and math.isfinite(high) else ""
