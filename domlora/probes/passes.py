"""Runs samples through a model, batch by batch, with recorders at its modules: one pass for any number of probes.

In: a model, the modules to tap, encoded samples, recorders. Out: one `Measurement` a recorder. Batches are sized to
memory, and one that does not fit is halved. Knows no formula of any probe.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from domlora.data.batches import Batch, collate, group_by_length, halves
from domlora.data.encoding import EncodedSample
from domlora.errors import ProbeError
from domlora.models.device import out_of_memory, release, token_budget
from domlora.models.losses import response_losses
from domlora.models.modules import AdaptableModule
from domlora.models.rotary import length_rule
from domlora.probes.recorder import Measurement, MeasuringRecorder, Rows
from domlora.probes.taps import CalledAgain, tapped


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
    rule = length_rule(model)
    repeated: set[int] = set()  # modules that a pass calls several times, as far as is known
    recorder = _Several(recorders)
    one_pass = activation_backward if any(r.needs_gradient for r in recorders) else activation_forward
    with frozen(model):
        while True:
            queue = deque(group_by_length(samples, tokens, max_samples, rule))
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


@contextmanager
def frozen(model: PreTrainedModel) -> Iterator[None]:
    """Eval mode, no weight takes a gradient, the embedding's output does; all restored at the end."""
    training = model.training
    flags = [(p, p.requires_grad) for p in model.parameters()]

    def start_graph(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        # A copy: some models write to their embeddings in place, which a leaf does not allow.
        return output.detach().requires_grad_().clone()

    handles = [module.register_forward_hook(start_graph) for module in _embeddings(model)]
    try:
        model.eval().requires_grad_(False)
        yield
    finally:
        for handle in handles:
            handle.remove()
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        model.train(training)


def _embeddings(model: PreTrainedModel) -> list[nn.Module]:
    """Where the graph starts: the input embedding, and the further modules that an encoder and a decoder read from."""
    first = model.get_input_embeddings()
    halves = (model.get_encoder(), model.get_decoder()) if getattr(model.config, "is_encoder_decoder", False) else ()
    found = [first, *(half.get_input_embeddings() for half in halves)]
    found += [m for m in model.modules() if isinstance(m, nn.Embedding) and m.weight is first.weight]
    return list(dict.fromkeys(found))


def activation_backward(model: PreTrainedModel, batch: Batch, rows: Sequence[int]) -> torch.Tensor:
    """Forward and backward of the sum of the batch's losses: each sample's activations get the gradient of its own.

    Args:
        rows: where each sample came from, to name one in an error.

    Returns:
        (B,) losses.

    Raises:
        ProbeError: a loss that is not finite, or no path from the embeddings to the loss.
    """
    losses = _finite_losses(model, batch, rows)
    if not losses.requires_grad:
        raise ProbeError(f"{type(model).__name__} does not pass a gradient from its embeddings to its loss")
    losses.sum().backward()
    return losses.detach()


def activation_forward(model: PreTrainedModel, batch: Batch, rows: Sequence[int]) -> torch.Tensor:
    """The losses alone, without a graph; arguments, result and errors as `activation_backward`."""
    with torch.no_grad():
        return _finite_losses(model, batch, rows)


def _finite_losses(model: PreTrainedModel, batch: Batch, rows: Sequence[int]) -> torch.Tensor:
    losses = response_losses(model, batch)
    bad = [(row, loss) for row, loss in zip(rows, losses.tolist(), strict=True) if not math.isfinite(loss)]
    if bad:
        raise ProbeError(_not_finite(bad, len(rows), model.dtype))
    return losses


def _not_finite(bad: Sequence[tuple[int, float]], count: int, dtype: torch.dtype) -> str:
    """Which rows, and the way out that fits: one row may be at fault, but hardly all of a batch."""
    row, loss = bad[0]
    more = f" (and of {len(bad) - 1} of {count - 1} others)" if len(bad) > 1 else ""
    if dtype != torch.float32:
        way_out = "probe in float32"
    elif len(bad) == count > 1:
        way_out = "the model's own weights are damaged, bring it again"
    else:
        way_out = "take that row out, or bring the model again if its weights are damaged"
    return f"the loss of row {row}{more} is {loss}: {way_out}"
