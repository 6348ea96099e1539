"""Which modules of a model can carry an adapter: every linear layer inside the transformer blocks.

    model.layers.11.mlp.down_proj   ->   stack decoder, layer 11, kind down, 1536 -> 576

In: a loaded model. Out: its `Census`. What a name says of a module's kind is in `kinds`.

Experts whose weights are one 3-D tensor count as one module, as PEFT adapts them (`target_parameters`). A module object
that a model uses in several places counts once. Embeddings, the output head and whatever lies outside the blocks are
left out; a weight inside them that no adapter of ours can reach is listed as skipped.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

from peft import LoraConfig
from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers
from torch import nn
from transformers.pytorch_utils import Conv1D

from domlora.errors import ModelError
from domlora.models.experts import fused_parameters
from domlora.models.kinds import kind_of
from domlora.models.modules import AdaptableModule, Census, Skipped, Stack

NO_WEIGHTS = ("A_log",)  # 3-D parameters that multiply no input


def find_modules(model: nn.Module) -> Census:
    """Lists what can carry an adapter.

    Raises:
        ModelError: no linear layer inside a repeated block.
    """
    lists = {name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    found, skipped = [], []
    masked = type(model).__name__.endswith("ForMaskedLM")
    for name, module in model.named_modules():
        place = _place(name, lists)
        if place is None:
            continue
        layer, path = place
        stack = _stack(name)
        # DistilBERT's and ModernBERT's names do not say that their blocks are an encoder's.
        where: tuple[Stack, int] = ("encoder" if masked and stack == "decoder" else stack, layer)
        shape = _shape(module)
        kind = kind_of(path)
        # A router that returns more than its logits, such as Llama-4's: no tap and no PEFT layer can stand around it.
        inside = kind == "router" and isinstance(module, nn.Linear) and type(module) is not nn.Linear
        if shape is not None:
            parameter = f"{name}.weight" if inside else ""
            found.append(AdaptableModule(name, *where, kind, *shape, parameter=parameter, called=not inside))
            continue
        fused = fused_parameters(module)
        for one in fused:
            full, size = f"{name}.{one.parameter}", (one.in_features, one.out_features)
            found.append(
                AdaptableModule(
                    full, *where, one.kind, *size, experts=one.experts, parameter=full, fused=True, swapped=one.swapped
                )
            )
        weight = getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.dim() == 2 and kind == "router":
            out_features, in_features = weight.shape
            full = f"{name}.weight"
            found.append(
                AdaptableModule(name, *where, "router", in_features, out_features, parameter=full, called=False)
            )
        skipped += _uncovered(name, module, {one.parameter for one in fused})
    if not found:
        raise ModelError(
            f"{type(model).__name__} has no linear layer inside a repeated block, so nothing there can carry "
            "an adapter: name a transformer language model with layers"
        )
    return Census(tuple(_distinct(_for_peft(model, found))), tuple(skipped))


def _uncovered(name: str, module: nn.Module, covered: set[str]) -> list[Skipped]:
    """3-D weights of a module, of which there is no telling how they are used."""
    if isinstance(module, nn.modules.conv._ConvNd):
        return []
    return [
        Skipped(
            module=f"{name}.{parameter_name}",
            reason=f"3-D weights {tuple(parameter.shape)} of {type(module).__name__}: not covered",
        )
        for parameter_name, parameter in module.named_parameters(recurse=False)
        if parameter.dim() == 3 and parameter_name not in covered and parameter_name not in NO_WEIGHTS
    ]


def _place(name: str, lists: set[str]) -> tuple[int, str] | None:
    """Layer index and path inside the outermost block list, None outside of any."""
    parts = name.split(".")
    for i in range(1, len(parts) - 1):
        if parts[i].isdigit() and ".".join(parts[:i]) in lists:
            return int(parts[i]), ".".join(parts[i + 1 :])
    return None


def _shape(module: Any) -> tuple[int, int] | None:
    """(in, out) of a linear layer; quantised layers keep both as attributes. Conv1D stores its weight (in, out)."""
    if isinstance(module, Conv1D):
        return module.weight.shape[0], module.weight.shape[1]
    if isinstance(module, nn.Linear) or (hasattr(module, "in_features") and hasattr(module, "out_features")):
        return module.in_features, module.out_features
    return None


def _stack(name: str) -> Stack:
    if re.search(r"(?:^|[._])(?:vision|visual|image)", name):
        return "vision"
    if re.search(r"EncDecAttention|encoder_attn|crossattention|cross_attn", name):
        return "cross"
    return "encoder" if re.search(r"(?:^|\.)encoder\.", name) else "decoder"


def _for_peft(model: nn.Module, modules: list[AdaptableModule]) -> list[AdaptableModule]:
    """Linear layers of a model with experts that PEFT must be given as parameters.

    PEFT reads `gate_proj` and its like in `target_modules` as names of experts from before they were fused, and adapts
    the experts of every layer instead (`convert_peft_config_for_transformers`). PEFT itself is asked which names.
    """
    if not any(module.fused for module in modules):
        return modules
    read: dict[str, bool] = {}
    for module in modules:
        leaf = module.name.rpartition(".")[2]
        if leaf not in read:
            config = LoraConfig(target_modules=[leaf])
            try:
                convert_peft_config_for_transformers(config, model, None)
            except ValueError:  # one half of what is fused
                read[leaf] = True
            else:
                read[leaf] = bool(config.target_parameters)
    return [
        replace(m, parameter=f"{m.name}.weight") if not m.parameter and read[m.name.rpartition(".")[2]] else m
        for m in modules
    ]


def _distinct(modules: list[AdaptableModule]) -> list[AdaptableModule]:
    """Two modules of one layer never share a kind: where they would, both are named by the last two parts."""
    count = Counter((m.stack, m.layer, m.kind) for m in modules)
    return [
        replace(m, kind=".".join(m.name.split(".")[-2:])) if count[m.stack, m.layer, m.kind] > 1 else m for m in modules
    ]
