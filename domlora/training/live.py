"""A variant in training: its adapter, optimizer and schedule, the best it has been, and how all that is kept.

Knows no data and no loss. What `state` gives, `restore` takes back exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler

from domlora.comparison.config import SCHEDULERS, SweepConfig
from domlora.comparison.run import Variant
from domlora.placements.methods import METHODS
from domlora.placements.placement import Placement
from domlora.training.adapters import Adapter, Adapters


@dataclass
class Best:
    """The adapter with the lowest validation loss so far, where a comparison has patience.

    Attributes:
        waited: evaluations since then.
    """

    step: int
    loss: float
    adapter: Mapping[str, torch.Tensor]
    waited: int = 0


@dataclass
class Live:
    """A variant in training."""

    variant: Variant
    adapter: Adapter
    optimizer: AdamW
    schedule: LRScheduler
    best: Best | None = None

    def step(self, max_norm: float) -> float:
        """One optimizer step; returns the norm of the gradient before clipping."""
        norm = float(torch.nn.utils.clip_grad_norm_(self.adapter.parameters, max_norm))
        if math.isfinite(norm):
            self.optimizer.step()
            self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm

    def evaluated(self, step: int, loss: float, adapters: Adapters) -> int:
        """Remembers the adapter if its loss is the lowest so far; returns the evaluations since the lowest one."""
        if self.best is None or loss < self.best.loss or math.isnan(self.best.loss):
            now = {name: tensor.detach().clone() for name, tensor in adapters.state(self.adapter.key).items()}
            self.best = Best(step, loss, now)
        else:
            self.best.waited += 1
        return self.best.waited

    def state(self, adapters: Adapters) -> dict[str, Any]:
        """Tensors and plain numbers from which training goes on as if it had not ended."""
        return {
            "adapter": {name: tensor.detach() for name, tensor in adapters.state(self.adapter.key).items()},
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "best": vars(self.best) if self.best is not None else None,
        }

    def restore(self, adapters: Adapters, saved: Mapping[str, Any], *, new_leg: bool) -> None:
        """Puts what `state` gave back.

        Args:
            new_leg: the schedule is that of the next leg, and begins.
        """
        adapters.restore(self.adapter, saved["adapter"])
        rates = [(group["lr"], group["initial_lr"]) for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(saved["optimizer"])
        if new_leg:
            for group, (rate, initial) in zip(self.optimizer.param_groups, rates, strict=True):
                group["lr"], group["initial_lr"] = rate, initial
        else:
            self.schedule.load_state_dict(saved["schedule"])
        self.best = Best(**saved["best"]) if saved["best"] is not None else None


def start(
    adapters: Adapters, variant: Variant, placement: Placement, config: SweepConfig, done: int, fused: bool
) -> Live:  # fmt: skip
    """Attaches a variant's adapter, to be trained from the step after `done` on."""
    adapter = adapters.attach(placement, variant.method, variant.seed, config.dropout)
    ratio = config.loraplus_ratio if METHODS[variant.method].faster_up else 1.0
    groups = [
        {"params": list(adapter.down), "lr": variant.learning_rate},
        {"params": list(adapter.up), "lr": variant.learning_rate * ratio},
    ]
    optimizer = AdamW(groups, weight_decay=config.weight_decay, fused=fused)
    return Live(variant, adapter, optimizer, schedule_of(optimizer, config, done))


def schedule_of(optimizer: AdamW, config: SweepConfig, done: int) -> LRScheduler:
    """The schedule of the leg that the step after `done` belongs to, at its beginning.

    A leg rises and falls as a training of its length does; a constant rate does not rise again.
    """
    first, last = config.leg_after(done)
    return get_scheduler(SCHEDULERS[config.schedule], optimizer, config.warmup_after(first), last - first)
