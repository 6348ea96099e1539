"""One forward and one activation-only backward, with a tap at every module. Knows nothing about energies.

The weights are frozen for the time of a pass, so no weight gradient is ever allocated; the graph starts at the
embedding's output. The output head runs at the positions that predict a response token, and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.weak import WeakIdKeyDictionary
from transformers import PreTrainedModel

from domlora.errors import ProbeError
from domlora.probes.batches import Batch


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

    def output(self, module: int, y: torch.Tensor, rows: Rows) -> None:
        """Called in the forward with a module's output y (B, N, out), without a graph."""

    def partial(self, module: int) -> None:
        """Called in the forward where it is not known which rows belong to which sample: it cannot be measured."""

    def gradient(self, module: int, held: Any, dy: torch.Tensor, rows: Rows) -> None:
        """Called in the backward with what `hold` kept and the gradient dy (B, N, out) of the module's output."""


@contextmanager
def frozen(model: PreTrainedModel) -> Iterator[None]:
    """Eval mode, no weight takes a gradient, the embedding's output does; all restored at the end."""
    training = model.training
    flags = [(p, p.requires_grad) for p in model.parameters()]

    def start_graph(module: nn.Module, args: Any, output: torch.Tensor) -> torch.Tensor:
        # A copy: some models write to their embeddings in place, which a leaf does not allow.
        return output.detach().requires_grad_().clone()

    handle = model.get_input_embeddings().register_forward_hook(start_graph)
    try:
        model.eval().requires_grad_(False)
        yield
    finally:
        handle.remove()
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
        model.train(training)


@contextmanager
def tapped(modules: Sequence[nn.Module], recorder: Recorder, batch: Batch) -> Iterator[list[int]]:
    """Attaches a recorder to modules for one pass and yields how often each was called."""
    samples, tokens = batch.ids.shape
    calls = [0] * len(modules)
    every = Rows(batch.attention, torch.arange(tokens, device=batch.ids.device).expand(samples, tokens))
    held: WeakIdKeyDictionary = WeakIdKeyDictionary()  # input tensor -> what is kept of it, as long as both live

    def tap(i: int) -> Callable[..., None]:
        def after_forward(module: nn.Module, args: tuple, kwargs: dict, output: torch.Tensor) -> None:
            x = args[0] if args else next(iter(kwargs.values()))
            calls[i] += 1
            if x.numel() != samples * tokens * x.shape[-1]:
                recorder.partial(i)  # routed: some tokens only, or all of them in an order of its own
                return
            if calls[i] > 1:
                return  # repeated: the caller sees it in `calls`, and never adds it up wrongly
            if x not in held:
                held[x] = recorder.hold(i, x.detach().reshape(samples, tokens, -1), every)
            kept = held[x]
            recorder.output(i, output.detach().reshape(samples, tokens, -1), every)
            if output.requires_grad:
                shape = (samples, tokens, -1)
                output.register_hook(lambda dy: recorder.gradient(i, kept, dy.detach().reshape(shape), every))

        return after_forward

    recorder.start(batch)
    handles = [module.register_forward_hook(tap(i), with_kwargs=True) for i, module in enumerate(modules)]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def logits_at(model: PreTrainedModel, batch: Batch, row: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Logits (positions, vocabulary) at these rows and positions; the output head runs there and nowhere else.

    The hidden states are gathered on their way into the head, so that whatever a model does to its logits afterwards
    (soft-capping, scaling) still happens.
    """

    def gather(module: nn.Module, args: tuple) -> tuple:
        return (args[0][row, position].unsqueeze(0), *args[1:])  # (1, positions, hidden)

    handle = model.get_output_embeddings().register_forward_pre_hook(gather)
    try:
        mask = batch.attention if batch.padded else None  # without a mask, attention takes its fastest path
        return model(input_ids=batch.ids, attention_mask=mask, use_cache=False).logits[0]
    finally:
        handle.remove()


def response_losses(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy over each sample's response tokens, (B,) in float32."""
    row, position = (batch.response[:, 1:] & batch.attention[:, 1:]).nonzero(as_tuple=True)  # token position + 1
    logits = logits_at(model, batch, row, position)
    losses = F.cross_entropy(logits.float(), batch.ids[row, position + 1], reduction="none")
    count = torch.bincount(row, minlength=len(batch.ids))
    return torch.zeros(len(batch.ids), device=losses.device).index_add(0, row, losses) / count


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
