"""What the recorders of PAGE share: maxima of outputs, random streams that do not depend on batches, projections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from domlora.data.batches import Batch
from domlora.data.encoding import EncodedSample
from domlora.models.modules import AdaptableModule
from domlora.probes.accumulators import matmul
from domlora.probes.config import ProbeConfig
from domlora.probes.explanation import ExplanationBuilder
from domlora.probes.recorder import Rows


class PageRecorder:
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


class Projecting(PageRecorder):
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
