"""Writes docs/architectures.md from the tables of small random models: `python -m tests.helpers.architectures`.

In: `tiny_models` and `encoder_models`, whose energies the tests hold against autograd. Out: what of each class has an
energy, and what has none and why, as the census and one probe of the model say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from domlora.models.census import find_modules
from domlora.models.modules import AdaptableModule, Skipped
from domlora.probes.config import ProbeConfig
from domlora.probes.page import estimator
from tests.helpers import encoder_models, tiny_models
from tests.helpers.probing import make_samples

FILE = Path(__file__).parents[2] / "docs" / "architectures.md"

HEAD = """<!-- Written by `python -m tests.helpers.architectures`; a test fails if it is stale. -->
# Architectures

Each class below is built small, with random weights, and the energy of every module is compared with plain autograd
(`dL/dW`, one unpadded sample at a time) and with the gradient of PEFT's own `lora_B`. Other classes work too where
their blocks hold linear layers: a role with another name is then a kind named after its module.

One row a class and stack. *Kinds* are those of a block, with the blocks in which they occur where these differ. *As
parameter* are those that PEFT adapts through `target_parameters`: the placement's `lora_config()` says so, and
`domlora compare`, whose variants share batches, cannot train them beside others; `all-linear`, `attention` and `mlp`
leave them out there. *Not measured* names what the map lists as skipped.

| kinds | role |
|---|---|
| `q` `k` `v` `o`, fused `qkv` | attention |
| `q_a` `q_b` `kv_a` `kv_b` | attention through low-rank halves (MLA): down to the latent, up from it |
| `gate` `up` `down`, fused `gate_up` | feed-forward |
| `expert.gate` `expert.up` `expert.gate_up` `expert.down` | all experts of a block: one 3-D weight, \
one adapter an expert; the energy is the sum over experts, \
each from the tokens that were routed to it (`expert_energies` has them singly) |
| `shared.gate` `shared.up` `shared.down` | the expert that every token goes through |
| `router` `shared.router` | which expert a token goes to; how much the shared one counts |
| `ssm.in` `ssm.x` `ssm.dt` `ssm.out` | the projections of a state space (Mamba) |

A module object that a model uses in several places (ALBERT) counts once, with the gradient of all its uses. Layers that
only share a weight (Zamba2) count each, as PEFT gives each an adapter of its own. PEFT refuses `ssm.out` of Mamba,
FalconMamba, Falcon-H1 and Nemotron-H, so that `all-linear` leaves it out there. In models with fused experts PEFT reads
`gate_proj`, `up_proj`, `down_proj` and `gate` in `target_modules` as names of experts, whatever path is before them:
where it does, the dense layers of these names are given to it as parameters too. It takes Llama-4's expert weights for
their transposes, so that its `A` stands on the output's side there; the energies follow it.

| class | stack | kinds | as parameter | not measured |
|---|---|---|---|---|
"""

Model = tuple[torch.nn.Module, Sequence]  # and samples for it


def models() -> Iterator[Model]:
    """Every model of the tables, with samples in the form that it learns from."""
    for name in (*tiny_models.ALL_MODELS, *tiny_models.UNCOVERED_MODELS):
        yield tiny_models.make(name), make_samples(2)
    for name in encoder_models.ENCODER_MODELS:
        yield encoder_models.make(name), encoder_models.make_samples(name, 2)


def text() -> str:
    """The whole file."""
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows(models()))


def rows(found: Iterator[Model]) -> Iterator[tuple[str, ...]]:
    for model, samples in found:
        census = find_modules(model)
        measurement = estimator.measure(model, census.modules, samples, ProbeConfig(rank=2))
        reasons = {census.modules[i].name: why for i, why in measurement.unmeasured.items()}
        for stack in dict.fromkeys(module.stack for module in census.modules):
            modules = [module for module in census.modules if module.stack == stack]
            yield (
                _title(model),
                stack,
                _by_block(modules),
                _kinds(module for module in modules if module.parameter) or "none",
                _not_measured(modules, reasons, census.skipped) or "nothing",
            )


def _title(model: torch.nn.Module) -> str:
    name = f"`{type(model).__name__}`"
    if getattr(model.config, "new_decoder_architecture", False):
        return f"{name}, new decoder"
    return f"{name}, gated" if getattr(model.config, "is_gated_act", False) else name


def _by_block(modules: Sequence[AdaptableModule]) -> str:
    """Kinds once where all blocks are alike, else with the blocks that have them."""
    blocks: dict[str, list[int]] = {}
    for layer in dict.fromkeys(module.layer for module in modules):
        blocks.setdefault(_kinds(m for m in modules if m.layer == layer), []).append(layer)
    if len(blocks) == 1:
        return next(iter(blocks))
    return "; ".join(f"block {' and '.join(map(str, layers))}: {kinds}" for kinds, layers in blocks.items())


def _kinds(modules: Iterator[AdaptableModule]) -> str:
    return " ".join(f"`{kind}`" for kind in dict.fromkeys(module.kind for module in modules))


def _not_measured(modules: Sequence[AdaptableModule], reasons: dict[str, str], skipped: Sequence[Skipped]) -> str:
    """Each reason once, with the kinds that it is for."""
    found: dict[str, list[AdaptableModule]] = {}
    for module in modules:
        if module.name in reasons:
            found.setdefault(reasons[module.name], []).append(module)
    lines = {why: _kinds(iter(those)) for why, those in found.items()}
    for one in skipped:
        why = re.sub(r" \([\d, ]+\)", "", one.reason)  # without the shape
        path = re.sub(r"^.*\.\d+\.", "", one.module)
        name = f"`{path}`"
        if name not in lines.get(why, ""):
            lines[why] = f"{lines[why]} {name}" if why in lines else name
    return "; ".join(f"{names}: {why}" for why, names in lines.items())


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
