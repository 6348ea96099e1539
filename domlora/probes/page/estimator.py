"""PAGE, Projected Adapter Gradient Energy: how much gradient would reach an adapter at each module (arXiv 2605.06183).

With `W` (out, in), LoRA `s·B·A`, `B = 0` and `A` (r, in) Kaiming-uniform (variance 1 / (3·in)), at step 0

    dL/dB = s·G·Aᵀ,  G = dL/dW (out, in)        PAGE = E_A ‖dL/dB‖² = s²·r/(3·in) · ‖G‖²

`G` of a sample is Σ_t y_t x_tᵀ over its tokens (x inputs, y output gradients), so that neither estimator forms it:

    expected    ‖G‖² = Σ_tu (XXᵀ)_tu (YYᵀ)_tu           holds the Gram matrix XXᵀ (T, T) until the backward
    projected   G·Aᵀ = Yᵀ(XAᵀ)                           holds the projection XAᵀ (T, r)

Both split over token positions exactly, as the row sums. The energy of the mean gradient needs sums over samples
before the square: exactly with one (out, in) accumulator a module, or with a random sketch of its columns when those
do not fit.

A fused tensor of experts holds one adapter an expert, as in PEFT: its energy is the sum over its experts, each from the
tokens that were routed to it. Where PEFT's `A` reads the output's side (`AdaptableModule.swapped`), x and y change
roles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from domlora.data.batches import Batch, free_memory
from domlora.data.encoding import EncodedSample
from domlora.errors import ProbeError
from domlora.models.census import AdaptableModule
from domlora.probes.config import ProbeConfig
from domlora.probes.explanation import ExplanationBuilder
from domlora.probes.passes import Measurement, finite, run
from domlora.probes.taps import Rows

GRAM_BLOCK = 128  # a Gram matrix is symmetric: only blocks on and below its diagonal are computed
SKETCH_ROWS = 32  # of the two-sided sketch of each sample's gradient, for the bootstrap of a mean gradient
ACCUMULATOR_FRACTION = 0.25  # of free memory that exact mean gradients may take
MAX_SKETCH = 1024
ROUTER_KINDS = ("router", "shared.router")


def measure(
    model: PreTrainedModel,
    modules: Sequence[AdaptableModule],
    samples: Sequence[EncodedSample],
    config: ProbeConfig,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    max_tokens: int | None = None,
    max_samples: int | None = None,
    accumulator_bytes: int | None = None,
    projections: Mapping[str, torch.Tensor] | None = None,
) -> Measurement:
    """Measures PAGE of every module in one forward and one activation-only backward a batch.

    Args:
        progress, max_tokens, max_samples: as `measuring.run`.
        accumulator_bytes: that exact mean gradients may take, by default a quarter of the free memory.
        projections: module name -> `A` (draws·r, in) to use instead of drawn ones (estimator `projected`).

    Raises:
        ProbeError: rank above a module's size, and as `measuring.run`.
    """
    device = next(model.parameters()).device
    recorder = choose_recorder(modules, samples, config, device, accumulator_bytes, projections)
    bounds: dict[str, Any] = {"progress": progress, "max_tokens": max_tokens, "max_samples": max_samples}
    return run(model, modules, samples, [recorder], **bounds)[0]


def check_rank(modules: Sequence[AdaptableModule], rank: int) -> None:
    """Raises ProbeError if an adapter of this rank is larger than a module itself.

    Routers may be smaller: they have as many outputs as experts, and hardly anybody would adapt one by itself.
    """
    modules = [module for module in modules if module.kind not in ROUTER_KINDS]
    for module in modules:
        if rank > min(module.in_features, module.out_features):
            raise ProbeError(
                f"rank {rank} is larger than {module.name} ({module.in_features} -> {module.out_features}): "
                f"choose a rank of at most {min(min(m.in_features, m.out_features) for m in modules)}"
            )


class _Recorder:
    """What all recorders share: where results lie, and the maxima of outputs."""

    additive = False
    needs_gradient = True

    def __init__(self, modules: Sequence[AdaptableModule], samples: Sequence[EncodedSample], config: ProbeConfig):
        self.modules, self.samples, self.config = modules, samples, config
        self.batch: Batch
        self.reset()

    def reset(self) -> None:
        self.explain = ExplanationBuilder(len(self.modules), self.samples)
        self.seen: set[int] = set()  # modules that a gradient reached
        self.routed: set[int] = set()  # modules that did not read every token, in some batch at least

    def start(self, batch: Batch) -> None:
        self.batch = batch
        self.width = max(len(self.samples[i].ids) for i in batch.index.tolist())  # T, in tokens of a sample
        self.peaks: dict[int, torch.Tensor] = {}

    def output(self, module: int, held: Any, y: torch.Tensor, rows: Rows) -> None:
        # Two plain reductions run 20 times faster on a CPU than the maximum norm, and copy nothing.
        peaks = self._by_token(torch.maximum(y.amax(2), -y.amin(2)), rows, "amax")
        self.peaks[module] = torch.maximum(self.peaks[module], peaks) if module in self.peaks else peaks

    def partial(self, module: int) -> None:
        self.routed.add(module)

    def end(self) -> None:
        """The batch went through: results leave the device at once, not module by module."""
        self.explain.add_peaks(list(self.peaks), torch.stack(list(self.peaks.values())), self.batch)

    def _by_token(self, values: torch.Tensor, rows: Rows, reduce: str) -> torch.Tensor:
        """(B, T) from values (B, N) at any of a sample's tokens, also at one several times."""
        assert rows.position is not None, "text has no rows other than its tokens"
        found = values.new_zeros(len(values), self.width)
        return found.scatter_reduce(1, rows.position, values.masked_fill(~rows.real, 0), reduce)

    def _generator(self, *stream: int) -> torch.Generator:
        """A random stream of its own per purpose and module, the same on every device and batch size."""
        seed = self.config.seed
        for number in stream:
            seed = (seed * 1_000_003 + number + 1) % 2**63
        return torch.Generator().manual_seed(seed)


