"""What in a model can carry an adapter, as data: `AdaptableModule`, the `Census` of all and of the rest, and `Ends`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

Stack = Literal["decoder", "encoder", "cross", "vision"]


class Skipped(BaseModel):
    """A module that could carry an adapter but was not measured, and why."""

    model_config = ConfigDict(frozen=True)

    module: str
    reason: str


@dataclass(frozen=True)
class AdaptableModule:
    """A linear map that LoRA can adapt.

    Attributes:
        name: as in `model.named_modules()`; of experts that are one 3-D tensor the parameter's full name.
        layer: index of its block.
        kind: canonical role, see the head of this file, else named after the module.
        in_features, out_features: of the map it computes (of one expert), whatever way its weight is stored.
        experts: how many maps of that size it holds, each with an adapter of its own.
        parameter: what PEFT's `target_parameters` must name, "" for what its `target_modules` can reach: weights that
            belong to no linear layer, and linear layers whose names PEFT would read as those of experts.
        fused: the weight is a 3-D tensor of all experts.
        called: the module's output is y itself; else (a router with a bare weight) a product inside it is.
        swapped: PEFT takes the weight for its transpose: its `A` reads the output's side (Llama-4's experts).
    """

    name: str
    stack: Stack
    layer: int
    kind: str
    in_features: int
    out_features: int
    experts: int = 1
    parameter: str = ""
    fused: bool = False
    called: bool = True
    swapped: bool = False

    @property
    def owner(self) -> str:
        """Name of the module whose forward computes this map."""
        return self.name.rpartition(".")[0] if self.fused else self.name

    @property
    def fan_in(self) -> int:
        """Columns of PEFT's `A`, whose variance is 1 / (3 · fan_in)."""
        return self.out_features if self.swapped else self.in_features


@dataclass(frozen=True)
class Census:
    """Modules in the order of `named_modules()`, and the weights in the blocks that are not covered."""

    modules: tuple[AdaptableModule, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class End:
    """The input embedding (vocabulary -> hidden) or the output head (hidden -> vocabulary), by its full name."""

    module: str
    in_features: int
    out_features: int

    @property
    def size(self) -> int:
        """Parameters of its weight."""
        return self.in_features * self.out_features


@dataclass(frozen=True)
class Ends:
    """What lies before and after the blocks, which no map measures; None where PEFT has no adapter for it.

    Attributes:
        tied: embedding and head are one weight (`tie_word_embeddings`).
    """

    embed: End | None
    head: End | None
    tied: bool
