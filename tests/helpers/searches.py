"""Searches made by hand: the run of a race, and the comparison of its finalists, without any model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from domlora.comparison.analysis import compare_run
from domlora.comparison.config import CHOOSING, SweepConfig, variant_name
from domlora.comparison.result import Comparison
from domlora.comparison.run import BASE, Evaluation, Run, Variant
from domlora.placements.placement import Placement
from domlora.search.facts import CANDIDATES, FINAL, FIND, PLAN, RUNGS, SPENT
from domlora.search.race import Entry, Rung
from domlora.search.track import race_config
from tests.helpers.runs import a_run, placed

ROWS, SEEDS = 40, 3
EVERYWHERE = Placement(
    name="all-linear", modules=tuple(placed(kind, layer) for layer in range(4) for kind in ("q", "v", "o", "down")),
    rank=8, alpha=16.0,
)  # fmt: skip
QV = Placement(name="qv", modules=tuple(m for m in EVERYWHERE.modules if m.kind in ("q", "v")), rank=8, alpha=16.0)
DOMINANT = Placement(name="dominant", modules=(placed("down", 2),), rank=8, alpha=16.0)
RANDOM = Placement(name="random-1", modules=(placed("down", 1),), rank=8, alpha=16.0)
CONTROL = Placement(
    name="random-control", modules=tuple(m for m in EVERYWHERE.modules if m.kind in ("o", "down")), rank=8, alpha=16.0
)
RACING = (DOMINANT, EVERYWHERE, QV, RANDOM)
RATES = (0.004, 0.016)


def entry(placement: str, rate: float = 0.016) -> Entry:
    return Entry(placement, rate)


def rung(step: int, *merit: str, kept: int | None = None, untold: Sequence[str] = ()) -> Rung:
    """A rung with these placements at 0.016, the best first."""
    names = [entry(name).name for name in merit]
    going = tuple(names[:kept])
    out = tuple(name for name in names if name not in going)
    losses = {name: 1.0 + 0.1 * i for i, name in enumerate(names)}
    return Rung(step, losses, (), going, (), out, tuple(entry(name).name for name in untold), (), seconds=2.0)


def a_race(*rungs: Rung, control: str | None = None, final: str | None = None, **changes) -> Run:
    """A race of four placements, after these rungs."""
    steps = [one.step for one in rungs] or [4]
    training = SweepConfig(validation_rows=32, answers=0)
    config = race_config(training, [p.name for p in RACING], RATES, steps[:-1], steps[-1])
    variants = tuple(
        Variant(
            variant_name(p.name, "lora", rate, CHOOSING), p.name, "lora", rate, CHOOSING,
            trainable_parameters=p.trainable_parameters, modules=len(p.modules),
        )
        for p in RACING for rate in RATES
    )  # fmt: skip
    facts = {
        FIND: {
            "config": {}, "entries": [[p.name, rate] for p in RACING for rate in RATES], "pace": 0.1, "left_out": {},
            "maps": {"page": "0" * 12},
        },
        PLAN: {"rungs": [], "finals": {"step": 8, "entries": 15, "seconds": 1.0}, "seconds": 1.0},
        CANDIDATES: [
            {"name": p.name, "why": [f"why {p.name}"], "probes": [], "control": p is RANDOM} for p in RACING
        ],
        RUNGS: [one.to_json() for one in rungs], SPENT: 3.0,
        **({FINAL: {"run": final, "config": {}, "control": control}} if final else {}),
    }  # fmt: skip
    return replace(a_run("b"), config=config, placements=RACING, facts=facts, variants=variants, warnings=(), **changes)


def finals(
    means: Mapping[str, float], noise: float = 0.01, base: float = 2.0, status: str = "done"
) -> tuple[Run, list[Evaluation]]:
    """The run of the finals and its evaluations: each placement has this mean test loss."""
    known = {placement.name: placement for placement in (*RACING, CONTROL)}
    placements = tuple(known[name] for name in means)
    config = SweepConfig(
        placements=tuple(means), learning_rates=(0.016,), own_rates=tuple(f"{name}=0.016" for name in means),
        seeds=SEEDS, steps=16, answers=0,
    )  # fmt: skip
    random = np.random.default_rng(0)
    rows = 0.3 * random.normal(size=ROWS)
    rows -= rows.mean()
    made = [Evaluation(BASE, "test", tuple(base + rows), (0.5,) * ROWS)]
    variants = []
    for placement in placements:
        for seed in range(SEEDS):
            name = variant_name(placement.name, "lora", 0.016, seed)
            own = random.normal(size=ROWS)
            losses = means[placement.name] + rows + noise * (own - own.mean())
            made += [
                Evaluation(name, "test", tuple(losses), (0.6,) * ROWS),
                Evaluation(name, "validation", tuple(losses), (0.6,) * ROWS),
            ]
            variants.append(Variant(
                name, placement.name, "lora", 0.016, seed, trainable_parameters=placement.trainable_parameters,
                modules=len(placement.modules), status="done", results={"eval_loss_after": float(losses.mean())},
            ))  # fmt: skip
    run = replace(
        a_run("c"), config=config, placements=placements, variants=tuple(variants), status=status, warnings=()
    )  # fmt: skip
    return run, made


def compared(means: Mapping[str, float], **settings) -> Comparison:
    """The comparison of finals with these mean test losses."""
    return compare_run(*finals(means, **settings))
