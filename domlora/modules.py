"""Which modules of a model can carry an adapter: every linear layer inside the transformer blocks.

    model.layers.11.mlp.down_proj   ->   stack decoder, layer 11, kind down, 1536 -> 576

One canonical kind per role lines up the maps of different architectures. Embeddings, the output head and whatever
lies outside the blocks are left out; a weight inside them that no adapter of ours can reach is listed as skipped.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any, Literal

from torch import nn
from transformers.pytorch_utils import Conv1D

from domlora.energy import Skipped
from domlora.errors import ModelError

Stack = Literal["decoder", "encoder", "cross", "vision"]

# Role of a module by its path inside the block; the first match wins. Attention first: `dense` and `c_proj` mean
# the output projection there and the down projection in the MLP.
_ATTENTION = r"(?:self_attn|self_attention|attention|attn|SelfAttention|EncDecAttention|encoder_attn|crossattention)"
KINDS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"(?:^|\.)(?:qkv_proj|query_key_value|c_attn|Wqkv|W_pack|qkv)$", "qkv"),
        (r"(?:^|\.)(?:q_proj|query|q_lin|wq|q)$", "q"),
        (r"(?:^|\.)(?:k_proj|key|k_lin|wk|k)$", "k"),
        (r"(?:^|\.)(?:v_proj|value|v_lin|wv|v)$", "v"),
        (rf"(?:^|\.){_ATTENTION}\.(?:.*\.)?(?:o_proj|out_proj|dense|c_proj|out_lin|wo|o)$", "o"),
        (r"(?:^|\.)(?:o_proj)$", "o"),
        (r"(?:^|\.)(?:gate_up_proj)$", "gate_up"),
        (r"(?:^|\.)(?:router|mlp\.gate|block_sparse_moe\.gate)(?:\.\w+)?$", "router"),
        (r"(?:^|\.)(?:gate_proj|wi_0)$", "gate"),
        (r"(?:^|\.)(?:up_proj|wi_1|wi|fc1|fc_in|c_fc|dense_h_to_4h|intermediate\.dense|lin1)$", "up"),
        (r"(?:^|\.)(?:down_proj|fc2|fc_out|c_proj|dense_4h_to_h|output\.dense|lin2|wo)$", "down"),
    )
)


@dataclass(frozen=True)
class AdaptableModule:
    """A linear layer that LoRA can adapt.

    Attributes:
        name: as in `model.named_modules()`.
        layer: index of its block.
        kind: canonical role (`q k v o gate up down qkv gate_up router`), else named after the module.
        in_features, out_features: of the map it computes, whatever way its weight is stored.
    """

    name: str
    stack: Stack
    layer: int
    kind: str
    in_features: int
    out_features: int

    def adapter_parameters(self, rank: int) -> int:
        """Trainable parameters of a LoRA adapter of this rank here."""
        return rank * (self.in_features + self.out_features)


@dataclass(frozen=True)
class Census:
    """Modules in the order of `named_modules()`, and the weights in the blocks that are not covered."""

    modules: tuple[AdaptableModule, ...]
    skipped: tuple[Skipped, ...]


def find_modules(model: nn.Module) -> Census:
    """Lists what can carry an adapter.

    Raises:
        ModelError: no linear layer inside a repeated block.
    """
    lists = {name for name, module in model.named_modules() if isinstance(module, nn.ModuleList)}
    found, skipped = [], []
    for name, module in model.named_modules():
        place = _place(name, lists)
        if place is None:
            continue
        layer, path = place
        shape = _shape(module)
        if shape is not None:
            found.append(AdaptableModule(name, _stack(name), layer, _kind(path), *shape))
            continue
        for parameter_name, parameter in module.named_parameters(recurse=False):
            if parameter.dim() == 3 and not isinstance(module, nn.modules.conv._ConvNd):
                reason = f"fused expert weights {tuple(parameter.shape)}: not covered yet"
                skipped.append(Skipped(module=f"{name}.{parameter_name}", reason=reason))
    if not found:
        raise ModelError(
            f"{type(model).__name__} has no linear layer inside a repeated block, so nothing there can carry "
            "an adapter: name a transformer language model with layers"
        )
    return Census(tuple(_distinct(found)), tuple(skipped))


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


def _kind(path: str) -> str:
    for pattern, kind in KINDS:
        if pattern.search(path):
            return kind
    return path.rsplit(".", 1)[-1]


def _stack(name: str) -> Stack:
    if re.search(r"(?:^|[._])(?:vision|visual|image)", name):
        return "vision"
    if re.search(r"EncDecAttention|encoder_attn|crossattention", name):
        return "cross"
    return "encoder" if re.search(r"(?:^|\.)encoder\.", name) else "decoder"


def _distinct(modules: list[AdaptableModule]) -> list[AdaptableModule]:
    """Two modules of one layer never share a kind: where they would, both are named by the last two parts."""
    count = Counter((m.stack, m.layer, m.kind) for m in modules)
    return [
        replace(m, kind=".".join(m.name.split(".")[-2:])) if count[m.stack, m.layer, m.kind] > 1 else m for m in modules
    ]
