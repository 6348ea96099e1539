"""The same adapter with one rank for all modules and a scale of 1: what every server reads rightly.

    rank 2 of 8:   A (2, in)  -> [A; 0] (8, in)        B (out, 2) -> [s·B, 0] (out, 8)        s·B·A is unchanged

In: a PEFT adapter folder, with patterns of ranks or alphas, or rsLoRA. Out: another one without any of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domlora.errors import SweepError
from domlora.export.saved import CONFIG, PART, WEIGHTS, SavedAdapter, module_of, rank_of, read_adapter, scale_of

if TYPE_CHECKING:
    import torch

SMALLEST, STEP = 8, 16  # TGI pads ranks to these, and divides alpha by what it padded to (see `servers`)


def write_uniform(folder: Path, out: Path) -> int:
    """Writes the adapter of a folder at one rank, with lora_alpha equal to it.

    B is multiplied by its module's scale in float32 and kept in its dtype; a scale that is a power of two loses nothing
    in any dtype.

    Returns:
        The rank: the largest of the adapter's, or the next one that servers pad to.

    Raises:
        SweepError: no adapter, a DoRA adapter, or one that cannot be padded.
        OSError: no space, or no right to write there.
    """
    from safetensors.torch import load_file, save_file

    adapter = read_adapter(folder)
    check_paddable(adapter)
    rank = uniform_rank(adapter)
    tensors = load_file(folder / WEIGHTS)
    made = {name: _padded(adapter.config, name, tensor, rank) for name, tensor in tensors.items()}
    out.mkdir(parents=True, exist_ok=True)
    save_file(made, out / WEIGHTS, metadata={"format": "pt"})
    config = uniform_config(adapter, rank)
    (out / CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")
    return rank


def check_paddable(adapter: SavedAdapter) -> None:
    """Raises SweepError for what is more than B·A, or whose B·A is not one for each module."""
    if adapter.magnitudes:
        raise SweepError("a DoRA adapter cannot be padded: its magnitudes are no part of B·A. Use the merged model")
    if adapter.residual:
        raise SweepError(
            f"an adapter that starts as {adapter.config['init_lora_weights']} changes the base weight and cannot be "
            "padded: save it as plain LoRA (PEFT's path_initial_model_for_weight_conversion)"
        )
    if adapter.parameters and adapter.patterns:
        raise SweepError(
            "experts with ranks of their own cannot be padded: which of them a tensor is of, its name does not say. "
            "Use the merged model"
        )


def uniform_rank(adapter: SavedAdapter) -> int:
    """The rank that all modules get: the largest, rounded up to 8 or a multiple of 16."""
    largest = adapter.largest_rank
    return SMALLEST if largest <= SMALLEST else -(-largest // STEP) * STEP


def uniform_config(adapter: SavedAdapter, rank: int) -> dict[str, Any]:
    """The configuration of the padded adapter: what it adapts is as before, and every scale is 1."""
    return {
        **adapter.config, "r": rank, "lora_alpha": rank, "rank_pattern": {}, "alpha_pattern": {}, "use_rslora": False,
        "init_lora_weights": True, "eva_config": None,
    }  # fmt: skip


def _padded(config: Mapping[str, Any], name: str, tensor: torch.Tensor, rank: int) -> torch.Tensor:
    """One tensor of the adapter; what is neither an A nor a B (a module that was saved whole) stays as it is.

    Experts keep their ranks one after the other in A (experts·rank, in), and side by side in B (out, rank·experts).
    """
    import torch

    found = PART.search(name)
    if found is None:
        return tensor
    module = module_of(name)
    own, first = rank_of(config, module), found["part"] == "A"
    width = tensor.shape[0 if first else 1]
    if width % own:
        raise SweepError(f"{name} has {width} rows of rank {own}, which its configuration does not explain")
    experts, rest = width // own, tuple(tensor.shape[1:]) if first else tuple(tensor.shape[2:])
    if first:
        wide = tensor.new_zeros(experts, rank, *rest)
        wide[:, :own] = tensor.view(experts, own, *rest)
        return wide.view(experts * rank, *rest)
    wide = tensor.new_zeros(tensor.shape[0], rank, experts, *rest)
    scaled = (tensor.to(torch.float32) * scale_of(config, module)).to(tensor.dtype)
    wide[:, :own] = scaled.view(tensor.shape[0], own, experts, *rest)
    return wide.view(tensor.shape[0], rank * experts, *rest)
