"""The words for an Answer: what to adapt, as good as what, and what is not known. Nothing is computed here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domlora.comparison.run import STEPS
from domlora.placements.placement import Placement
from domlora.search.facts import FINAL, FIND
from domlora.wording import listed, number

if TYPE_CHECKING:
    from domlora.comparison.result import Comparison
    from domlora.search.answer import Answer

DOMINANT = "dominant"


def described(placement: Placement) -> str:
    """A placement with what it holds: `qv (60 modules: q and v in layers 0 to 29)`."""
    modules = placement.modules
    if len(modules) == 1:
        return f"{placement.name} ({modules[0].module})"
    kinds = list(dict.fromkeys(module.kind for module in modules))
    layers = sorted({module.layer for module in modules})
    where = f"layers {layers[0]} to {layers[-1]}" if len(layers) > 1 else f"layer {layers[0]}"
    return f"{placement.name} ({len(modules)} modules: {listed(kinds, most=4)} in {where})"


def headline(answer: Answer) -> str:
    """One sentence that says what to adapt, or how far the race is."""
    final = answer.final
    if final is None or answer.chosen is None or answer.placement is None:
        return _so_far(answer)
    if final.run.status != "done":
        return f"The finals go on; so far: {_answer(answer, final)}"
    return _answer(answer, final)


def _answer(answer: Answer, final: Comparison) -> str:
    """What to adapt, beside whom."""
    assert answer.chosen is not None
    assert answer.placement is not None
    table, chosen, placement = final.table, answer.chosen, answer.placement
    row = table.loc[chosen]
    real = table[(table["loss"].notna()) & (table.index != answer.control)]
    others = real[real.index != chosen]
    text = f"Adapt {described(placement)}, rank {placement.rank}, at a learning rate of {row['learning_rate']:g}: "
    text += f"{number(row['loss'])} nats on {final.rows} {final.part} rows"
    if not row["change_high"] < 0:
        text += f", which is not below the base model's {number(row['loss_before'])} beyond its interval"
    if others.empty:
        return f"{text}; there is no other result to compare it with."
    lead = str(real.index[0])
    if lead != chosen:
        return f"{text}, as good as {_beside(final, chosen, lead)}{_share(final, chosen, lead)}."
    largest = str(real["trainable_parameters"].idxmax())
    beside = largest if largest != chosen else str(others.index[0])
    high = final.difference(chosen, beside)[2]
    word = "better than" if high < 0 else "not told apart from"
    return f"{text}, {word} {_beside(final, chosen, beside)}{_share(final, chosen, beside)}."


def told(answer: Answer) -> tuple[str, ...]:
    """What else is known and what is not, a sentence each."""
    said = [*_control(answer), *_dominant(answer), *_forgetting(answer), *_limits(answer)]
    return tuple(sentence for sentence in said if sentence)


def _so_far(answer: Answer) -> str:
    race, rungs = answer.race, answer.rungs
    if not rungs:
        return f"Nothing is known yet: {len(answer.table)} placements train in the first rung."
    if answer.table["loss"].isna().all():
        return "All placements diverged or were cancelled at all rates, so nothing can be said."
    best = answer.table.iloc[0]
    left = int((answer.table["status"] == "in the race").sum())
    lead = f"{best['placement']} leads with a validation loss of {number(best['loss'])} at step {rungs[-1].step}"
    if race.status == "done":
        why = "its finals are no longer in the store" if FINAL in race.facts else "there was no time for finals"
        return f"Not judged with fresh starts on test rows, as {why}: {lead}."
    return f"After rung {len(rungs)} {lead}; {left} of {len(answer.table)} placements are still in the race."


def _beside(final: Comparison, name: str, other: str) -> str:
    gap, low, high, *_ = final.difference(name, other)
    interval = "interval unknown" if low != low else f"{_signed(low)} to {_signed(high)}"
    return f"{other} ({number(final.table.loc[other, 'loss'])}, difference {_signed(gap)}, {interval})"


def _share(final: Comparison, name: str, other: str) -> str:
    sizes = final.table["trainable_parameters"]
    share = sizes[name] / sizes[other]
    if share == 1:
        return ""
    return f", with {100 * share:.2g} % of its parameters" if share < 1 else f", with {share:.2g} times its parameters"


def _signed(value: float) -> str:
    return number(value) if value <= 0 else f"+{number(value)}"


def _control(answer: Answer) -> list[str]:
    final, chosen, control = answer.final, answer.chosen, answer.control
    if final is None or chosen is None:
        return []
    if control is None:
        few = "No finalist leaves enough modules to draw a random placement of its size from"
        return [f"{few}: that its place matters is not shown."]
    if control not in final.table.index or final.table["loss"].isna()[control]:
        return []
    gap, low, high, *_ = final.difference(chosen, control)
    size = final.table["trainable_parameters"]
    alike = abs(size[chosen] - size[control]) <= 0.2 * size[control]
    what = "random modules of its size" if alike else f"random modules with {size[control]:,} parameters"
    what += f" ({control})"
    verdict = "yes, it is better" if high < 0 else "yes, it is worse" if low > 0 else "no"
    return [f"Told apart from {what}: {verdict} (difference {_signed(gap)}, {_signed(low)} to {_signed(high)})."]


def _dominant(answer: Answer) -> list[str]:
    """Where PAGE's dominant module stands, whichever way."""
    found = answer.table[answer.table["placement"] == DOMINANT]
    if found.empty:
        return []
    row, final = found.iloc[0], answer.final
    module = next(p for p in answer.race.placements if p.name == DOMINANT).modules[0].module
    if answer.chosen == DOMINANT:
        return [f"It is PAGE's dominant module ({module})."]
    judged = final is not None and DOMINANT in final.table.index and bool(final.table["loss"].notna()[DOMINANT])
    if final is not None and judged and answer.chosen is not None:
        gap, low, high, *_ = final.difference(DOMINANT, answer.chosen)
        verdict = "better" if high < 0 else "worse" if low > 0 else "not told apart"
        interval = f"difference {_signed(gap)}, {_signed(low)} to {_signed(high)}"
        return [f"PAGE's dominant module ({module}) against it: {verdict} ({interval})."]
    place = int(found.index[0]) + 1
    return [f"PAGE's dominant module ({module}) is number {place} of {len(answer.table)}: {row['status']}."]


