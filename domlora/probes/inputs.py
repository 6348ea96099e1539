"""How long each row of a module's input is, known as soon as its output is there, without a backward.

A recorder sees an input once for all modules that read it (`hold`), and its gradients name it again; a forward alone
does not. This class notices at the modules themselves which tensor each is about to read. Knows no scores.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle
from torch.utils.weak import WeakIdKeyDictionary

from domlora.modules import AdaptableModule


class InputNorms:
    """Norms of the rows of what modules read. `held` and `of` are to be called from a recorder's `hold` and `output`.

    Hooks go with this object, at the latest: a pass that fails leaves none on the model.
    """

    def __init__(self, model: nn.Module, modules: Sequence[AdaptableModule]) -> None:
        self.reading: dict[int, torch.Tensor] = {}  # what a module has been called with and not yet answered
        self.norms: WeakIdKeyDictionary = WeakIdKeyDictionary()  # input -> (B, N), as long as it lives
        self.own: dict[int, torch.Tensor] = {}  # module -> (B, N), held for its present call
        handles = [
            model.get_submodule(module.name).register_forward_pre_hook(_see(weakref.ref(self), i), with_kwargs=True)
            for i, module in enumerate(modules)
            if module.called and not module.fused  # others never share what they read: `held` comes for each call
        ]
        self.close = weakref.finalize(self, _remove, handles)

    def held(self, module: int, x: torch.Tensor) -> None:
        """x (B, N, in) is what this module reads, and others may after it."""
        norms = torch.linalg.vector_norm(x, dim=2, dtype=torch.float32)
        self.own[module] = norms
        if module in self.reading:
            self.norms[self.reading[module]] = norms

    def of(self, module: int) -> torch.Tensor:
        """(B, N) Euclidean norms of what the module read to give the output that is there now."""
        x = self.reading.pop(module, None)
        own = self.own.pop(module, None)
        return own if own is not None else self.norms[x]

    def clear(self) -> None:
        """A new batch begins, perhaps after one that did not get through."""
        self.reading.clear()
        self.own.clear()


def _see(watch: weakref.ref[InputNorms], i: int) -> Callable[..., None]:
    def before_forward(module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
        alive = watch()
        if alive is not None:
            alive.reading[i] = args[0] if args else next(iter(kwargs.values()))

    return before_forward


def _remove(handles: Sequence[RemovableHandle]) -> None:
    for handle in handles:
        handle.remove()
