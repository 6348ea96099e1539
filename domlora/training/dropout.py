"""LoRA dropout whose mask follows from the seed, the module, the step and the batch, and from nothing else.

So a variant trains to the same numbers alone and beside others, in one wave or several, before and after a checkpoint,
and with its activations computed twice (gradient checkpointing); and placements of one seed stay paired. The model
stays in eval mode, as PEFT mixes adapters in eval mode only: the clock says when anything is dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn


@dataclass
class Clock:
    """Which batch of which step trains now; nothing is dropped while none does."""

    step: int = 0
    batch: int = 0
    running: bool = False

    @contextmanager
    def at(self, step: int, batch: int) -> Iterator[None]:
        self.step, self.batch, self.running = step, batch, True
        try:
            yield
        finally:
            self.running = False


class SeededDropout(nn.Module):
    """In place of an adapter's `nn.Dropout` at one module.

    Args:
        p: fraction of the inputs that is zeroed; the others are scaled by 1 / (1 - p).
        seed: of the variant.
        name: of the module.
    """

    def __init__(self, p: float, seed: int, name: str, clock: Clock) -> None:
        super().__init__()
        self.p, self.seed, self.name, self.clock = p, seed, name, clock

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.clock.running:
            return x
        text = f"{self.seed} {self.name} {self.clock.step} {self.clock.batch}"
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:7], "big")
        generator = torch.Generator(x.device).manual_seed(number)
        kept = torch.rand(x.shape, generator=generator, device=x.device) >= self.p
        return x * kept.to(x.dtype) / (1 - self.p)
