"""The LoRA variants that domlora trains, one entry each: what it is, what it needs, and what it asks of PEFT.

A new variant is an entry in `METHODS` and its name in `Method`. Plain data: PEFT is not imported here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Method = Literal["lora", "rslora", "dora", "pissa", "olora", "eva", "lora+"]


@dataclass(frozen=True)
class MethodInfo:
    """How a variant differs from plain LoRA.

    Attributes:
        words: what it is, and where it comes from.
        settings: arguments of `peft.LoraConfig` that make it.
        peft_objects: arguments that are objects of PEFT's: argument -> (class of `peft`, its arguments).
        linear_only: PEFT has it for linear layers only, not for parameters such as fused experts.
        alone: PEFT cannot mix it with other variants in one batch.
        mutates: its start changes the base weight, which all variants share.
        from_data: its start is computed from the inputs of the modules on training rows.
        transposed: it works on weights that are stored as (in, out), as GPT-2's `Conv1D` stores them.
        root_scale: the scale is alpha / sqrt(rank) in place of alpha / rank, with one alpha for all ranks.
        magnitudes: it trains a magnitude for each output besides A and B.
        faster_up: B learns at a multiple of A's rate (`SweepConfig.loraplus_ratio`).
        embeddings: PEFT has it for embeddings too; its LoRA+ gives them a rate of their own, which is another method.
    """

    words: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    peft_objects: Mapping[str, tuple[str, Mapping[str, Any]]] = field(default_factory=dict)
    linear_only: bool = False
    alone: bool = False
    mutates: bool = False
    from_data: bool = False
    transposed: bool = True
    root_scale: bool = False
    magnitudes: bool = False
    faster_up: bool = False
    embeddings: bool = True


METHODS: dict[Method, MethodInfo] = {
    "lora": MethodInfo("plain LoRA (arXiv 2106.09685)"),
    "rslora": MethodInfo(
        "LoRA scaled by alpha / sqrt(rank) (arXiv 2312.03732)", settings={"use_rslora": True}, root_scale=True
    ),
    "dora": MethodInfo(
        "weight-decomposed LoRA (arXiv 2402.09353)",
        settings={"use_dora": True}, linear_only=True, alone=True, magnitudes=True,
    ),
    "pissa": MethodInfo(
        "starts from the principal singular directions of the weight (arXiv 2404.02948)",
        settings={"init_lora_weights": "pissa"}, linear_only=True, alone=True, mutates=True, embeddings=False,
    ),
    "olora": MethodInfo(
        "starts from an orthonormal basis of the weight (arXiv 2406.01775)",
        settings={"init_lora_weights": "olora"}, linear_only=True, alone=True, mutates=True, transposed=False,
        embeddings=False,
    ),
    "eva": MethodInfo(
        "starts A from the principal directions of the module's inputs (arXiv 2410.07170)",
        settings={"init_lora_weights": "eva"}, linear_only=True, from_data=True, embeddings=False,
        peft_objects={"eva_config": ("EvaConfig", {"rho": 1.0})},  # keeps the planned ranks
    ),
    "lora+": MethodInfo("LoRA with a higher learning rate for B (arXiv 2402.12354)", faster_up=True, embeddings=False),
}  # fmt: skip
