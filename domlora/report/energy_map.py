"""The report of an energy map. In: an `EnergyMap`. Out: a `Part`. No torch."""

from __future__ import annotations

from typing import Any

import pandas as pd

from domlora.energy.energy_map import EnergyMap
from domlora.energy.repeat import repeat_command
from domlora.errors import PlacementError
from domlora.placements.place import place
from domlora.report import figures
from domlora.report.facts import of_settings, versions_in_words
from domlora.report.parts import Chart, Code, Facts, Note, Part, Section, Table, facts, sentences
from domlora.wording import count, duration

STRONGEST = 15  # modules in the chart and the table
SKIPPED = 8  # modules that were not probed, by name
RANK = 8  # of the adapter whose config is given


def map_part(energy: EnergyMap) -> Part:
    """Everything that a reader needs to know of a map, and to measure it again."""
    p, probe = energy.provenance, energy.probe
    measured = f"{probe.title}, {count(p.samples, 'sample')}, on {p.device} {p.dtype} in {duration(p.seconds)}"
    return Part(
        id=energy.id, kind="Energy map", title=f"{p.model} on {p.task}",
        made=f"Measured {p.created[:16].replace('T', ' ')} UTC: {measured}.", lead=energy.verdict.sentence,
        warnings=sentences((*p.warnings, *(f"rows: {remark.words}" for remark in p.remarks))),
        sections=(
            Section("Where the energy is" if probe.additive else "Where the scores are", _maps(energy)),
            Section(f"The {min(STRONGEST, len(energy.table))} first modules", _first(energy)),
            Section("An adapter in the first module", _adapter(energy)),
            Section("Measure it again", (Code(repeat_command(energy)),)),
            Section("Settings and provenance", _provenance(energy)),
        ),
    )  # fmt: skip


def _maps(energy: EnergyMap) -> list[Chart | Note]:
    blocks: list[Chart | Note] = []
    best, probe = energy.dominant, energy.probe
    for stack in energy.table["stack"].unique():
        if figures.drawn(energy, stack).empty:
            continue
        title = f"The {stack} stack"
        if best["stack"] == stack and not pd.isna(best["layer"]):
            amount = f"{best['share']:.1%} of the whole" if probe.additive else f"a score of {best['energy']:.4g}"
            title = f"{title}: layer {int(best['layer'])} {best['kind']} comes first, with {amount}"
        blocks.append(Chart(title, figures.heatmap(energy, stack)))
    nowhere = int(energy.table["layer"].isna().sum())
    if nowhere:
        blocks.append(Note(f"{count(nowhere, 'module')} in no layer: not on the map, but in all shares and ranks."))
    if probe.prefers == "low":
        blocks.append(Note("An adapter goes where the score is low, drawn bright."))
    return blocks


def _first(energy: EnergyMap) -> list[Chart | Table]:
    probe, table = energy.probe, energy.table.head(STRONGEST)
    if probe.additive:
        title = (
            f"{count(len(table), 'module')} of {len(energy.table)} hold {energy.top_share(len(table)):.0%} of the whole"
        )
    else:
        title = f"The {'lowest' if probe.prefers == 'low' else 'highest'} scores"
    rows = [_row(energy, index, row) for index, row in table.iterrows()]
    names = list(rows[0])
    chart = Chart(title, figures.strongest(energy, STRONGEST))
    return [chart, Table(names, [list(row.values()) for row in rows], words=(1,))]


def _row(energy: EnergyMap, index: Any, row: pd.Series) -> dict[str, str]:
    cells = {"rank": str(row["rank"]), "module": row["module"]}
    if energy.probe.additive:
        cells["share"] = f"{row['share']:.2%}"
        if energy.bootstrap is not None:
            low, high = energy.bootstrap.low[index], energy.bootstrap.high[index]
            cells["95 % interval"] = f"{low:.2%} to {high:.2%}"
    if energy.bootstrap is not None:
        cells["first in resamples"] = f"{energy.bootstrap.winner_frequency[index]:.0%}"
    cells["energy" if energy.probe.additive else "score"] = f"{row['energy']:.4g}"
    cells["in → out"] = f"{row['in_features']} → {row['out_features']}"
    if not pd.isna(row.get("first_token")):
        cells["at the first token"] = f"{row['first_token']:z.0%}"
    return cells


def _adapter(energy: EnergyMap) -> list[Note | Code]:
    best = energy.dominant
    rank = int(min(RANK, best["in_features"], best["out_features"]))
    try:
        placement = place(energy, "dominant", rank=rank)
    except PlacementError as error:
        return [Note(f"No adapter of this package can go there: {error}.")]
    size = f"{placement.trainable_parameters:,} trainable parameters at rank {rank}."
    return [Note(f"{size} Whether it is a good place, only training says."), Code(placement.snippet())]


def _provenance(energy: EnergyMap) -> list[Facts | Note]:
    p, trained = energy.provenance, energy.provenance.trained
    known = {
        "map": energy.id, "model": p.model, "model source": p.model_source, "model revision": p.model_revision,
        "architecture": p.architecture, "parameters": f"{p.model_parameters:,}",
        "modules measured": len(energy.modules), "task": p.task, "task source": p.task_source, "task hash": p.task_hash,
        "samples": p.samples, "tokens": f"{p.tokens:,}", "tokens of responses": f"{p.response_tokens:,}",
        "samples cut": p.truncated, "samples dropped": p.dropped,
        "mean loss": None if p.loss is None else f"{p.loss:.4f}", "method": p.method,
        "formula": energy.probe.formula, "source of the probe": energy.probe.source,
        "adapter on the model": trained and f"{trained.variant} of run {trained.run}, step {trained.step}",
        "device": p.device, "number type": p.dtype, "took": duration(p.seconds),
        "peak memory": f"{p.peak_memory_bytes / 1e9:.2f} GB", "versions": versions_in_words(p.versions),
        "request": p.key,
    }  # fmt: skip
    blocks: list[Facts | Note] = [facts(of_settings(p.config)), facts(known)]
    if p.skipped:
        some = "; ".join(f"{one.module} ({one.reason})" for one in p.skipped[:SKIPPED])
        more = f"; and {len(p.skipped) - SKIPPED} more" if len(p.skipped) > SKIPPED else ""
        blocks.append(Note(f"Not probed: {count(len(p.skipped), 'module')}: {some}{more}."))
    return blocks
