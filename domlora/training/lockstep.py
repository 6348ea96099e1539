"""One batch for many variants: forward and backward of each variant's rows on one frozen base model.

The rows of the batch are repeated once a variant, and PEFT's mixed-adapter batches give each row its adapter. Below
its lowest adapter a variant computes exactly what the base model does, so these blocks run once for all:

    block       0  1  2  3  4  5 ...
    base rows   =========>              once, without a gradient; hidden states are kept at every entry
    variant a         --------------->  enters at its lowest adapted block with a copy of the base's rows
    variant b                  ------>

An adapter of the input embedding changes the rows before the first block: such variants share no block, only batches.
Knows adapters, not optimizers or data sets.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_map
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from domlora.data.batches import Batch
from domlora.errors import ProbeError
from domlora.models.device import out_of_memory, release, token_budget
from domlora.models.experts import patched
from domlora.models.losses import logits_at
from domlora.training.adapters import Adapter, Adapters

NO_ADAPTER = "__base__"  # PEFT's name for rows of the base model
AGREEMENT = 1e-4  # of losses with and without shared blocks; 20 times that in half precision

log = logging.getLogger(__name__)


class NoMemory(ProbeError):
    """Not even one variant fits into memory with the rows of a batch."""

    def __init__(self, batch: Batch) -> None:
        rows, width = batch.ids.shape
        super().__init__(
            f"no memory for {rows} rows of {width} tokens of one variant: use a smaller batch with more accumulation, "
            "or a shorter --max-length"
        )


@dataclass(frozen=True)
class RowResults:
    """What the rows of a batch gave, per variant.

    Attributes:
        losses: (V, B) mean cross-entropy over each row's response tokens, float32.
        accuracies: (V, B) fraction of the row's response tokens that are the most likely ones.
    """

    losses: torch.Tensor
    accuracies: torch.Tensor


class Lockstep:
    """Runs batches for any of the adapters that are attached to a model.

    Args:
        checkpointing: blocks run again in the backward pass instead of keeping their activations.
        passed: called with the rows of each group of variants that `backward` is through with: of many variants a
            single batch takes minutes.

    Attributes:
        shared: whether blocks below a variant's lowest adapter run once for all variants. Off for a model whose
            blocks do not pass their rows on in the ordinary way (found out by `check`).
    """

    def __init__(
        self, adapters: Adapters, checkpointing: bool = False, passed: Callable[[int], None] = lambda rows: None
    ) -> None:
        self.adapters = adapters
        self.passed = passed
        self.checkpointing = checkpointing
        self.model = adapters.model
        self.shared = True
        self.max_tokens: int | None = None  # of a group of variants; learned from running out of memory

    @torch.no_grad()
    def evaluate(self, batch: Batch, variants: Sequence[Adapter]) -> RowResults:
        """Losses and accuracies, without gradients."""
        entries = self._entries(batch, variants)

        def run(group: Sequence[Adapter]) -> RowResults:
            with self._rows(batch, group, entries) as found:
                return found

        parts = list(self._groups(batch, variants, run))
        order = [adapter for group, _ in parts for adapter in group]
        place = [order.index(adapter) for adapter in variants]
        losses, accuracies = (
            torch.cat([getattr(found, name) for _, found in parts])[place] for name in ("losses", "accuracies")
        )
        return RowResults(losses, accuracies)

    def backward(self, batch: Batch, variants: Sequence[Adapter], weights: torch.Tensor | float) -> torch.Tensor:
        """Adds the gradient of `Σ_rows weight · loss` to each variant's parameters, and returns (V, B) losses.

        The sum over variants has no cross terms: no parameter belongs to two of them.

        Args:
            weights: (B,) of the rows in the loss of the step, or one for all.
        """
        entries = self._entries(batch, variants)

        def run(group: Sequence[Adapter]) -> torch.Tensor:
            parameters = [parameter for adapter in group for parameter in adapter.parameters]
            with self._rows(batch, group, entries) as found:  # around the backward, which may run blocks again
                # Not .backward(): a group that runs out of memory must not leave half of its gradients behind.
                # Unused: a module that no row of this batch reaches, such as an expert.
                gradients = torch.autograd.grad((found.losses * weights).sum(), parameters, allow_unused=True)
            for parameter, gradient in zip(parameters, gradients, strict=True):
                if gradient is not None:
                    parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient
            return found.losses.detach()

        losses: dict[str, torch.Tensor] = {}
        for group, rows in self._groups(batch, variants, run):
            losses |= {adapter.key: row for adapter, row in zip(group, rows, strict=True)}
            self.passed(rows.numel())
        return torch.stack([losses[adapter.key] for adapter in variants])

    @torch.no_grad()
    def check(self, batch: Batch, variants: Sequence[Adapter]) -> None:
        """Turns `shared` off if the first and the last variant to enter do not give the same losses without it."""
        by_entry = sorted(filter(_enters, variants), key=lambda adapter: adapter.placement.lowest_layer)
        if not by_entry:
            return
        ends = list(dict.fromkeys((by_entry[0], by_entry[-1])))
        found = {}
        try:
            for self.shared in (False, True):
                found[self.shared] = self.evaluate(batch, ends).losses
        except (TypeError, ValueError, LookupError, RuntimeError) as error:
            if not self.shared:
                raise
            # Blocks that return tuples (Falcon, BLOOM, GPT-J) or are called in ways of their own.
            log.info("blocks of %s are not shared: %s", type(self.model).__name__, error)
            self.shared = False
            return
        tolerance = AGREEMENT * (20 if self.model.dtype.itemsize < 4 else 1)
        self.shared = torch.allclose(found[True], found[False], rtol=tolerance, atol=tolerance, equal_nan=True)

    def _groups(
        self, batch: Batch, variants: Sequence[Adapter], run: Callable[[Sequence[Adapter]], Any]
    ) -> Iterator[tuple[Sequence[Adapter], Any]]:
        """Runs the variants in groups that fit into memory; one that does not fit is halved and run again."""
        rows, width = batch.ids.shape
        budget = self.max_tokens or token_budget(self.model, width, batch.ids.device)
        queue = _in_groups(variants, max(1, budget // (rows * width)))
        while queue:
            group = queue.pop(0)
            try:
                # Around the backward too: autograd reads some weights (Conv1D's) only then.
                with self.adapters.only(group[0]) if group[0].alone else nullcontext():
                    found = run(group)
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                if len(group) == 1:
                    raise NoMemory(batch) from error
            else:
                yield group, found
                continue
            release(batch.ids.device)  # not above: as long as the error lives, so does what its frames hold
            self.max_tokens = max(1, len(group) // 2) * rows * width
            queue = [*_in_groups(group, (len(group) + 1) // 2), *queue]

    @contextmanager
    def _rows(
        self, batch: Batch, group: Sequence[Adapter], entries: dict[int, torch.Tensor]
    ) -> Iterator[RowResults]:  # fmt: skip
        """One pass of a group: all variants that may be mixed, or a single one that may not."""
        with ExitStack() as stack:
            if entries and _enters(group[0]):
                stack.enter_context(self._entering(group, entries, len(batch.ids)))
                yield _row_results(self.model, batch, len(group))
                return
            names = None if group[0].alone else [a.key for a in group for _ in range(len(batch.ids))]
            stack.enter_context(self._named(names))
            if self.checkpointing:
                stack.enter_context(self._wrapped(lambda _, run: self._again(run, names)))
            yield _row_results(self.model, _repeated(batch, len(group)), len(group))

    # Blocks that run once

    def _blocks(self) -> nn.ModuleList:
        for name, _ in self.adapters.layers():
            parts = name.split(".")
            depth = next((i for i, part in enumerate(parts) if part.isdigit()), None)
            if depth is not None:
                return self.model.get_submodule(".".join(parts[:depth]))
        # No block carries an adapter.
        return next(module for module in self.model.get_decoder().modules() if isinstance(module, nn.ModuleList))

    def _entry(self, adapter: Adapter) -> int:
        """Index of the block where a variant enters; one of the head alone runs the last block on its own rows."""
        return min(adapter.placement.lowest_layer, len(self._blocks()) - 1)

    @torch.no_grad()
    def _entries(self, batch: Batch, variants: Sequence[Adapter]) -> dict[int, torch.Tensor]:
        """The base's hidden states (B, T, hidden) at each block where a variant enters; empty if not shared."""
        if not self.shared:
            return {}
        starts = {self._entry(adapter) for adapter in variants if _enters(adapter)}
        if not starts:
            return {}
        last, found = max(starts), {}

        def wrap(index: int, run: Callable[..., Any]) -> Callable[..., Any]:
            def forward(hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
                if index in starts:
                    found[index] = hidden
                return hidden if index >= last else run(hidden, *args, **kwargs)

            return forward

        nowhere = torch.zeros(0, dtype=torch.long, device=batch.ids.device)
        with self._wrapped(wrap), self._named([NO_ADAPTER] * len(batch.ids)), _memory(batch):
            logits_at(self.model, batch, nowhere, nowhere)
        return found

    @contextmanager
    def _entering(self, group: Sequence[Adapter], entries: dict[int, torch.Tensor], rows: int) -> Iterator[None]:
        """The blocks carry the group's rows, each variant's from its lowest adapted block on."""
        first, last = self._entry(group[0]), len(self._blocks()) - 1
        present: list[Adapter] = []
        carried: list[torch.Tensor] = []
        names: list[str] | None = None if group[0].alone else []

        def wrap(index: int, run: Callable[..., Any]) -> Callable[..., Any]:
            def forward(hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
                entering = [adapter for adapter in group if self._entry(adapter) == index]
                if entering:
                    carried[:] = [torch.cat([*carried, *[entries[index]] * len(entering)])]
                    present.extend(entering)
                    if names is not None:
                        names[:] = [adapter.key for adapter in present for _ in range(rows)]
                if index < first:
                    return hidden
                args, kwargs = tree_map(lambda leaf: _for_rows(leaf, rows, len(present)), (args, kwargs))
                found = self._again(run, names)(carried[0], *args, **kwargs)
                carried[0] = found if isinstance(found, torch.Tensor) else found[0]
                # What comes after the blocks sees the variants' rows; until then the model's own rows go along idly.
                return carried[0] if index == last else hidden

            return forward

        with self._wrapped(wrap), self._named(names):
            yield

    def _again(self, run: Callable[..., Any], names: list[str] | None) -> Callable[..., Any]:
        """The block, so that the backward pass runs it again with the rows' adapters as they are now."""
        if not self.checkpointing:
            return run

        def forward(hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
            now = None if names is None else list(names)

            def block(hidden: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
                if names is None or now is None:
                    return run(hidden, *args, **kwargs)
                later = list(names)
                names[:] = now
                try:
                    return run(hidden, *args, **kwargs)
                finally:
                    names[:] = later

            return checkpoint(block, hidden, *args, use_reentrant=False, **kwargs)

        return forward

    @contextmanager
    def _wrapped(self, wrap: Callable[[int, Callable[..., Any]], Callable[..., Any]]) -> Iterator[None]:
        """Each block's forward is wrapped; its own (also one that accelerate has put there) is back afterwards."""
        with ExitStack() as undo:
            for index, block in enumerate(self._blocks()):
                undo.enter_context(patched(block, wrap(index, block.forward)))
            yield

    @contextmanager
    def _named(self, names: list[str] | None) -> Iterator[None]:
        """Tells PEFT's layers which adapter each row has; `names` may be changed while the pass goes on."""
        if names is None:
            yield
            return

        def name_rows(module: nn.Module, args: Any, kwargs: Any) -> Any:
            if not names:  # an embedding, before any variant enters
                return args, {**kwargs, "adapter_names": [NO_ADAPTER] * len(args[0])}
            tokens = len(args[0]) // len(names)  # more than one where a model flattens rows and tokens (OPT)
            of_rows = names if tokens == 1 else [name for name in names for _ in range(tokens)]
            return args, {**kwargs, "adapter_names": of_rows}

        head = self.model.get_output_embeddings()
        with ExitStack() as undo:
            for _, layer in self.adapters.layers():
                if layer is head:
                    undo.enter_context(patched(layer, _naming_positions(layer.forward, names)))
                else:
                    undo.callback(layer.register_forward_pre_hook(name_rows, with_kwargs=True).remove)
            yield


@torch.no_grad()
def base_results(model: PreTrainedModel, batch: Batch) -> RowResults:
    """The model as it is, (1, B)."""
    with _memory(batch):
        return _row_results(model, batch, 1)


@contextmanager
def _memory(batch: Batch) -> Iterator[None]:
    """Says in one line that memory ran out."""
    try:
        yield
    except RuntimeError as error:
        if out_of_memory(error):
            raise NoMemory(batch) from error
        raise


def _naming_positions(run: Callable[..., torch.Tensor], names: list[str]) -> Callable[..., torch.Tensor]:
    """The forward of an adapted head. `logits_at` gives it (1, positions, hidden), variant after variant, each with as
    many positions; PEFT takes one adapter a row, so positions become rows.
    """

    def forward(hidden: torch.Tensor) -> torch.Tensor:
        positions = hidden[0]
        of_positions = [names[i * len(names) // len(positions)] for i in range(len(positions))]
        return run(positions, adapter_names=of_positions).unsqueeze(0)

    return forward


def _enters(adapter: Adapter) -> bool:
    """Whether a variant's rows are the base's up to some block: not where its embedding is adapted."""
    return adapter.placement.lowest_layer >= 0


def _in_groups(variants: Sequence[Adapter], size: int) -> list[list[Adapter]]:
    """Groups of at most `size` variants, lowest entry first; one that cannot be mixed is a group of its own."""
    groups = []
    for enters in (False, True):
        some = [a for a in variants if not a.alone and _enters(a) == enters]
        mixed = sorted(some, key=lambda a: a.placement.lowest_layer)
        groups += [mixed[i : i + size] for i in range(0, len(mixed), size)]
    return groups + [[adapter] for adapter in variants if adapter.alone]


def _repeated(batch: Batch, times: int) -> Batch:
    ids, attention, response = (t.repeat(times, 1) for t in (batch.ids, batch.attention, batch.response))
    return Batch(batch.index, ids, attention, response)


def _for_rows(leaf: Any, rows: int, times: int) -> Any:
    """What a block is told about each row, for every variant's copy of it; one row or none needs no copy."""
    batched = isinstance(leaf, torch.Tensor) and leaf.dim() > 1 and rows > 1 and leaf.shape[0] == rows
    return leaf.repeat(times, *[1] * (leaf.dim() - 1)) if batched else leaf


def _row_results(model: PreTrainedModel, batch: Batch, variants: int) -> RowResults:
    """Losses and accuracies of `variants` copies of the batch's rows; `batch` itself may hold one copy or all."""
    copies = variants * len(batch.index) // len(batch.ids)
    targets = torch.zeros_like(batch.response)
    targets[:, :-1] = batch.response[:, 1:] & batch.attention[:, 1:]  # at the position that predicts the token
    row, position = targets.nonzero(as_tuple=True)
    wanted = batch.ids[row, position + 1].repeat(copies)
    row = (row + torch.arange(copies, device=row.device).unsqueeze(1) * len(batch.ids)).flatten()
    logits = logits_at(model, batch, row, position.repeat(copies)).float()
    losses = F.cross_entropy(logits, wanted, reduction="none")
    hits = (logits.detach().argmax(-1) == wanted).float()
    rows = variants * len(batch.index)
    count = torch.bincount(row, minlength=rows)
    mean = [torch.zeros(rows, device=row.device).index_add(0, row, value) / count for value in (losses, hits)]
    return RowResults(*(value.view(variants, len(batch.index)) for value in mean))
