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
from domlora.placements.words import placement_rows as placement_rows
from domlora.placements.words import short as short
from domlora.placements.words import short_name as short_name
from domlora.wording import count as count
from domlora.wording import cut as cut
from domlora.wording import duration as duration

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


def single_name(energy: EnergyMap, module: str) -> str:
    """The name of a placement of one module: `down@11` where that means it alone, else `module:` and its full name."""
    table = energy.modules
    row = table[table["module"] == module].iloc[0]
    alone = ((table["kind"] == row["kind"]) & (table["layer"] == row["layer"])).sum() == 1
    plain = str(row["kind"]).replace(".", "").replace("_", "").isalnum()
    return f"{row['kind']}@{row['layer']}" if alone and plain else f"module:{module}"


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


def file_name(text: str) -> str:
    """What any file system takes as part of a name: `dominant lr=0.005 seed=1` -> `dominant-lr-0.005-seed-1`."""
    return re.sub(r"[^\w.]+", "-", text).strip("-")
