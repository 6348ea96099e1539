"""A search in the store as the Find page finds it: the race of a shipped map's placements, with losses made up."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from domlora.comparison.config import SweepConfig
from domlora.comparison.run import Run, Variant
from domlora.energy.energy_map import EnergyMap
from domlora.placements.place import place_all
from domlora.search.facts import CANDIDATES, FINAL, FIND, PLAN, RUNGS, SPENT
from domlora.search.race import Entry, Rung
from domlora.store.store import Store
from tests.helpers.compared import CONFIG, fill

NAMES = ("dominant", "qv", "all-linear", "mlp")
RATES = (0.001, 0.01)
BASE = 2.5
JOINED = Entry("qv", 0.1)


def entries() -> list[Entry]:
    return [Entry(name, rate) for name in NAMES for rate in RATES]


def rungs() -> list[Rung]:
    """Two: of eight entries five stay and one joins, of those six three stay. `mlp` is out, `qv` at 0.1 diverges."""
    first = {
        "all-linear lr=0.01": 1.9, "qv lr=0.01": 2.0, "dominant lr=0.01": 2.1, "all-linear lr=0.001": 2.2,
        "qv lr=0.001": 2.25, "mlp lr=0.01": 2.3, "dominant lr=0.001": 2.4, "mlp lr=0.001": 9.0,
    }  # fmt: skip
    second = {
        "qv lr=0.01": 1.5, "all-linear lr=0.01": 1.6, "dominant lr=0.01": 1.7, "all-linear lr=0.001": 1.9,
        "qv lr=0.001": 2.0,
    }  # fmt: skip
    one, two = list(first), list(second)
    return [
        Rung(8, first, (), tuple(one[:5]), (one[4],), tuple(one[5:]), (one[5],), (JOINED,), 10.0),
        Rung(16, second, (JOINED.name,), tuple(two[:3]), (), tuple(two[3:]), (), (), 12.0),
    ]


def race(energy: EnergyMap, *, done: int = 2, **changes: object) -> Run:
    """The run of a race of which so many rungs have ended; not in the store."""
    placements = tuple(place_all(energy, list(NAMES), rank=8, alpha=16))
    results = {"eval_loss_before": BASE} if done else {}
    sizes = {placement.name: placement for placement in placements}
    facts = {
        FIND: {
            "config": {}, "entries": [[entry.placement, entry.rate] for entry in entries()], "pace": 0.1,
            "left_out": {"embed": "it is not adapted here"}, "maps": {"page": energy.id},
        },
        PLAN: {
            "rungs": [{"step": step, "entries": 8, "seconds": 10.0} for step in (8, 16, 32)],
            "finals": {"step": 32, "entries": 15, "seconds": 30.0}, "seconds": 60.0,
        },
        CANDIDATES: [
            {"name": name, "why": [f"the reason for {name}"], "probes": [], "control": False} for name in NAMES
        ],
        RUNGS: [rung.to_json() for rung in rungs()[:done]], SPENT: 22.0,
    }  # fmt: skip
    run = Run(
        id="", key="5e" * 32, model="smollm2-135m", model_source="smollm2-135m", model_revision="r1", task="math",
        task_source="math", task_hash="0" * 64, config=SweepConfig(placements=NAMES, learning_rates=RATES, race=True),
        placements=placements, created=datetime.now(UTC), job=None, facts=facts,
        variants=tuple(
            Variant(entry.name, entry.placement, "lora", entry.rate, 1000, sizes[entry.placement].trainable_parameters,
                    len(sizes[entry.placement].modules), "training", None, results)
            for entry in entries()
        ),
    )  # fmt: skip
    return replace(run, **changes)


def stored(energy: EnergyMap, *, done: int = 2, judged: bool = False, job: str | None = None) -> Run:
    """The same in the store, with the comparison of its finalists where it is judged."""
    store = Store()
    run = store.runs.start(race(energy, done=done, job=job))
    if not judged:
        return run
    final = fill(energy, steps=20, ended=True, config=CONFIG)
    store.runs.set_facts(run.id, {FINAL: {"run": final.id, "config": {}, "control": None}})
    return store.runs.finish(run.id)
