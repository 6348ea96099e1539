"""The words for a Comparison: what can be concluded, what cannot, and what makes it unequal. Tables in, sentences out.

Nothing here computes a statistic. A difference is called one only if its simultaneous interval leaves zero out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from domlora.comparison.run import ENDED_VARIANT
from domlora.wording import listed, number

if TYPE_CHECKING:
    from domlora.comparison.result import Comparison, ControlTest

FEW = " (few: intervals are wide, and may miss a placement that varies far more over starts than the others do)"
UNEQUAL_BUDGETS = 1.2  # largest over smallest number of trainable parameters beyond which a comparison is unequal


def conclusion(comparison: Comparison) -> str:
    """One to four sentences: the leader, the random controls, the limits of the evidence, the learning rates."""
    if comparison.best is None:
        return _nothing(comparison)
    parts = (_leader(comparison), _controls(comparison.controls), _limits(comparison), _rates(comparison))
    return " ".join(part[0].upper() + part[1:] + "." for part in parts if part)


def warnings(comparison: Comparison) -> tuple[str, ...]:
    """Whole sentences about unequal budgets, too few rows, a missing base model, and contestants that lack seeds."""
    found = []
    sizes = [contestant.trainable_parameters for contestant in comparison.contestants]
    if sizes and max(sizes) > UNEQUAL_BUDGETS * min(sizes):
        found.append(f"placements differ in budget: {min(sizes):,} to {max(sizes):,} trainable parameters")
    if comparison.best is not None:
        if comparison.rows == 1:
            found.append(f"one {comparison.part} row gives no interval: evaluate on more rows")
        if comparison.table["loss_before"].isna().all():
            found.append(f"the base model was not evaluated on the {comparison.part} rows: no change can be given")
    found += [f"{c.name} ({c.status}): {c.note}" for c in comparison.contestants if c.note]
    return tuple(found)


def repeated(names: Sequence[str]) -> tuple[str, ...]:
    """A whole sentence about contestants whose seeds gave the same run, if there are any."""
    if not names:
        return ()
    of = listed(names, most=4)
    return (f"seeds of {of} gave equal losses on every row: they count as one, which says nothing of other starts",)


def _nothing(comparison: Comparison) -> str:
    """Why there is no result yet, or none at all, and what to do."""
    variants = comparison.variants
    if not variants:
        return "Nothing has been trained yet."
    if pending := _pending(comparison):
        return f"{pending[0].upper()}{pending[1:]}, and none has a result yet."
    if any(contestant.variants for contestant in comparison.contestants):
        return "Variants finished, but their losses on test or validation rows are missing: run the comparison again."
    if all(variant.status == "cancelled" for variant in variants):
        return f"All {len(variants)} variants were cancelled, so nothing can be concluded: run the comparison again."
    lowest = min(variant.learning_rate for variant in variants)
    cancelled = sum(variant.status == "cancelled" for variant in variants)
    which = f"All {len(variants)} variants" + (
        f" diverged or were cancelled ({cancelled})" if cancelled else " diverged"
    )
    return f"{which}, so nothing can be concluded: try learning rates below {lowest:g}, the lowest one tried."


def _leader(comparison: Comparison) -> str:
    table = comparison.table[comparison.table["loss"].notna()]
    best, others = table.iloc[0], list(table.index[1:])
    name = str(best.name)
    gaps = {other: comparison.difference(name, other) for other in others}
    alike = [other for other in others if not gaps[other][2] < 0]  # an unknown interval tells nothing apart
    loss = f"{number(best['loss'])}{_interval(best['low'], best['high'])}"
    text = f"the lowest {comparison.part} loss is {name}'s: {loss}"
    if best["change_high"] >= 0:
        text += f", which is not below the base model's {number(best['loss_before'])} beyond the interval"
    elif best["change_high"] < 0:
        text += f", against {number(best['loss_before'])} of the base model"
    held = f" that holds for all {len(comparison.pairs)} pairs at once" if len(comparison.pairs) > 1 else ""
    if not others:
        text += "; there is no other result to compare it with"
    elif alike:
        gap = gaps[alike[0]]
        text += f"; it is not told apart from {listed(alike, most=4)} (difference to {alike[0]} {number(gap[0])}"
        text += f"{_span(gap[1], gap[2], held)})"
    else:
        gap = gaps[others[0]]
        text += f"; it leads {others[0]}, the next, by {number(-gap[0])} ({_span(-gap[2], -gap[1], held)[2:]})"
    return text + _parameters(comparison, [name, *alike])


def _parameters(comparison: Comparison, leaders: Sequence[str]) -> str:
    """The smallest of those that are not told apart from the leader, against the largest contestant."""
    sizes = comparison.table.loc[comparison.table["loss"].notna(), "trainable_parameters"]
    small, large = str(sizes[list(leaders)].idxmin()), str(sizes.idxmax())
    if sizes[small] == sizes[large]:
        return f", with {sizes[small]:,} trainable parameters" if len(leaders) == 1 else ""
    of = f"{sizes[small]:,} trainable parameters, {100 * sizes[small] / sizes[large]:.2g} % of {large}'s"
    return f", with {of}" if len(leaders) == 1 else f"; of these, {small} has the fewest parameters: {of}"


def _controls(tests: Sequence[ControlTest]) -> str:
    means = {
        "better": "so its place is the better one here",
        "worse": "so its place is the worse one here",
    }
    texts = []
    for test in tests:
        count = len(test.controls)
        which = f"{test.beaten} of {count} random control{'s' if count > 1 else ''}"
        text = f"{test.dominant} has a lower mean loss than {which}"
        text += f", and its difference to their mean is {number(test.difference)}{_span(test.low, test.high)}"
        texts.append(f"{text}, {means.get(test.verdict, 'so that its place matters is not shown')}")
    return "against its controls, " + "; ".join(texts) if texts else ""


def _limits(comparison: Comparison) -> str:
    """What the evidence does not cover."""
    table = comparison.table[comparison.table["loss"].notna()]
    seeds = int(table["seeds"].max())
    fixed = ", with one order of the data for all" if comparison.run.config.order == "fixed" else ""
    texts = [pending + ", so the order may change"] if (pending := _pending(comparison)) else []
    if comparison.part == "validation":
        texts.append("without test evaluations the losses are those of the rows that chose the rates, and so too low")
    if comparison.rows == 1:
        texts.append("one row gives no interval")
    elif seeds == 1:
        texts.append(
            f"with one seed the intervals cover the choice of {comparison.part} rows only and say nothing about other "
            f"starts of the adapter{fixed or ' or orders of the data'}"
        )
    else:
        texts.append(
            f"the intervals cover {comparison.part} rows and {seeds} starts of the adapter"
            f"{fixed or ' with orders of the data'}{FEW if seeds == 2 else ''}"
        )
    if comparison.run.config.choosing == comparison.run.config.judging:
        texts.append("the same seeds chose the rates that they judge, which flatters what was chosen")
    if comparison.run.config.race:
        texts.append("it is a race: who fell out was judged after fewer steps than who went on")
    short = [c for c in comparison.contestants if c.status == "incomplete" and c.name in table.index]
    if short:
        texts.append(f"{listed([c.name for c in short], most=4)} lack{'s' if len(short) == 1 else ''} seeds")
    missing = [c for c in comparison.contestants if c.name not in table.index and c.status != "training"]
    if missing:
        texts.append(f"no result of {listed([c.name for c in missing], most=4)}")
    return "; ".join(texts)


def _rates(comparison: Comparison) -> str:
    edges: dict[str, list[str]] = {}
    for contestant in comparison.contestants:
        if contestant.edge:
            edges.setdefault(contestant.edge, []).append(contestant.name)
    texts = []
    if single := edges.pop("one rate tried", None):
        texts.append(f"only one learning rate was tried for {listed(single, most=4)}")
    if edges:
        which = " and ".join(f"{word} for {listed(names, most=4)}" for word, names in edges.items())
        texts.append(f"the best rate is at the edge of the rates tried: {which}")
    diverged = int(comparison.learning_rates["diverged"].sum())
    if diverged:
        texts.append(f"{diverged} of {len(comparison.variants)} variants diverged")
    return "; ".join(texts)


def _pending(comparison: Comparison) -> str:
    count = sum(variant.status not in ENDED_VARIANT for variant in comparison.variants)
    if not count:
        return ""
    total = f"{count} of {len(comparison.variants)} variants"
    if comparison.run.status == "done":
        return f"the run ended before {total} did"
    return f"still training: {total} {'has' if count == 1 else 'have'} not ended"


def _interval(low: float, high: float) -> str:
    return "" if low != low else f" (95 % interval {number(low)} to {number(high)})"


def _span(low: float, high: float, held: str = "") -> str:
    return ", interval unknown" if low != low else f", 95 % interval {number(low)} to {number(high)}{held}"
