"""PAGE of each sample by itself, split exactly over its token positions: in closed form over `A`, or for drawn `A`."""

from __future__ import annotations

import torch

from domlora.data.batches import Batch
from domlora.probes.accumulators import matmul
from domlora.probes.page.recorder import PageRecorder, Projecting
from domlora.probes.recorder import Measurement, Rows, finite

GRAM_BLOCK = 128  # a Gram matrix is symmetric: only blocks on and below its diagonal are computed


class _PerSample(PageRecorder):
    """Energies of each sample by itself, from row sums over its token positions. Rewriting a sample changes nothing."""

    def reset(self) -> None:
        super().reset()
        self.sample_energies = torch.zeros(len(self.samples), len(self.modules), dtype=torch.float64)
        self.expert_energies = {  # module -> (samples, experts)
            i: torch.zeros(len(self.samples), m.experts, dtype=torch.float64)
            for i, m in enumerate(self.modules)
            if m.fused
        }

    def start(self, batch: Batch) -> None:
        super().start(batch)
        self.rows: dict[int, torch.Tensor] = {}  # module -> (B, T) energy of each token position
        self.by_expert: dict[int, dict[int, torch.Tensor]] = {}  # module -> expert -> (B,)

    def _add(self, module: int, energy: torch.Tensor, rows: Rows) -> None:
        """Takes the energies (B, N) of a module's rows, or of those that one expert read."""
        by_token = self._by_token(energy, rows, "sum")
        self.rows[module] = self.rows[module] + by_token if module in self.rows else by_token
        if rows.expert is not None:
            self.by_expert.setdefault(module, {})[rows.expert] = energy.sum(1)

    def end(self) -> None:
        super().end()
        self.seen.update(self.rows)
        for module, found in self.by_expert.items():
            energies = torch.zeros(len(self.batch.index), self.modules[module].experts, dtype=torch.float64)
            energies[:, list(found)] = torch.stack(list(found.values()), dim=1).double().cpu()
            self.expert_energies[module][self.batch.index] = energies
        if self.rows:
            modules = torch.tensor(list(self.rows))
            rows = torch.stack(list(self.rows.values())).double().cpu()  # (modules, B, T)
            self.sample_energies[self.batch.index.unsqueeze(1), modules] = rows.sum(2).T
            self.explain.add_rows(modules, rows, self.batch)

    def _result(self, losses: torch.Tensor, unmeasured: dict[int, str], method: str) -> Measurement:
        energies = finite(self.sample_energies, self.modules, "energy")
        experts = {module: found.mean(0) for module, found in self.expert_energies.items()}
        return Measurement(energies.mean(0), energies, None, losses, self.explain.finish(), method, unmeasured, experts)


class ExpectedPerSample(_PerSample):
    """Holds the Gram matrix of the inputs, one for modules that read the same tensor."""

    def hold(self, module: int, x: torch.Tensor, rows: Rows) -> list[torch.Tensor]:
        return _gram_blocks(x)

    def gradient(self, module: int, held: list[torch.Tensor], dy: torch.Tensor, rows: Rows) -> None:
        energy = torch.zeros(dy.shape[:2], device=dy.device)  # of each row
        edges = range(0, dy.shape[1], GRAM_BLOCK)
        pairs = ((i, j) for i in edges for j in edges if j <= i)
        for (i, j), gram_x, gram_y in zip(pairs, held, _gram_blocks(dy), strict=True):
            product = gram_x * gram_y  # (B, block, block)
            energy[:, i : i + GRAM_BLOCK] += product.sum(2)
            if j < i:
                energy[:, j : j + GRAM_BLOCK] += product.sum(1)
        scale = self.config.scaling**2 * self.config.rank / (3 * self.modules[module].fan_in)
        self._add(module, energy * scale, rows)

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        return self._result(losses, unmeasured, "closed form over A, exact for each sample")


class ProjectedPerSample(Projecting, _PerSample):
    """Energies for drawn `A`, averaged over the draws."""

    def gradient(self, module: int, held: torch.Tensor, dy: torch.Tensor, rows: Rows) -> None:
        z, other = self._projected(module, held, dy, rows)
        z = z.transpose(1, 2)  # (B, columns, N): the thin factor first is three times faster
        db = matmul(z, other)  # (B, columns, out), transposed dL/dB / s
        energy = (matmul(db, other.transpose(1, 2)) * z).sum(1)  # y_tᵀ dB z_t sums to ‖dB‖²
        self._add(module, energy * (self.config.scaling**2 / self.config.draws), rows)

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        return self._result(losses, unmeasured, f"mean over {self.config.draws} drawn A")


def _gram_blocks(x: torch.Tensor) -> list[torch.Tensor]:
    """Blocks of x xᵀ (B, T, T) on and below the diagonal, row by row, in float32."""
    edges = range(0, x.shape[1], GRAM_BLOCK)
    parts = [x[:, i : i + GRAM_BLOCK] for i in edges]
    return [matmul(parts[i], parts[j].transpose(1, 2)) for i in range(len(parts)) for j in range(i + 1)]