class _PerSample(_Recorder):
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


class _Projecting(_Recorder):
    """Draws, or is given, a matrix (columns, in) for each tensor that is read, and holds the projected inputs."""

    def __init__(
        self,
        modules: Sequence[AdaptableModule],
        samples: Sequence[EncodedSample],
        config: ProbeConfig,
        projections: Mapping[str, torch.Tensor] | None,
    ):
        self.given = projections
        self.drawn: dict[tuple[int, int | None], torch.Tensor] = {}  # by module and expert
        super().__init__(modules, samples, config)

    def hold(self, module: int, x: torch.Tensor, rows: Rows) -> Any:
        if self.given is not None or self.modules[module].swapped:
            return x  # each module has a matrix of its own, or it meets the gradient
        return self._times(x, self._matrix(module, x, rows))  # (B, N, columns)

    def _projected(
        self, module: int, held: torch.Tensor, dy: torch.Tensor, rows: Rows
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What `A` made of the side that it reads (B, N, columns), and the other side."""
        if self.modules[module].swapped:
            return self._times(dy, self._matrix(module, dy, rows)), held
        return (held if self.given is None else self._times(held, self._matrix(module, held, rows))), dy

    def _times(self, x: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        return matmul(x, matrix.T.expand(len(x), -1, -1))

    def _matrix(self, module: int, x: torch.Tensor, rows: Rows) -> torch.Tensor:
        """(columns, width of x), one for all modules that read the same tensor unless they were given."""
        if self.given is not None:
            one = self.modules[module]
            given = self.given[one.name]
            return given.reshape(one.experts, -1, given.shape[1])[rows.expert or 0].to(x.device)
        key = (module, rows.expert)
        if key not in self.drawn:
            stream = (module,) if rows.expert is None else (module, rows.expert)
            self.drawn[key] = self._draw(x.shape[-1], *stream).to(x.device)
        return self.drawn[key]

    def _draw(self, width: int, *stream: int) -> torch.Tensor:
        """`draws` matrices `A` as PEFT starts them: uniform in ±1/sqrt(in), which is Kaiming with a = sqrt(5)."""
        columns = self.config.draws * self.config.rank
        uniform = torch.rand(columns, width, generator=self._generator(0, *stream))
        return (2 * uniform - 1) / width**0.5


class ProjectedPerSample(_Projecting, _PerSample):
    """Energies for drawn `A`, averaged over the draws."""

    def gradient(self, module: int, held: torch.Tensor, dy: torch.Tensor, rows: Rows) -> None:
        z, other = self._projected(module, held, dy, rows)
        z = z.transpose(1, 2)  # (B, columns, N): the thin factor first is three times faster
        db = matmul(z, other)  # (B, columns, out), transposed dL/dB / s
        energy = (matmul(db, other.transpose(1, 2)) * z).sum(1)  # y_tᵀ dB z_t sums to ‖dB‖²
        self._add(module, energy * (self.config.scaling**2 / self.config.draws), rows)

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        return self._result(losses, unmeasured, f"mean over {self.config.draws} drawn A")


class _MeanGradient(_Recorder):
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


class ProjectedMeanGradient(_Projecting, _MeanGradient):
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


def choose_recorder(
    modules: Sequence[AdaptableModule],
    samples: Sequence[EncodedSample],
    config: ProbeConfig,
    device: torch.device,
    accumulator_bytes: int | None,
    projections: Mapping[str, torch.Tensor] | None,
) -> Any:
    check_rank(modules, config.rank)
    if config.estimator == "projected":
        kind = ProjectedPerSample if config.reduction == "per_sample" else ProjectedMeanGradient
        return kind(modules, samples, config, projections)
    if config.reduction == "per_sample":
        return ExpectedPerSample(modules, samples, config)
    budget = int(ACCUMULATOR_FRACTION * free_memory(device)) if accumulator_bytes is None else accumulator_bytes
    if gradient_bytes(modules) <= budget:
        return ExactMeanGradient(modules, samples, config)
    columns = max(8, min(MAX_SKETCH, budget // (4 * sum(m.experts * m.out_features for m in modules))))
    return SketchedMeanGradient(modules, samples, config, columns)


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


def _gram_blocks(x: torch.Tensor) -> list[torch.Tensor]:
    """Blocks of x xᵀ (B, T, T) on and below the diagonal, row by row, in float32."""
    edges = range(0, x.shape[1], GRAM_BLOCK)
    parts = [x[:, i : i + GRAM_BLOCK] for i in edges]
    return [matmul(parts[i], parts[j].transpose(1, 2)) for i in range(len(parts)) for j in range(i + 1)]
