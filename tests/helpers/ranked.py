"""Runs of single modules whose gains are known, and maps of probes that score these modules as a test wants it."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd

from domlora.comparison.config import SweepConfig, variant_name
from domlora.comparison.run import BASE, Evaluation, Run, Variant
from domlora.energy.energy_map import EnergyMap
from domlora.placements.place import place_all
from domlora.placements.placement import PlacedModule, Placement
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from tests.helpers.maps import make_map

ROWS = 40
KINDS = ("q", "k", "v", "up", "down")
SIZES = {"q": 32, "k": 16, "v": 16, "up": 96, "down": 96}
HARD = np.random.default_rng(3).normal(2.0, 0.5, ROWS)  # how hard each row is, the same for every module


def world(gains, *, noise=0.01, seeds=1, rates=(1e-3,), validation=None, rows=ROWS):
    """A finished run of single modules `KINDS[i % 5]@(i // 5)` that improve the loss by `gains`, plus row noise.

    Args:
        validation: (module, rate) -> improvement on validation rows; the gain of the module where none is given.
    """
    generator = np.random.default_rng(11)
    placements, variants, evaluations = [], [], [Evaluation(BASE, "test", tuple(HARD[:rows]), (0.5,) * rows)]
    for i, gain in enumerate(gains):
        kind, layer = KINDS[i % 5], i // 5
        one = PlacedModule(
            module=f"layers.{layer}.{kind}", stack="decoder", layer=layer, kind=kind, in_features=32,
            out_features=SIZES[kind], rank=2,
        )  # fmt: skip
        placements.append(Placement(name=f"{kind}@{layer}", modules=(one,), rank=2, alpha=4))
        for rate in rates:
            for seed in range(seeds):
                name = variant_name(placements[-1].name, "lora", rate, seed)
                on_validation = gain if validation is None else validation(i, rate)
                results = {"eval_loss_before": 2.0, "eval_loss_after": 2.0 - on_validation}
                variants.append(
                    Variant(name, placements[-1].name, "lora", rate, seed, one.parameters, 1, "done", None, results)
                )
                own = gain if validation is None else on_validation / 2  # a rate is as good on test rows, by half
                losses = HARD[:rows] - own + generator.normal(0, noise, rows)
                evaluations.append(Evaluation(name, "test", tuple(losses), (0.5,) * rows))
    config = SweepConfig(
        placements=tuple(p.name for p in placements) or ("q",),
        learning_rates=rates,
        seeds=seeds,
        rate_seeds=0,
        steps=7,
    )
    run = Run("r1", "key", "tiny", "folder", "r", "math", "built-in", "t", config, tuple(placements),
              datetime(2026, 1, 1, tzinfo=UTC), "done", variants=tuple(variants))  # fmt: skip
    return run, evaluations


def scored(run, scores, probe="page", seconds=2.0, **facts) -> EnergyMap:
    """A map of a probe that gives the modules of a run these scores, in another order than the run has them."""
    modules = [placement.modules[0] for placement in run.placements]
    table = pd.DataFrame([m.model_dump(exclude={"rank"}) for m in modules])
    table["energy"] = np.asarray(scores, dtype=float)
    config = ProbeConfig(probe=probe, against="chat" if probe == "interference" else None)
    made = make_map([1.0], config=config, seconds=seconds, **{"key": probe[:4].ljust(64, "k"), **facts})
    return EnergyMap(table.sort_values("module", ignore_index=True), made.provenance)


def stored_singles(energy: EnergyMap, count: int = 30) -> Run:
    """A finished run in the store that trained modules of a map alone; gains follow the logarithm of energies."""
    store, p = Store(), energy.provenance
    placements = place_all(energy, [f"spread:{count}"], rank=2)
    energies = energy.modules.set_index("module")["energy"]
    names = [variant_name(placement.name, "lora", 1e-2, 0) for placement in placements]
    generator = np.random.default_rng(11)
    evaluations, variants = [Evaluation(BASE, "test", tuple(HARD), (0.5,) * ROWS)], []
    for name, placement in zip(names, placements, strict=True):
        gain = 0.3 + 0.05 * float(np.log10(energies[placement.modules[0].module] / energies.sum()))
        losses = HARD - gain + generator.normal(0, 0.02, ROWS)
        evaluations.append(Evaluation(name, "test", tuple(losses), (0.5,) * ROWS))
        results = {"eval_loss_before": 2.0, "eval_loss_after": 2.0 - gain}
        variants.append(
            Variant(name, placement.name, "lora", 1e-2, 0, placement.trainable_parameters, 1, "done", None, results)
        )
    config = SweepConfig(placements=(f"spread:{count}",), learning_rates=(1e-2,), seeds=1, rate_seeds=0, steps=7)
    run = store.runs.start(
        Run("a1", "a1" * 32, p.model, p.model_source, p.model_revision, p.task, p.task_source, p.task_hash, config,
            tuple(placements), datetime.now(UTC), variants=tuple(variants))
    )  # fmt: skip
    store.runs.add_evaluations(run.id, evaluations)
    for variant in variants:
        store.runs.set_variant(run.id, variant.name, status="done", results=variant.results)
    return store.runs.finish(run.id)


GAINS = np.random.default_rng(5).permutation(np.linspace(0.1, 1.5, 30))
