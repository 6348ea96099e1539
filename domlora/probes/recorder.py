"""What a recorder is, which rows of its samples a module reads, and what a pass over the samples has found.

A recorder is the part of a probe that stands at the taps: it is handed what a module reads, what it gives and the
gradient that comes back, keeps what its formula needs, and ends in a `Measurement`. Knows no formula and runs no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch

from domlora.data.batches import Batch
from domlora.errors import ProbeError
from domlora.models.modules import AdaptableModule
from domlora.probes.explanation import Explanation


@dataclass(frozen=True)
class Rows:
    """Which rows of its samples a module reads in a pass, N of each sample after padding.

    Attributes:
        real: (B, N) False at padding, whose inputs mean nothing and whose output gradients are zero.
        position: (B, N) which token of its sample a row is, counted as in `EncodedSample.ids`; None where rows are no
            tokens, such as the patches of an image.
        expert: which expert of a fused tensor reads these rows; None for any other module. A module of experts is
            called once for each of them.
    """

    real: torch.Tensor
    position: torch.Tensor | None
    expert: int | None = None


class Recorder(Protocol):
    """What a probe does at the taps. `module` is an index into the list of modules that are tapped."""

    def start(self, batch: Batch) -> None:
        """A new batch begins."""

    def end(self) -> None:
        """The batch went through."""

    def hold(self, module: int, x: torch.Tensor, rows: Rows) -> Any:
        """Called in the forward, once for all modules that read the same x (B, N, in): what to keep of it."""

    def output(self, module: int, held: Any, y: torch.Tensor, rows: Rows) -> None:
        """Called in the forward with what `hold` kept and the module's output y (B, N, out), without a graph."""

    def partial(self, module: int) -> None:
        """Called in the forward where it is not known which rows belong to which sample: it cannot be measured."""

    def gradient(self, module: int, held: Any, dy: torch.Tensor, rows: Rows) -> None:
        """Called in the backward with what `hold` kept and the gradient dy (B, N, out) of the module's output."""


@dataclass(frozen=True)
class Measurement:
    """What a pass over the samples found, modules in the order given.

    Attributes:
        energies: (modules,) score of the probe, float64; for PAGE the energy.
        sample_energies: (samples, modules), reduction `per_sample` only.
        kernels: (modules, samples, samples) inner products of the samples' gradients in energy units, estimated
            from sketches and scaled to the energy; reduction `mean_gradient` only.
        losses: (samples,).
        explanation: token-position split (`per_sample` only) and activation maxima; None where a probe has none.
        unmeasured: index of a module -> why it has no energy.
        expert_energies: index of a module of experts -> (experts,), whose sum is its energy.
        method: in words, how exact it is.
    """

    energies: torch.Tensor
    sample_energies: torch.Tensor | None
    kernels: torch.Tensor | None
    losses: torch.Tensor
    explanation: Explanation | None
    method: str
    unmeasured: dict[int, str]
    expert_energies: dict[int, torch.Tensor] = field(default_factory=dict)


class MeasuringRecorder(Recorder, Protocol):
    """A recorder that ends in a measurement.

    Attributes:
        additive: what it keeps is a sum over samples, so that a batch cannot be done again.
        needs_gradient: False if the forward tells it all; a pass without any that needs one has no backward.
        seen: modules that were measured.
        routed: modules that read other rows than it can tell apart, in some batch at least.
    """

    additive: bool
    needs_gradient: bool

    @property
    def seen(self) -> set[int]: ...

    @property
    def routed(self) -> set[int]: ...

    def reset(self) -> None:
        """Forgets everything: all samples come again."""

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement: ...


def finite(scores: torch.Tensor, modules: Sequence[AdaptableModule], what: str = "score") -> torch.Tensor:
    """The scores (..., modules), if all are finite; else raises ProbeError."""
    bad = (~scores.isfinite()).reshape(-1, len(modules)).any(0).nonzero()
    if len(bad):
        raise ProbeError(f"the {what} of {modules[int(bad[0])].name} is not finite: probe in float32")
    return scores
