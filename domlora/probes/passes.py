"""Runs samples through a model, batch by batch, with recorders at its modules: one pass for any number of probes.

In: a model, the modules to tap, encoded samples, recorders. Out: one `Measurement` a recorder. Batches are sized to
memory, and one that does not fit is halved. Knows no formula of any probe.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from transformers import PreTrainedModel

from domlora.data.batches import Batch, collate, group_by_length, halves, out_of_memory, release, token_budget
from domlora.data.encoding import EncodedSample
from domlora.errors import ProbeError
from domlora.models.census import AdaptableModule
from domlora.probes.explanation import Explanation
from domlora.probes.taps import CalledAgain, Recorder, Rows, activation_backward, activation_forward, frozen, tapped


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
    seen: set[int]
    routed: set[int]

    def reset(self) -> None:
        """Forgets everything: all samples come again."""

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement: ...


def run(
    model: PreTrainedModel,
    modules: Sequence[AdaptableModule],
    samples: Sequence[EncodedSample],
    recorders: Sequence[MeasuringRecorder],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    max_tokens: int | None = None,
    max_samples: int | None = None,
) -> list[Measurement]:
    """One forward and, if a recorder needs it, one activation-only backward a batch.

    Args:
        progress: called with (samples done, samples).
        max_tokens: of a padded batch; by default from the memory that is free. No value changes a measurement.
        max_samples: of a batch.

    Raises:
        ProbeError: a loss or energy that is not finite, or not enough memory for the longest sample alone.
    """
    device = next(model.parameters()).device
    longest = max(len(sample.ids) for sample in samples)
    tokens = max_tokens or token_budget(model, longest, device)
    repeated: set[int] = set()  # modules that a pass calls several times, as far as is known
    recorder = _Several(recorders)
    one_pass = activation_backward if any(r.needs_gradient for r in recorders) else activation_forward
    with frozen(model):
        while True:
            queue = deque(group_by_length(samples, tokens, max_samples))
            losses = torch.zeros(len(samples))
            calls, done = [0] * len(modules), 0
            while queue:
                group = queue.popleft()
                batch = collate(samples, group, device)
                fits = True
                try:
                    with tapped(model, modules, recorder, batch, repeated) as called:
                        losses[batch.index] = one_pass(model, batch, [samples[i].row for i in group]).cpu()
                    recorder.end()
                except CalledAgain as again:
                    repeated.add(again.module)
                    if any(r.additive for r in recorders):
                        break  # begin again: the forward may have added this batch to a sum
                    queue.appendleft(group)
                    continue
                except RuntimeError as error:
                    if not out_of_memory(error):
                        raise
                    if len(group) == 1:
                        raise ProbeError(
                            f"no memory for one sample of {batch.ids.shape[1]} tokens on {device}: "
                            "lower --max-length, or probe in bfloat16"
                        ) from error
                    fits = False
                if not fits:
                    release(device)  # not above: as long as the error lives, so does what its frames hold
                    if any(r.additive for r in recorders):
                        tokens = len(group) * batch.ids.shape[1] // 2
                        break  # a half-counted batch cannot be taken out of a sum: begin again with smaller ones
                    queue.extendleft(reversed(list(halves(group))))
                    continue
                calls = [max(pair) for pair in zip(calls, called, strict=True)]
                done += len(group)
                progress(done, len(samples))
            if not queue and done == len(samples):
                break
            for one in recorders:
                one.reset()
    return [one.finish(losses, _unmeasured(modules, calls, one)) for one in recorders]


class _Several:
    """Hands each tap to several recorders; what is held is one part for each."""

    def __init__(self, recorders: Sequence[MeasuringRecorder]):
        self.recorders = recorders

    def start(self, batch: Batch) -> None:
        for one in self.recorders:
            one.start(batch)

    def end(self) -> None:
        for one in self.recorders:
            one.end()

    def hold(self, module: int, x: torch.Tensor, rows: Rows) -> list[Any]:
        return [one.hold(module, x, rows) for one in self.recorders]

    def output(self, module: int, held: list[Any], y: torch.Tensor, rows: Rows) -> None:
        for one, part in zip(self.recorders, held, strict=True):
            one.output(module, part, y, rows)

    def partial(self, module: int) -> None:
        for one in self.recorders:
            one.partial(module)

    def gradient(self, module: int, held: list[Any], dy: torch.Tensor, rows: Rows) -> None:
        for one, part in zip(self.recorders, held, strict=True):
            if one.needs_gradient:
                one.gradient(module, part, dy, rows)


def _unmeasured(
    modules: Sequence[AdaptableModule], calls: Sequence[int], recorder: MeasuringRecorder
) -> dict[int, str]:
    reasons = {}
    for module, count in enumerate(calls):
        if count == 0 and modules[module].stack == "vision":
            reasons[module] = "reads images, and this task has none"
        elif count == 0:
            reasons[module] = "not called for these samples: an adapter here would change nothing"
        elif module in recorder.routed:
            reasons[module] = "reads only a part of the tokens"
        elif count > 1:
            reasons[module] = f"called {count} times in one pass"
        elif module not in recorder.seen:
            reasons[module] = "no gradient reaches it"
    return reasons


def finite(scores: torch.Tensor, modules: Sequence[AdaptableModule], what: str = "score") -> torch.Tensor:
    """The scores (..., modules), if all are finite; else raises ProbeError."""
    bad = (~scores.isfinite()).reshape(-1, len(modules)).any(0).nonzero()
    if len(bad):
        raise ProbeError(f"the {what} of {modules[int(bad[0])].name} is not finite: probe in float32")
    return scores
