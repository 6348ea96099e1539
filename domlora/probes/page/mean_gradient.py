"""PAGE of the mean gradient, what the first optimizer step sees: sums over samples before the square.

Exact with one (out, in) accumulator a module, for drawn `A` with one (out, draws·r), or with a random sketch of G's
columns where accumulators do not fit. A small two-sided sketch of each sample's gradient is kept for the bootstrap.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from domlora.data.encoding import EncodedSample
from domlora.models.modules import AdaptableModule
from domlora.probes.accumulators import matmul
from domlora.probes.config import ProbeConfig
from domlora.probes.page.recorder import PageRecorder, Projecting
from domlora.probes.recorder import Measurement, Rows, finite

SKETCH_ROWS = 32  # of the two-sided sketch of each sample's gradient, for the bootstrap of a mean gradient


class _MeanGradient(PageRecorder):
    """Sums over samples before the square, and keeps a small sketch of each sample's gradient for the bootstrap."""

    additive = True

    def reset(self) -> None:
        super().reset()
        self.sums: dict[tuple[int, int | None], torch.Tensor] = {}  # by module and expert
        self.sketches: dict[int, torch.Tensor] = {}

    def _add(self, module: int, gradient: torch.Tensor, rows: Rows) -> None:
        key = (module, rows.expert)
        self.sums[key] = self.sums[key].add_(gradient) if key in self.sums else gradient

    def _sketch(self, module: int, dy: torch.Tensor, projected: torch.Tensor, rows: Rows) -> None:
        """(B, SKETCH_ROWS · columns) of U·Yᵀ·(XVᵀ), whose inner products estimate those of the gradients.

        Each expert has a U of its own, so that a sum of their sketches estimates the sum of their inner products.
        """
        stream = (module,) if rows.expert is None else (module, rows.expert)
        u = torch.randn(dy.shape[2], SKETCH_ROWS, generator=self._generator(1, *stream)).to(dy.device)
        sketch = matmul(matmul(dy, u.expand(len(dy), -1, -1)).transpose(1, 2), projected)
        if module not in self.sketches:
            self.sketches[module] = torch.zeros(len(self.samples), sketch[0].numel())
        self.sketches[module][self.batch.index] += sketch.flatten(1).float().cpu()

    def end(self) -> None:
        super().end()
        self.seen.update(module for module, _ in self.sums)

    def _result(
        self, factors: Sequence[float], losses: torch.Tensor, unmeasured: dict[int, str], method: str
    ) -> Measurement:
        count = len(self.samples)
        energies = torch.zeros(len(self.modules), dtype=torch.float64)
        kernels = torch.zeros(len(self.modules), count, count, dtype=torch.float64)
        experts = {i: torch.zeros(m.experts, dtype=torch.float64) for i, m in enumerate(self.modules) if m.fused}
        for (module, expert), total in self.sums.items():
            energy = factors[module] * (total.double() / count).square().sum().cpu()
            energies[module] += energy
            if expert is not None:
                experts[module][expert] = energy
        for module, sketch in self.sketches.items():
            kernel = sketch.double() @ sketch.double().T
            mean = kernel.mean()
            kernels[module] = kernel * (energies[module] / mean) if mean > 0 else kernel * 0
        finite(energies, self.modules, "energy")
        explanation = self.explain.finish(rows=False)
        return Measurement(energies, None, kernels, losses, explanation, method, unmeasured, experts)


class ProjectedMeanGradient(Projecting, _MeanGradient):
    """dL/dB of the mean loss for drawn `A`: what the first optimizer step sees."""

    def gradient(self, module: int, held: torch.Tensor, dy: torch.Tensor, rows: Rows) -> None:
        z, other = self._projected(module, held, dy, rows)
        self._add(module, matmul(other.transpose(1, 2), z).sum(0), rows)  # (out, columns)
        self._sketch(module, other, z, rows)

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        factor = self.config.scaling**2 / self.config.draws
        method = f"mean over {self.config.draws} drawn A"
        return self._result([factor] * len(self.modules), losses, unmeasured, method)


class SketchedMeanGradient(ProjectedMeanGradient):
    """Closed form over `A` with ‖G‖² estimated from `columns` random combinations of G's columns (unbiased)."""

    def __init__(
        self,
        modules: Sequence[AdaptableModule],
        samples: Sequence[EncodedSample],
        config: ProbeConfig,
        columns: int,
    ):
        self.columns = columns
        super().__init__(modules, samples, config, None)

    def _draw(self, width: int, *stream: int) -> torch.Tensor:
        signs = torch.randint(0, 2, (self.columns, width), generator=self._generator(2, *stream)) * 2 - 1
        return signs / self.columns**0.5

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        scale = self.config.scaling**2 * self.config.rank
        error = (2 / self.columns) ** 0.5  # of a rank-one G, the worst case
        method = (
            f"closed form over A, mean gradient sketched to {self.columns} columns: standard error at most {error:.0%}"
        )
        return self._result([scale / (3 * m.fan_in) for m in self.modules], losses, unmeasured, method)


class ExactMeanGradient(_MeanGradient):
    """Closed form over `A` with the mean gradient itself, (out, in) in float32; holds the inputs."""

    def hold(self, module: int, x: torch.Tensor, rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
        v = torch.randn(x.shape[2], SKETCH_ROWS, generator=self._generator(2, module)).to(x.device)
        return x, matmul(x, v.expand(len(x), -1, -1))

    def gradient(self, module: int, held: tuple[torch.Tensor, torch.Tensor], dy: torch.Tensor, rows: Rows) -> None:
        x, projected = held
        g = matmul(dy.flatten(0, 1).T.unsqueeze(0), x.flatten(0, 1).unsqueeze(0))[0]  # (out, in)
        self._add(module, g, rows)
        self._sketch(module, dy, projected, rows)

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        scale = self.config.scaling**2 * self.config.rank
        factors = [scale / (3 * m.fan_in) for m in self.modules]
        return self._result(factors, losses, unmeasured, "closed form over A, exact mean gradient")
