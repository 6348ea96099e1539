"""Activation norm: how large the inputs are that a module reads. No gradient, no weight.

    E_i E_t ‖x_t‖       x (T, in) inputs of a sample's T tokens; padding is not among them

The input, not the output: it is the half of Wanda's score |W_oj|·‖X_j‖ (arXiv 2306.11695) that a weight does not
decide, what LoRA's `A` reads, and a factor of the gradient Σ_t y_t x_tᵀ. Modules that read the same tensor (q, k, v)
therefore have the same score. A mean over all tokens, so one token with a massive activation can make most of it. Of
experts, the tokens are those routed to them, each as often as it is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from domlora.data.batches import Batch
from domlora.probes.accumulators import SampleScores
from domlora.probes.interface import Recorded
from domlora.probes.recorder import Measurement, Rows


class TokenMeans(SampleScores, ABC):
    """Means over each sample's rows of something that a row of input norms and outputs gives."""

    needs_gradient = False

    def start(self, batch: Batch) -> None:
        super().start(batch)
        self.counts: dict[int, torch.Tensor] = {}  # module -> (B,) rows read

    def hold(self, module: int, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        """(B, N) Euclidean norms of the rows."""
        return torch.linalg.vector_norm(x, dim=2, dtype=torch.float32)

    def output(self, module: int, held: torch.Tensor, y: torch.Tensor, rows: Rows) -> None:
        values = self.of_rows(module, held, y, rows)
        self.add(module, values.masked_fill(~rows.real, 0).sum(1))
        count = rows.real.sum(1)
        self.counts[module] = self.counts[module] + count if module in self.counts else count

    @abstractmethod
    def of_rows(self, module: int, norms: torch.Tensor, y: torch.Tensor, rows: Rows) -> torch.Tensor:
        """(B, N) from the norms (B, N) of the rows' inputs and their outputs (B, N, out)."""

    def end(self) -> None:
        # A sample none of whose tokens an expert reads has no rows there, and scores zero.
        self.parts = {module: part / self.counts[module].clamp(min=1) for module, part in self.parts.items()}
        super().end()


class ActivationNorm(TokenMeans):
    def of_rows(self, module: int, norms: torch.Tensor, y: torch.Tensor, rows: Rows) -> torch.Tensor:
        return norms

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        return self.measured(losses, unmeasured, "mean norm of the inputs over tokens, exact for each sample")


PROBE = Recorded(lambda subject, config: ActivationNorm(subject))
