"""What the recorders of peer probes share: one score a sample and module, or one mean gradient a module.

In: taps. Out: a `Measurement` whose energies are scores. Knows no formula of any probe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from domlora.data.batches import Batch
from domlora.models.device import free_memory
from domlora.models.modules import AdaptableModule
from domlora.probes.interface import Subject
from domlora.probes.recorder import Measurement, Rows, finite

ACCUMULATOR_FRACTION = 0.25  # of free memory that exact mean gradients may take


class Recording:
    """A recorder that keeps nothing yet."""

    additive = False
    needs_gradient = True

    def __init__(self, subject: Subject) -> None:
        self.model, self.modules, self.samples = subject.model, subject.modules, subject.samples
        self.device = subject.device
        self.batch: Batch
        self.reset()

    def reset(self) -> None:
        self.seen: set[int] = set()
        self.routed: set[int] = set()

    def start(self, batch: Batch) -> None:
        self.batch = batch

    def end(self) -> None: ...

    def hold(self, module: int, x: torch.Tensor, rows: Rows) -> Any: ...

    def output(self, module: int, held: Any, y: torch.Tensor, rows: Rows) -> None: ...

    def gradient(self, module: int, held: Any, dy: torch.Tensor, rows: Rows) -> None: ...

    def partial(self, module: int) -> None:
        self.routed.add(module)


class SampleScores(Recording):
    """Scores of each sample by itself; a module's score is their mean. A fused tensor's experts add up."""

    def reset(self) -> None:
        super().reset()
        self.sample_scores = torch.zeros(len(self.samples), len(self.modules), dtype=torch.float64)

    def start(self, batch: Batch) -> None:
        super().start(batch)
        self.parts: dict[int, torch.Tensor] = {}  # module -> (B,) what the batch's samples have of it

    def add(self, module: int, part: torch.Tensor) -> None:
        """part (B,)."""
        self.parts[module] = self.parts[module] + part if module in self.parts else part

    def end(self) -> None:
        """The batch went through: scores leave the device at once, not module by module."""
        self.seen.update(self.parts)
        if self.parts:
            values = torch.stack(list(self.parts.values())).double().cpu()  # (modules, B)
            self.sample_scores[self.batch.index.unsqueeze(1), torch.tensor(list(self.parts))] = values.T

    def measured(self, losses: torch.Tensor, unmeasured: dict[int, str], method: str) -> Measurement:
        scores = finite(self.sample_scores, self.modules)
        return Measurement(scores.mean(0), scores, None, losses, None, method, unmeasured)


class MeanGradients(Recording):
    """dL/dW of the mean loss, one (out, in) float32 accumulator for each module, and for each expert of a fused one.

    Args:
        columns: keep G·Ω instead, with Ω (in, columns) standard normal: enough to find what G's columns span.
        seed: of Ω.
    """

    additive = True

    def __init__(self, subject: Subject, columns: int | None = None, seed: int = 0) -> None:
        self.columns, self.seed = columns, seed
        self.drawn: dict[int, torch.Tensor] = {}
        super().__init__(subject)

    def reset(self) -> None:
        super().reset()
        self.sums: dict[tuple[int, int | None], torch.Tensor] = {}  # (module, expert) -> sum over samples

    def hold(self, module: int, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        if self.columns is None:
            return x
        if module not in self.drawn:  # the module that reads x first draws for all that read it
            generator = torch.Generator().manual_seed((self.seed * 1_000_003 + module + 1) % 2**63)
            self.drawn[module] = torch.randn(x.shape[2], self.columns, generator=generator).to(x.device)
        return matmul(x, self.drawn[module].expand(len(x), -1, -1))

    def gradient(self, module: int, held: torch.Tensor, dy: torch.Tensor, rows: Rows) -> None:
        g = matmul(dy.flatten(0, 1).T.unsqueeze(0), held.flatten(0, 1).unsqueeze(0))[0]  # (out, in or columns)
        key = (module, rows.expert)
        self.sums[key] = self.sums[key].add_(g) if key in self.sums else g

    def end(self) -> None:
        self.seen.update(module for module, _ in self.sums)


def gradients_fit(modules: Sequence[AdaptableModule], device: torch.device) -> bool:
    """Whether the mean gradients of all modules fit into the part of the free memory that they may take."""
    return gradient_bytes(modules) <= ACCUMULATOR_FRACTION * free_memory(device)


def gradient_bytes(modules: Sequence[AdaptableModule]) -> int:
    """What the mean gradients (out, in) of all modules take in float32."""
    return 4 * sum(m.experts * m.in_features * m.out_features for m in modules)


def matmul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Batched product with float32 result: (B, n, k) @ (B, k, m) -> (B, n, m)."""
    if a.dtype == b.dtype == torch.float32:
        return torch.bmm(a, b)
    if a.is_cuda:  # half-precision tensor cores, float32 accumulation and result
        half = b.dtype if a.dtype == torch.float32 else a.dtype
        return torch.bmm(a.to(half), b.to(half), out_dtype=torch.float32)
    return torch.bmm(a.float(), b.float())
