"""What of a comparison is drawn, and how: the options of each view, folded away and kept in the address.

In: a run, the others, a view. Out: a `Choice`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.compare import charts, table, tables
from dashboard.shared import address, filtering, queries, words
from domlora.comparison.run import Run

SHOWN = "show"  # in the address: the contestants that are drawn, all where it says none
CHARTED = ("Curves", "Result", "Variants", "Learning rates", "Forgetting")
BEST, ALL = "best of each", "all"


@dataclass(frozen=True)
class Choice:
    """What the widgets say.

    Attributes:
        others: ids of runs that are drawn too.
        picture: what the camera of a chart saves, `svg` or `png`.
    """

    metric: str = "eval_loss"
    best_only: bool = True
    group: str = "contestant and rate"
    smoothing: float = 0.0
    log: bool = False
    pattern: str = ""
    baseline: str | None = None
    others: tuple[str, ...] = ()
    picture: str = "svg"

    @property
    def chart(self) -> dict[str, Any]:
        """For each chart: what its camera saves."""
        options = {"format": self.picture, "filename": "domlora-comparison", "scale": 1 if self.picture == "svg" else 2}
        return {"toImageButtonOptions": options, "displaylogo": False}


def draw(run: Run, runs: Sequence[Run], view: str, running: bool) -> Choice:
    """The options of a view, behind a button."""
    if view not in CHARTED:
        return Choice()
    with st.popover("Options", icon=":material/tune:", width="content"):
        said: dict[str, Any] = {}
        if view in ("Curves", "Variants"):
            said["others"] = _others(run, runs)
        if view == "Curves":
            said |= _curves(run, running)
        elif view == "Result":
            said["baseline"] = _baseline(run)
        address.follow("picture", ("svg", "png"), "svg")
        said["picture"] = st.segmented_control(
            "The camera of a chart saves", ("svg", "png"), required=True, key="picture", format_func=str.upper,
            **address.kept("picture"),
        )  # fmt: skip
    return Choice(**said)


def _others(run: Run, runs: Sequence[Run]) -> tuple[str, ...]:
    labels = {other.id: table.label(other) for other in runs if other.id != run.id}
    address.follow_many("with", list(labels))
    return tuple(st.multiselect(
        "Draw other runs too", list(labels), key="with", format_func=lambda id: labels.get(id, id),
        placeholder="of any model", **address.kept("with"),
    ))  # fmt: skip


def _curves(run: Run, running: bool) -> dict[str, Any]:
    """The metric of a run whose validation rows were not read yet is its training loss."""
    early = running and not _evaluated(run)
    left, right = st.columns(2)
    address.follow("metric", list(charts.METRICS), "train_loss" if early else "eval_loss", charts.METRICS.__getitem__)
    metric = left.selectbox(
        "Metric", list(charts.METRICS), key="metric", format_func=charts.METRICS.get,
        **address.kept("metric", charts.METRICS.__getitem__),
    )  # fmt: skip
    address.follow("rates_shown", (BEST, ALL), BEST)
    rates = right.selectbox("Learning rates", (BEST, ALL), key="rates_shown", **address.kept("rates_shown"))
    address.follow("group", list(tables.GROUPS), next(iter(tables.GROUPS)))
    group = left.selectbox(
        "One line for each", list(tables.GROUPS), key="group", **address.kept("group"),
        help="The band goes from the least to the largest of the variants that a line stands for.",
    )  # fmt: skip
    address.follow_text("variant_filter")
    pattern = right.text_input(
        "Filter", key="variant_filter", placeholder="dominant | random", help=filtering.HELP,
        **address.kept("variant_filter"),
    )  # fmt: skip
    address.follow_number("smoothing", 0.0, 0.95, 0.0)
    smoothing = left.slider("Smoothing", 0.0, 0.95, step=0.05, key="smoothing", **address.kept("smoothing"))
    address.follow_switch("log_axis")
    log = right.toggle("Log axis", key="log_axis", **address.kept("log_axis"))
    return {
        "metric": metric, "best_only": rates == BEST, "group": group, "smoothing": smoothing, "log": log,
        "pattern": pattern,
    }  # fmt: skip


def _evaluated(run: Run) -> bool:
    metrics = queries.metrics(run.id)
    return bool(((metrics["name"] == "eval_loss") & (metrics["step"] > 0)).any())


def _baseline(run: Run) -> str | None:
    comparison = queries.comparison(run, None)
    names = [contestant.name for contestant in comparison.contestants]
    if not names:
        return None
    address.follow("baseline", names, comparison.baseline or names[0], words.short_name)
    return st.selectbox(
        "Baseline of the differences", names, key="baseline", format_func=words.short_name,
        **address.kept("baseline", words.short_name),
    )  # fmt: skip
