"""The words for a Ranking: which probe is told apart from chance and from the trivial baselines, and which is not.

Nothing here computes a statistic. A probe is called better than chance only if an interval that holds for all probes
at once leaves zero out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from domlora.wording import listed

if TYPE_CHECKING:
    from domlora.ranking.result import Ranking

FEW_MODULES = 20
LOW_CEILING = 0.7
UNEQUAL = 1.2  # largest over smallest adapter beyond which the modules are of unequal budget
BASELINE_WORDS = {"random": "drawing at random", "size": "taking the largest module", "depth": "taking the first layer"}


def conclusion(ranking: Ranking) -> str:
    """Chance, trivial baselines, and regret, a sentence each."""
    return " ".join(part for part in (_chance(ranking), _baseline(ranking), _regret(ranking)) if part)


def warnings(ranking: Ranking) -> tuple[str, ...]:
    """Whole sentences about few modules, noisy orders, unequal budgets, one rate or seed, and what was left out."""
    modules, found = ranking.modules, []
    if len(modules) < FEW_MODULES:
        found.append(f"{len(modules)} modules are few: intervals are rough, and only strong relations can show")
    if ranking.ceiling < LOW_CEILING:
        found.append(
            f"the order of the modules is itself uncertain on {ranking.rows} {ranking.part} rows: a probe that knew "
            f"the truth would reach a rho of about {ranking.ceiling:.2f}"
        )
    improved = int((modules["low"] > 0).sum())
    if 2 * improved < len(modules):
        found.append(
            f"{improved} of {len(modules)} adapters improve the loss beyond their interval: there is little to "
            "foretell, as where a model knows the task already or has trained for too few steps"
        )
    small, large = modules["parameters"].min(), modules["parameters"].max()
    if large > UNEQUAL * small:
        found.append(
            f"adapters differ in size ({small:,} to {large:,} trainable parameters) as kinds do at equal rank: see the "
            "rho within kinds, or equalise with a budget"
        )
    if len(ranking.run.config.learning_rates) == 1:
        found.append("one learning rate was tried: modules that need another one look worse than they are")
    for edge in ("try lower", "try higher"):
        if count := int((modules["edge"] == edge).sum()):
            end = "lowest" if edge == "try lower" else "highest"
            found.append(f"the {end} rate tried is the best of {count} of {len(modules)} modules: {edge} ones")
    if ranking.seeds == 1:
        found.append("one seed: intervals say nothing about other starts of the adapters")
    if ranking.part == "validation":
        found.append("without test evaluations the losses are those of the rows that chose the rates")
    samples = set(ranking.table["samples"]) - {0}
    if len(samples) > 1:
        found.append(
            f"the probes were measured on different numbers of samples: {', '.join(map(str, sorted(samples)))}"
        )
    if ranking.table["shared"].any():
        found.append("some probes shared one pass, whose seconds count for each of them: alone each would be cheaper")
    return tuple(found + [f"{name} is left out: {why}" for name, why in ranking.left_out.items()])


def _chance(ranking: Ranking) -> str:
    probes = ranking.table[~ranking.table["baseline"]]
    if probes["low"].isna().any():
        return "One row gives no interval: evaluate on more rows."
    where = f"on these {len(ranking.modules)} modules"
    better = [_titled(row) for row in probes.itertuples() if row.verdict == "better than chance"]
    worse = [_titled(row) for row in probes.itertuples() if row.verdict == "worse than chance"]
    at_once = " (intervals for all probes at once)" if len(probes) > 1 else ""
    best = probes.iloc[0]
    if not better and not worse:
        size = f"{_number(best['rho'])} ({_number(best['low'])} to {_number(best['high'])})"
        if len(probes) == 1:
            return f"{best['title']} is not told apart from chance {where}: its rho is {size}."
        return f"No probe is told apart from chance {where}{at_once}: the highest rho is {best['title']}'s, {size}."
    parts = []
    if better:
        parts.append(f"{listed(better)} {'order' if len(better) > 1 else 'orders'} modules better than chance")
    if worse:
        parts.append(f"{listed(worse)} {'order' if len(worse) > 1 else 'orders'} them worse than chance")
    rest = len(probes) - len(better) - len(worse)
    others = f"; {'the other' if rest == 1 else f'the other {rest}'} cannot be told apart from it" if rest else ""
    text = " and ".join(parts)
    return f"{text[0].upper()}{text[1:]} {where}{at_once}{others}."


def _baseline(ranking: Ranking) -> str:
    name, leads = ranking.baseline_lead
    if any(low != low for _, low, _ in leads.values()):
        return ""
    rho = float(ranking.table.set_index("probe").loc[name, "rho"])
    if name == "random":
        return "Neither the size nor the depth of a module says more than chance does."
    titles = ranking.table.set_index("probe")["title"]
    above = [str(titles[probe]) for probe, (_, low, _) in leads.items() if low > 0]
    what = f"{BASELINE_WORDS[name]} first (rho {_number(rho)})"
    if above:
        return f"{listed(above)} {'are' if len(above) > 1 else 'is'} above {what}, the best trivial rule."
    return f"No probe is above the best trivial rule, {what}, beyond its interval."


def _regret(ranking: Ranking) -> str:
    table = ranking.table.set_index("probe")
    probes = table[~table["baseline"]]
    least = probes.loc[probes["regret"].idxmin()]
    random = float(table.loc["random", "regret"])
    ties = int((probes["pick"] == least["pick"]).sum())
    who = str(least["title"]) + (f" (and {ties - 1} other{'s' if ties > 2 else ''})" if ties > 1 else "")
    if least["regret_low"] != least["regret_low"]:
        span = ""
    else:
        span = f" (roughly {_number(least['regret_low'], 3)} to {_number(least['regret_high'], 3)})"
    size = _number(float(least["regret"]), 3)
    return (
        f"Least is lost by the pick of {who}, {least['pick']}: {size} nats{span} beside the best module found; "
        f"a random module loses {_number(random, 3)}."
    )


def _titled(row: object) -> str:
    return f"{row.title} (rho {_number(row.rho)})"  # type: ignore[attr-defined]


def _number(value: float, digits: int = 2) -> str:
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) else text.lstrip("-")
