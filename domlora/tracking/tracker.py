"""What every service is told of a comparison, and in which words: names of curves, settings, the conclusion.

In: a Run, its variants, points and its Comparison. Out: the same as plain values under names that stay as they are.
Knows no service. Names of models, tasks and placements come from outside: their control characters are spelt out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from domlora.comparison.result import Comparison
from domlora.comparison.run import Metric, Run, Variant
from domlora.json_values import plain
from domlora.visible import visible

PROJECT = "domlora"  # of services that have projects, where neither the user nor their environment names one
SPREAD = ("placements", "methods", "learning_rates", "seeds")  # what differs from variant to variant
COMPARISON = "comparison"  # the name of the run that holds what the whole comparison says


class Tracker(Protocol):
    """A service that shows curves: one run of it for each variant, one for what the comparison says.

    Calls come one after the other, from one thread; any of them may raise whatever the service raises.
    """

    def start(self, variant: Variant, before: Sequence[Metric]) -> None:
        """A variant begins, or goes on after a checkpoint, or is sent from the store.

        Args:
            before: the points that it has by then, all of them, in the order of their steps. What the service has of
                it gives way; where that cannot be, nothing is sent twice.
        """

    def points(self, points: Sequence[Metric]) -> None:
        """Points of variants that have started, in the order of their steps. A value may be NaN or infinite."""

    def end(self, variant: Variant) -> None:
        """A variant has ended, as its status, note and results say."""

    def add(self, variant: Variant, results: Mapping[str, float]) -> None:
        """Results of a variant that came after it had ended."""

    def conclude(self, comparison: Comparison) -> None:
        """The whole comparison, as far as it has come."""

    def close(self, *, failed: bool) -> None:
        """Nothing more will come. Returns when the service has what it was given.

        Args:
            failed: variants that have not ended were interrupted.
        """

    @property
    def where(self) -> str:
        """Where it is to be seen: an address, or the command that shows it."""


@dataclass(frozen=True)
class Findings:
    """What a comparison says.

    Attributes:
        warnings: whole sentences, those of the run too.
        columns, rows: its table, lowest loss first; what is not known is None.
    """

    conclusion: str
    warnings: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def curve(name: str) -> str:
    """The name of a metric as services group them: `eval_loss` -> `eval/loss`, `grad_norm` -> `train/grad_norm`."""
    part, _, rest = name.partition("_")
    return f"{part}/{rest}" if part in ("train", "eval") else f"train/{name}"


def by_step(points: Sequence[Metric]) -> dict[tuple[str, int], dict[str, float]]:
    """Points by variant and step, in the order in which these come: name of a curve -> value."""
    rows: dict[tuple[str, int], dict[str, float]] = {}
    for point in points:
        rows.setdefault((point.variant, point.step), {})[curve(point.name)] = point.value
    return rows


def title(variant: Variant) -> str:
    return visible(variant.name)


def service_id(run: Run, variant: str) -> str:
    """The same for a run that goes on, another for one that was removed and begun anew."""
    return hashlib.sha256("\n".join((run.id, run.created.isoformat(), variant)).encode()).hexdigest()[:16]


def settings_of(run: Run, variant: Variant | None) -> dict[str, str | int | float | bool]:
    """What decided the numbers of a variant (None: of the comparison), by name; settings that are not set are left out,
    lists are text.

    A name of `SweepConfig` means what it means there, but `rank` and `alpha`, which are the placement's own.
    """
    found: dict[str, Any] = run.config.model_dump(mode="json", exclude=set(SPREAD), exclude_none=True)
    found |= {"run": run.id, "model": run.model, "model_revision": run.model_revision, "task": run.task}
    if variant is not None:
        placement = next(p for p in run.placements if p.name == variant.placement)
        found |= {
            "placement": variant.placement, "method": variant.method, "learning_rate": variant.learning_rate,
            "seed": variant.seed, "trainable_parameters": variant.trainable_parameters, "modules": variant.modules,
            "rank": placement.rank, "alpha": placement.alpha,
        }  # fmt: skip
    lists = {name: ", ".join(map(str, value)) for name, value in found.items() if isinstance(value, list)}
    found = {name: value for name, value in (found | lists).items() if value != ""}
    return {name: visible(value) if isinstance(value, str) else value for name, value in found.items()}


def results_of(results: Mapping[str, float]) -> dict[str, float]:
    """Final numbers under the names that services show."""
    return {f"results/{name}": value for name, value in results.items()}


def ending(variant: Variant) -> str:
    """How a variant ended, and why."""
    return variant.status if variant.note is None else visible(f"{variant.status}: {variant.note}")


def findings(comparison: Comparison) -> Findings:
    table = comparison.table.reset_index()
    rows = plain(table.to_numpy(dtype=object).tolist())
    return Findings(
        conclusion=visible(comparison.conclusion),
        warnings=tuple(visible(warning) for warning in (*comparison.warnings, *comparison.run.warnings)),
        columns=tuple(map(str, table.columns)),
        rows=tuple(tuple(visible(cell) if isinstance(cell, str) else cell for cell in row) for row in rows),
    )


def as_markdown(text: str) -> str:
    """Text that Markdown shows as it is: nothing in it is markup."""
    escaped = "".join(f"\\{char}" if char in "\\`*_{}[]()#+-.!|>" else char for char in visible(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def table_as_markdown(found: Findings) -> str:
    """The table, numbers to four digits."""
    lines = [found.columns, ("---",) * len(found.columns), *([_cell(cell) for cell in row] for row in found.rows)]
    lines[0] = tuple(map(as_markdown, found.columns))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: Any) -> str:
    return as_markdown("" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value))
