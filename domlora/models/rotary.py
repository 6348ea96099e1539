"""Rotations that depend on how long the longest sequence of a batch is: which lengths may share a batch of a model.

    longrope (Phi-3 128k)   one set of frequencies up to `original_max_position_embeddings`, another one beyond it
    dynamic (NTK)           beyond the trained length the frequencies follow from the length itself

transformers takes the length from the longest position in the batch, padding included, and dynamic scaling remembers
the longest sequence so far. So that a sample means the same alone and beside others, `length_rule` says what is to be
kept apart, and `forget_lengths` makes each pass begin without a memory. Knows nothing about samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from domlora.data.batches import LengthRule


def length_rule(model: nn.Module) -> LengthRule | None:
    """Which lengths may share a batch of this model; None if all may."""
    steps, alike = set(), []
    for module, layer_type, rope_type in _rotations(model):
        if rope_type == "longrope":
            settings: Any = module.config.rope_parameters
            settings = settings if layer_type is None else settings[layer_type]
            steps.add(int(settings["original_max_position_embeddings"]))
        elif "dynamic" in rope_type:
            alike.append(int(module.original_max_seq_len))
    if not steps and not alike:
        return None
    return LengthRule(tuple(sorted(steps)), min(alike, default=None))


def scaled(model: nn.Module) -> bool:
    """Whether any rotation of the model has scaled frequencies."""
    return any(rope_type != "default" for _, _, rope_type in _rotations(model))


def forget_lengths(model: nn.Module) -> None:
    """Lets each call of a dynamic rotation begin with the frequencies of the trained length, as the first one does."""
    for module, layer_type, rope_type in _rotations(model):
        if "dynamic" in rope_type:
            module.register_forward_pre_hook(_forgetting("" if layer_type is None else f"{layer_type}_"))


def _rotations(model: nn.Module) -> Iterator[tuple[Any, str | None, str]]:
    """Modules that rotate, with the type of their scaling; once for each type of layer where these differ."""
    for module in model.modules():
        rope_type = getattr(module, "rope_type", None)
        if isinstance(rope_type, str):
            yield module, None, rope_type
        elif isinstance(rope_type, dict):
            yield from ((module, layer_type, kind) for layer_type, kind in rope_type.items())


def _forgetting(prefix: str) -> Any:
    def forget(module: Any, args: Any) -> None:
        frequencies: torch.Tensor = getattr(module, f"{prefix}inv_freq")
        setattr(module, f"{prefix}inv_freq", getattr(module, f"{prefix}original_inv_freq").to(frequencies.device))
        setattr(module, f"{prefix}max_seq_len_cached", module.original_max_seq_len)

    return forget
