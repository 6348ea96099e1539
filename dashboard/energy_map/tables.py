"""Two energy maps side by side and one through training, as tables and in words. Pure: no Streamlit, no store."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from dashboard.shared.words import cut
from domlora.energy.energy_map import EnergyMap
from domlora.errors import UsageError
from domlora.statistics import ranks

NAMED = 3  # modules that gained or lost most, in words
NAME = 40  # letters of a map's name in a table
CURVES = 6  # modules whose shares are drawn through training


@dataclass(frozen=True)
class Difference:
    """What one map has more of than another.

    Attributes:
        table: one row a module of both: `module`, `stack`, `layer`, `kind`, `first`, `second`, `difference`.
        shares: whether values are shares of all energy, or else scores.
        rho: Spearman's rank correlation of the two; NaN where one of them is constant.
        only_first, only_second: modules that the other map does not have.
    """

    table: pd.DataFrame
    shares: bool
    rho: float
    only_first: int
    only_second: int


def difference(first: EnergyMap, second: EnergyMap) -> Difference:
    """The first map minus the second, module by module, on the modules of both.

    Shares are compared where both probes measure parts of a sum, else scores, if the probe is the same.

    Raises:
        UsageError: no module in common, or scores that mean different things.
    """
    probes = [energy.probe for energy in (first, second)]
    shares = all(probe.additive for probe in probes)
    if not shares and probes[0] != probes[1]:
        raise UsageError(
            f"{probes[0].title} and {probes[1].title} have no common unit: choose two maps of one of them, or two of "
            "probes whose scores add up"
        )
    measure = "share" if shares else "energy"
    columns = ["module", "stack", "layer", "kind", measure]
    table = first.table.sort_values("order")[columns].merge(second.table[["module", measure]], on="module")
    if table.empty:
        raise UsageError(
            f"{first.provenance.model} and {second.provenance.model} have no module of the same name: choose a map of "
            "the same model, or of one with the same modules"
        )
    table = table.rename(columns={f"{measure}_x": "first", f"{measure}_y": "second"})
    table["difference"] = table["first"] - table["second"]
    varied = len(table) > 1 and table["first"].nunique() > 1 and table["second"].nunique() > 1
    rho = ranks.spearman(table["first"].to_numpy(), table["second"].to_numpy()) if varied else float("nan")
    return Difference(table, shares, rho, len(first.modules) - len(table), len(second.modules) - len(table))


def names_of(first: EnergyMap, second: EnergyMap) -> tuple[str, str]:
    """What tells two maps apart, in a few words: their tasks, models, probes, or else their ids."""
    one, two = first.provenance, second.provenance
    for a, b in (
        (one.task, two.task),
        (one.model, two.model),
        (first.probe.title, second.probe.title),
        (f"{one.samples} samples", f"{two.samples} samples"),
    ):
        if a != b:
            return cut(a, NAME), cut(b, NAME)
    return first.id, second.id


def difference_words(found: Difference, first: EnergyMap, second: EnergyMap) -> str:
    """Rank agreement, whether the winner is the same, and what gained or lost most."""
    a, b = names_of(first, second)
    one, two = (_place(energy.dominant) for energy in (first, second))
    same = first.dominant["module"] == second.dominant["module"]
    winner = f"{one} leads in both" if same else f"{one} leads in {a}, {two} in {b}"
    rank = "" if np.isnan(found.rho) else f"; the modules' ranks agree with Spearman's ρ = {found.rho:.2f}"
    ordered = found.table.sort_values("difference", kind="stable")
    more = ordered[ordered["difference"] > 0].iloc[::-1].head(NAMED)
    less = ordered[ordered["difference"] < 0].head(NAMED)
    parts = [
        f"More in {name}: " + ", ".join(f"{_place(row)} ({_amount(row['difference'], found.shares)})" for row in rows)
        for name, rows in ((a, _rows(more)), (b, _rows(less)))
        if rows
    ]
    changes = ". ".join(parts) + "." if parts else "No module differs."
    missing = [
        f"{count} modules are in {name} alone and left out." for name, count in
        ((a, found.only_first), (b, found.only_second)) if count
    ]  # fmt: skip
    return " ".join([f"{winner[0].upper()}{winner[1:]}{rank}.", changes, *missing])


def training_words(table: pd.DataFrame, step: int) -> str:
    """Who leads at a step and who led before training."""
    at, before = (_leader(table[table["step"] == one]) for one in (step, table["step"].min()))
    text = f"At step {step} {_place(at)} leads with {at['share']:.1%} of the energy"
    if step == table["step"].min():
        return f"Before training {_place(at)} leads with {at['share']:.1%} of the energy."
    if at["module"] == before["module"]:
        return f"{text}, as it did before training (with {before['share']:.1%})."
    return f"{text}; before training it was {_place(before)} with {before['share']:.1%}."


def strongest(table: pd.DataFrame, count: int = CURVES) -> list[str]:
    """Modules with the largest share at any step, the largest first."""
    return list(table.groupby("module", sort=False)["share"].max().sort_values(ascending=False).head(count).index)


def _leader(table: pd.DataFrame) -> pd.Series:
    return table.loc[table["share"].idxmax()]


def _rows(table: pd.DataFrame) -> list[pd.Series]:
    return [row for _, row in table.iterrows()]


def _place(row: pd.Series) -> str:
    return f"layer {row['layer']} {row['kind']}"


def _amount(value: float, shares: bool) -> str:
    return f"{abs(value) * 100:.1f} points" if shares else f"{abs(value):.3g}"