def _forgetting(answer: Answer) -> list[str]:
    if answer.final is None or answer.chosen is None:
        return []
    table = answer.final.forgetting
    own = table[table["contestant"] == answer.chosen]
    if own.empty:
        return []
    parts = [
        f"{row['task']} {_signed(row['change'])} ({_signed(row['low'])} to {_signed(row['high'])})"
        for _, row in own.iterrows()
    ]
    return [f"Change of its loss on other tasks: {listed(parts)}."]


def _limits(answer: Answer) -> list[str]:
    said = []
    final = answer.final
    if final is not None and answer.chosen is not None:
        seeds = int(final.table.loc[answer.chosen, "seeds"])
        trained = answer.variant.results.get(STEPS) if answer.variant is not None else None
        steps = int(trained or final.run.config.steps)
        said.append(
            f"Its intervals cover {final.rows} {final.part} rows and {seeds} starts with orders of the data, trained "
            f"for {steps} steps; what more steps would change is not known."
        )
    if len(answer.tried) > 1 and answer.learning_rate in (answer.tried[0], answer.tried[-1]):
        word = "lowest" if answer.learning_rate == answer.tried[0] else "highest"
        said.append(f"Its learning rate is the {word} that the race tried for it: one beyond may be better.")
    untold = sum(len(rung.untold) for rung in answer.rungs)
    if untold:
        word = "entry was" if untold == 1 else "entries were"
        said.append(f"{untold} {word} not told apart from the last that stayed, and fell out for want of room.")
    if left := answer.race.facts[FIND]["left_out"]:
        said.append(f"{len(left)} placements took no part, such as {next(iter(left))}: {next(iter(left.values()))}.")
    return said
