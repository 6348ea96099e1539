"""Findings in plain words, from numbers alone. No Streamlit here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from domlora.comparison.config import SweepConfig
from domlora.comparison.run import Run
from domlora.data.tasks import NamedTask
from domlora.energy.energy_map import EnergyMap, Provenance
from domlora.placements.placement import Placement

if TYPE_CHECKING:
    from dashboard.shared.queries import MapRow


def model_sentence(rows: Sequence[MapRow]) -> str:
    """What the maps of one model agree on."""
    name, count = literal(rows[0].model), len(rows)
    (layer, kind), wins = Counter((row.layer, row.kind) for row in rows).most_common(1)[0]
    shares = sorted(row.share for row in rows if (row.layer, row.kind) == (layer, kind))
    span = f"{shares[0]:.1%}" if shares[0] == shares[-1] else f"{shares[0]:.1%} to {shares[-1]:.1%}"
    levels = Counter(row.level for row in rows).most_common(1)[0][0]
    if count == 1:
        return (
            f"**{name}**: layer {layer} `{kind}` leads on {literal(rows[0].task)} with {span} of the energy: {levels}."
        )
    sentence = (
        f"**{name}**: layer {layer} `{kind}` leads in {wins} of {count} maps with {span} of the energy: {levels}."
    )
    if wins < count:
        others = sorted(
            {f"layer {r.layer} `{r.kind}` ({literal(r.task)})" for r in rows if (r.layer, r.kind) != (layer, kind)}
        )
        sentence += f" Elsewhere {', '.join(others[:3])}{' and others' if len(others) > 3 else ''}."
    return sentence


def named_task(provenance: Provenance | Run) -> NamedTask:
    """How a map's task is asked for again, as it was."""
    origin = provenance.task_origin
    if origin is None:
        return NamedTask(provenance.task)
    return NamedTask(origin.named_again, origin.columns_named, origin.system)


def named_again(provenance: Provenance | Run) -> tuple[str, str]:
    """How the command line and Launch name a map's model, and its revision where that matters."""
    origin = provenance.model_origin
    return (origin.named_again, origin.revision or "") if origin else (provenance.model, "")


def of_rows(remarks: Iterable[str]) -> str:
    """What of the rows was not used, or not as it stands."""
    return f"Rows: {'; '.join(remarks)}."


def literal(text: str) -> str:
    """A text that somebody else gave, as Markdown that shows it and nothing else."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~$:])", r"\\\1", text)


def number(value: float) -> str:
    """24,882 and 0.37: as many digits as are read."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def size_of(config: SweepConfig, placements: int, variants: int) -> str:
    """How much a comparison asks for."""
    methods = f" × {len(config.methods)} methods" if len(config.methods) > 1 else ""
    rates = count(len(config.learning_rates), "rate")
    each = f"{rates} × {count(config.seeds, 'seed')}"
    if config.choosing and config.choosing != config.judging:
        choosing = count(len(config.choosing), "seed")
        each = f"({rates} × {choosing} to choose one + {count(config.seeds, 'seed')} to judge it)"
    return (
        f"**{variants} variants** ({count(placements, 'placement')}{methods} × {each}), "
        f"{variants * config.steps:,} optimizer steps in all, {config.rows_per_step} rows each."
    )


def placement_rows(placements: Sequence[Placement]) -> list[dict[str, object]]:
    """What each placement is, for a table."""
    most = max((p.trainable_parameters for p in placements), default=1)
    return [
        {
            "placement": short_name(p.name), "modules": len(p.modules), "ranks": ranks(p),
            "trainable parameters": p.trainable_parameters, "of the largest": f"{p.trainable_parameters / most:.1%}",
            "where": where(p),
        }
        for p in placements
    ]  # fmt: skip


def where(placement: Placement) -> str:
    """The modules of a placement in a few words."""
    names = [short(placed.module) for placed in placement.modules]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def single_name(energy: EnergyMap, module: str) -> str:
    """The name of a placement of one module: `down@11` where that means it alone, else `module:` and its full name."""
    table = energy.modules
    row = table[table["module"] == module].iloc[0]
    alone = ((table["kind"] == row["kind"]) & (table["layer"] == row["layer"])).sum() == 1
    plain = str(row["kind"]).replace(".", "").replace("_", "").isalnum()
    return f"{row['kind']}@{row['layer']}" if alone and plain else f"module:{module}"


def ranks(placement: Placement) -> str:
    """`8`, or `1 to 12` where they differ."""
    found = {placed.rank for placed in placement.modules}
    return f"{min(found)}" if len(found) == 1 else f"{min(found)} to {max(found)}"


def short_name(name: str) -> str:
    """Picked modules are named in full by the placement; for charts and tables the first and their number will do."""
    if not name.startswith("module:"):
        return name
    modules, _, method = name.removeprefix("module:").partition(" ")
    first, *others = modules.split("+")
    return short(first) + (f" and {len(others)} more" if others else "") + (f" {method}" if method else "")


def budget_warning(placements: Sequence[Placement]) -> str | None:
    """Said where placements differ in size, as a difference between them may then be one of size alone."""
    sizes = sorted(placements, key=lambda p: p.trainable_parameters)
    if not sizes or sizes[0].trainable_parameters == sizes[-1].trainable_parameters:
        return None
    small, large = sizes[0], sizes[-1]
    return (
        f"The placements differ in budget: {small.trainable_parameters:,} ({short_name(small.name)}) to "
        f"{large.trainable_parameters:,} trainable parameters ({short_name(large.name)}). What is better may be better "
        "for its size alone: compare with random placements of the same size, or set a budget."
    )


def progress_of(done: int, total: int, statuses: Sequence[str]) -> str:
    """Steps done and what became of the variants."""
    return f"{done:,} of {total:,} optimizer steps; {variants_of(statuses)}"


def variants_of(statuses: Sequence[str]) -> str:
    """What became of the variants."""
    counts = Counter(statuses)
    names = [f"{counts[s]} {s}" for s in ("training", "queued", "done", "diverged", "cancelled") if counts[s]]
    return f"variants: {', '.join(names) or 'none yet'}"


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"


def roughly(seconds: float) -> str:
    """A duration that nobody knows exactly: `a few seconds`, `25 s`, `2 h 10 min`."""
    if seconds < 7.5:
        return "a few seconds"
    if seconds < 90:
        return duration(5 * round(seconds / 5))
    step = 60 if seconds < 1200 else 300 if seconds < 7200 else 600
    return duration(step * max(1, round(seconds / step)))


def span(low: float, high: float) -> str:
    """A range of durations: `20 min to 1 h 05 min`; one where both are the same in words."""
    least, most = roughly(low), roughly(high)
    return most if least == most else f"{least} to {most}"


def count(number: int, thing: str) -> str:
    """`1 seed`, `3 seeds`."""
    return f"{number} {thing}" + ("" if number == 1 else "s")


def short(module: str) -> str:
    """`model.layers.11.mlp.down_proj` -> `layers.11.mlp.down_proj`."""
    return module.split(".", 1)[1] if module.count(".") > 2 else module


def cut(text: str, letters: int) -> str:
    """At most so many letters, the last of them an ellipsis if any are left out."""
    return text if len(text) <= letters else text[: max(1, letters - 1)] + "…"


def file_name(text: str) -> str:
    """What any file system takes as part of a name: `dominant lr=0.005 seed=1` -> `dominant-lr-0.005-seed-1`."""
    return re.sub(r"[^\w.]+", "-", text).strip("-")
