"""Recipes of placements on a small Llama, and where the tools lie that read them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from domlora.data.origin import TaskOrigin
from domlora.export.recipe import Recipe
from domlora.placements.placement import PlacedModule, Placement
from tests.helpers.runs import CONFIG, a_run

# Their dependencies pin other versions than ours, so that they are unpacked apart:
# pip install --no-deps --target FOLDER axolotl==0.19.0 llamafactory==0.9.5 omegaconf==2.3.0 \
#     antlr4-python3-runtime==4.9.3
TOOLS = "DOMLORA_TOOLS"
ROWS = TaskOrigin(kind="file", place="/data/rows.jsonl", format="messages")


def projection(layer: int, kind: str = "q", rank: int = 8, parameter: str = "") -> PlacedModule:
    return PlacedModule(
        module=f"model.layers.{layer}.self_attn.{kind}_proj", stack="decoder", layer=layer, kind=kind, in_features=32,
        out_features=32, rank=rank, parameter=parameter,
    )  # fmt: skip


EQUAL = Placement(name="qo", modules=(projection(0), projection(1, "o")), rank=8, alpha=16, root_alpha=16)
SINGLE = Placement(name="dominant", modules=(projection(1, "o"),), rank=8, alpha=16, root_alpha=16)
UNEQUAL = Placement(
    name="by energy", modules=(projection(0, rank=2), projection(1, rank=6), projection(1, "o", rank=2)), rank=2,
    alpha=4, root_alpha=16,
)  # fmt: skip
EXPERTS = Placement(
    name="experts", modules=(projection(0), projection(1, parameter="model.layers.1.mlp.experts.down_proj")), rank=8,
    alpha=16,
)  # fmt: skip


def recipe(
    placement: Placement = EQUAL, method: str = "lora", /, origin: TaskOrigin | None = ROWS, **changes
) -> Recipe:
    """As a run trained it whose rows are on another machine, unless `changes` say otherwise."""
    run = a_run(config=CONFIG, task_origin=origin)
    made = Recipe.of_run(run, run.variants[0])
    return replace(made, **{"model": "owner/name", "placement": placement, "method": method} | changes)


@pytest.fixture
def tools() -> Path:
    folder = os.environ.get(TOOLS)
    if folder is None:
        pytest.skip(f"{TOOLS} names no folder with axolotl and llamafactory (tests/helpers/recipes.py says how)")
    return Path(folder)
