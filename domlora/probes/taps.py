"""One forward and one activation-only backward, with a tap at every module. Knows nothing about energies.

The weights are frozen for the time of a pass, so no weight gradient is ever allocated; the graph starts at the
embedding's output. What a sample's loss is, `losses` knows.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

import torch
from torch import nn
from torch.utils.weak import WeakIdKeyDictionary

from domlora.data.batches import Batch
from domlora.models.experts import ExpertTap, Packing, running_each, showing_linear
from domlora.models.modules import AdaptableModule
from domlora.probes.recorder import Recorder, Rows


class CalledAgain(Exception):
    """A module was called a second time in a pass. The pass must run again with this module among `repeated`.

    Attributes:
        module: its index.
    """

    def __init__(self, module: int) -> None:
        super().__init__(f"module {module} was called again")
        self.module = module


@contextmanager
def tapped(
    model: nn.Module,
    modules: Sequence[AdaptableModule],
    recorder: Recorder,
    batch: Batch,
    repeated: Container[int] = (),
) -> Iterator[list[int]]:
    """Attaches a recorder to modules for one pass and yields how often each was called.

    Args:
        repeated: modules that are called several times in a pass. Their gradient is the sum over the calls, so that
            the recorder gets the rows of all calls side by side, when the pass is over; then they count one call.

    Raises:
        CalledAgain: a module that is not among `repeated` but should be.
    """
    taps = _Taps(recorder, batch, len(modules), repeated)
    recorder.start(batch)
    fused: dict[nn.Module, dict[str, int]] = {}  # module of experts -> parameter -> index
    with ExitStack() as stack:
        for i, module in enumerate(modules):
            owner = model.get_submodule(module.owner)
            if module.fused:
                fused.setdefault(owner, {})[module.name.rpartition(".")[2]] = i
            elif module.called:
                stack.callback(owner.register_forward_hook(taps.after_forward(i), with_kwargs=True).remove)
            else:
                stack.enter_context(showing_linear(owner, partial(taps.product, i)))
        for owner, indices in fused.items():
            stack.enter_context(running_each(owner, taps.expert(indices)))
            stack.callback(owner.register_forward_pre_hook(taps.before_experts(indices)).remove)
        yield taps.calls
        taps.finish()


class _Taps:
    """What happens at each tap of a pass: finds out whose rows a tensor has, and tells the recorder."""

    def __init__(self, recorder: Recorder, batch: Batch, modules: int, repeated: Container[int]) -> None:
        self.recorder, self.batch, self.repeated = recorder, batch, repeated
        self.samples, self.tokens = batch.ids.shape
        self.calls = [0] * modules
        # One for most models; an encoder's and a decoder's, of different widths.
        self.lanes = tuple(Rows(lane.real, lane.position) for lane in batch.lanes)
        self.held: WeakIdKeyDictionary = WeakIdKeyDictionary()  # input -> what is kept of it, as long as both live
        self.kept: dict[int, list[_Call]] = {}  # of repeated modules
        self.foreign: set[int] = set()  # experts that read other rows than the batch's tokens
        self.packed: tuple[torch.Tensor, Packing] | None = None  # of the tokens that went to the expert that runs now

    def after_forward(self, i: int) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple, kwargs: dict, output: torch.Tensor) -> None:
            self.product(i, args[0] if args else next(iter(kwargs.values())), output)

        return hook

    def product(self, i: int, x: torch.Tensor, y: torch.Tensor) -> None:
        """x -> y is what module i computes."""
        self.calls[i] += 1
        rows = next((rows for rows in self.lanes if x.numel() == rows.real.numel() * x.shape[-1]), None)
        if rows is None:
            self.recorder.partial(i)  # routed: some tokens only, or all of them in an order of its own
            return
        if i in self.repeated:
            self.kept.setdefault(i, []).append(_Call(rows, self._by_sample(x), self._by_sample(y)))
            if y.requires_grad:
                y.register_hook(self.kept[i][-1].keep_gradient)
            return
        if self.calls[i] > 1:
            raise CalledAgain(i)
        if x not in self.held:
            self.held[x] = self.recorder.hold(i, self._by_sample(x), rows)
        kept = self.held[x]
        self.recorder.output(i, kept, self._by_sample(y), rows)
        if y.requires_grad:
            y.register_hook(lambda dy: self.recorder.gradient(i, kept, self._by_sample(dy), rows))

    def before_experts(self, indices: Mapping[str, int]) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple) -> None:
            tokens = args[0].numel() // args[0].shape[-1]  # all of them, for each expert anew in Llama-4
            for i in indices.values():
                self.calls[i] += 1
                if tokens % (self.samples * self.tokens):
                    self.foreign.add(i)
                    self.recorder.partial(i)

        return hook

    def expert(self, indices: Mapping[str, int]) -> ExpertTap:
        """A tap for one module of experts, whose parameters have these indices."""

        def tap(parameter: str, expert: int, token: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> None:
            i = indices.get(parameter)
            if i is None or i in self.foreign or self.calls[i] > 1:
                return  # called again: the caller sees it in `calls`, and never adds it up wrongly
            if self.packed is None or self.packed[0] is not token:
                self.packed = token, Packing(token, self.batch)
            pack = self.packed[1]
            if not pack.shape[1]:
                return  # padding alone
            rows = Rows(pack.real, pack.position, expert)
            held = self.recorder.hold(i, pack(x), rows)
            self.recorder.output(i, held, pack(y), rows)
            if y.requires_grad:
                y.register_hook(lambda dy: self.recorder.gradient(i, held, pack(dy), rows))

        return tap

    def finish(self) -> None:
        """Hands over what repeated modules did in all their calls."""
        for i, calls in self.kept.items():
            real, position = (torch.cat(parts, dim=1) for parts in zip(*(call.where for call in calls), strict=True))
            rows = Rows(real, position)
            held = self.recorder.hold(i, torch.cat([call.x for call in calls], dim=1), rows)
            self.recorder.output(i, held, torch.cat([call.y for call in calls], dim=1), rows)
            if any(call.dy is not None for call in calls):
                # A call that the loss does not depend on has no gradient, while its neighbours may have one.
                gradients = [torch.zeros_like(c.y) if c.dy is None else c.dy.reshape(c.y.shape) for c in calls]
                self.recorder.gradient(i, held, torch.cat(gradients, dim=1), rows)
            self.calls[i] = 1

    def _by_sample(self, value: torch.Tensor) -> torch.Tensor:
        """(B, N, width) without its graph."""
        return value.detach().reshape(self.samples, -1, value.shape[-1])


class _Call:
    """Inputs, outputs and gradient (B, N, width) of one call of a repeated module."""

    def __init__(self, rows: Rows, x: torch.Tensor, y: torch.Tensor) -> None:
        assert rows.position is not None
        self.where = rows.real, rows.position
        self.x, self.y = x, y
        self.dy: torch.Tensor | None = None

    def keep_gradient(self, dy: torch.Tensor) -> None:
        self.dy = dy.detach()
