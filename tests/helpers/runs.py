"""A comparison run made by hand: two placements, one variant each."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from domlora.comparison.config import SweepConfig, variant_name
from domlora.comparison.run import Answer, Evaluation, Run, Variant
from domlora.placements.placement import PlacedModule, Placement


def placed(kind: str, layer: int = 0) -> PlacedModule:
    return PlacedModule(
        module=f"layers.{layer}.{kind}", stack="decoder", layer=layer, kind=kind, in_features=8, out_features=4, rank=8
    )


DOMINANT = Placement(name="dominant", modules=(placed("down"),), rank=8, alpha=16.0)
QV = Placement(name="qv", modules=(placed("q"), placed("v")), rank=8, alpha=16.0)
CONFIG = SweepConfig(placements=("dominant", "qv"), learning_rates=(1e-3,), seeds=1, steps=60)
A, B = variant_name("dominant", "lora", 1e-3, 0), variant_name("qv", "lora", 1e-3, 0)


def a_run(key: str = "a", **changes) -> Run:
    run = Run(
        id=(key * 64)[:12],
        key=(key * 64)[:64],
        model="smollm2-135m",
        model_source="hub",
        model_revision="abc",
        task="math",
        task_source="built-in",
        task_hash="def",
        config=CONFIG,
        placements=(DOMINANT, QV),
        created=datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC),
        job="feed",
        facts={"device": "cpu", "train_rows": 340, "versions": {"torch": "2.13.0"}},
        warnings=("the placements differ in size",),
        variants=(
            Variant(A, "dominant", "lora", 1e-3, 0, trainable_parameters=16_896, modules=1),
            Variant(B, "qv", "lora", 1e-3, 0, trainable_parameters=2**40, modules=60),
        ),
    )
    return replace(run, **changes)


def evaluation(variant: str, part: str = "test", losses=(1.5, 2.5)) -> Evaluation:
    return Evaluation(variant, part, tuple(losses), tuple(0.5 for _ in losses))


def answer(variant: str, row: int = 0, text: str = "4") -> Answer:
    return Answer(variant, row, "2 + 2?", "#### 4", text, correct=True)
