"""The LoRA variants that domlora trains, one entry each: what it is, what it needs, and what it asks of PEFT."""

from __future__ import annotations

from typing import Literal

Method = Literal["lora", "rslora", "dora", "pissa", "olora", "eva", "lora+"]
METHODS: dict[Method, str] = {
    "lora": "plain LoRA (arXiv 2106.09685)",
    "rslora": "LoRA scaled by alpha / sqrt(rank) (arXiv 2312.03732)",
    "dora": "weight-decomposed LoRA (arXiv 2402.09353)",
    "pissa": "starts from the principal singular directions of the weight (arXiv 2404.02948)",
    "olora": "starts from an orthonormal basis of the weight (arXiv 2406.01775)",
    "eva": "starts A from the principal directions of the module's inputs (arXiv 2410.07170)",
    "lora+": "LoRA with a higher learning rate for B (arXiv 2402.12354)",
}
NEEDS_MODULES: tuple[Method, ...] = ("dora", "pissa", "olora", "eva")  # methods that PEFT has for linear layers only
MUTATING = ("pissa", "olora")  # their start changes the base weights
ALONE = ("dora", *MUTATING)  # cannot share a batch with other variants
