"""Saliency: weight times gradient, what a first-order expansion says that a module's weights do for the loss.

    per_sample      E_i Σ_oj |W_oj · G_i,oj|       W, G_i (out, in), G_i = dL_i/dW of sample i's mean loss
    mean_gradient   Σ_oj |W_oj · (E_i G_i)_oj|

Setting one weight to zero changes the loss by -W_oj·G_oj to first order; the sum of sizes is the connection sensitivity
of SNIP (arXiv 1810.02340) for a whole module, and what Michel et al. (arXiv 1905.10650) score attention heads by. Per
sample, G_i (out, in) is formed from X (T, in) and Y (T, out) a block of rows of W at a time, so that no whole gradient
is ever held; of the mean gradient it has to be.
"""

from __future__ import annotations

import torch

from domlora.errors import ProbeError
from domlora.models.modules import AdaptableModule
from domlora.models.weights import weight_of
from domlora.probes.accumulators import MeanGradients, SampleScores, gradient_bytes, gradients_fit, matmul
from domlora.probes.config import ProbeConfig
from domlora.probes.interface import Recorded, Subject
from domlora.probes.recorder import Measurement, MeasuringRecorder, Rows, finite

BLOCK = 2**23  # entries of the samples' gradients that are formed at a time: 32 MB


class SaliencyPerSample(SampleScores):
    def hold(self, module: int, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        return x

    def gradient(self, module: int, held: torch.Tensor, dy: torch.Tensor, rows: Rows) -> None:
        weight = weight_of(self.model, self.modules[module], rows.expert)
        score = torch.zeros(len(dy), device=dy.device)
        height = max(1, BLOCK // (len(dy) * held.shape[2]))
        for start in range(0, dy.shape[2], height):
            block = slice(start, start + height)
            g = matmul(dy[:, :, block].transpose(1, 2), held)  # (B, height, in)
            score += g.mul_(weight[block]).abs_().sum((1, 2))
        self.add(module, score)

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        return self.measured(losses, unmeasured, "weight times gradient, exact for each sample")


class SaliencyOfMean(MeanGradients):
    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        if not gradients_fit(self.modules, self.device):
            raise ProbeError(
                f"saliency of the mean gradient holds {gradient_bytes(self.modules) / 1e9:.1f} GB of gradients, more "
                f"than {self.device} has to spare: use the reduction per_sample"
            )

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        scores = torch.zeros(len(self.modules), dtype=torch.float64)
        for (index, expert), total in self.sums.items():
            module: AdaptableModule = self.modules[index]
            weight = weight_of(self.model, module, expert)
            scores[index] += float((total * weight).abs().sum(dtype=torch.float64)) / len(self.samples)
        method = "weight times mean gradient, exact"
        return Measurement(finite(scores, self.modules), None, None, losses, None, method, unmeasured)


def _recorder(subject: Subject, config: ProbeConfig) -> MeasuringRecorder:
    return SaliencyPerSample(subject) if config.reduction == "per_sample" else SaliencyOfMean(subject)


PROBE = Recorded(_recorder)
