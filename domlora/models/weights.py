"""A module's own weight and bias, whatever way they are stored. Knows no energies and no samples.

In: a model and a module of its census. Out: matrices (out, in) in float32, one for each expert.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from domlora.errors import ProbeError
from domlora.models.experts import expert_weights
from domlora.models.modules import AdaptableModule


def weight_of(model: nn.Module, module: AdaptableModule, expert: int | None = None) -> torch.Tensor:
    """The weight (out, in) of a module, or of one expert of a fused tensor; float32, possibly the weight itself.

    Raises:
        ProbeError: a weight that is packed, as quantised ones are.
    """
    owner: Any = model.get_submodule(module.owner)
    if expert is not None:
        return expert_weights(owner, module.name.rpartition(".")[2])[expert].detach().float()
    weight: torch.Tensor = owner.weight.detach()
    weight = weight.T if isinstance(owner, Conv1D) else weight
    if weight.shape != (module.out_features, module.in_features) or not weight.is_floating_point():
        raise ProbeError(f"the weight of {module.name} is quantised and cannot be read: load the model in bfloat16")
    return weight.float()


def experts_of(module: AdaptableModule) -> list[int | None]:
    """What to pass to `weight_of` to see all of a module."""
    return list(range(module.experts)) if module.fused else [None]


def bias_of(model: nn.Module, module: AdaptableModule, expert: int | None = None) -> torch.Tensor | None:
    """What the module adds to W x, (out), None if nothing."""
    owner = model.get_submodule(module.owner)
    if expert is None:
        bias = getattr(owner, "bias", None)
    else:
        fused = getattr(owner, f"{module.name.rpartition('.')[2]}_bias", None)
        bias = None if fused is None else fused[expert]
    return bias.detach() if isinstance(bias, torch.Tensor) else None
