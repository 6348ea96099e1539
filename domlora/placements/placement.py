"""A placement: named modules with their ranks, and the `peft.LoraConfig` that trains exactly those. Plain data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from domlora.errors import PlacementError
from domlora.placements.methods import METHODS, Method
from domlora.placements.names import EMBED
from domlora.quoting import literal

SCHEMA_VERSION = 1


class PlacedModule(BaseModel):
    """A module that carries an adapter, and the adapter's rank there.

    Attributes:
        layer: index of its block; -1 of the input embedding, one past the last block's of the output head.
        experts: how many maps of this size it holds, each with an adapter of its own.
        parameter: its name in PEFT's `target_parameters`; "" for what is named in `target_modules`.
    """

    model_config = ConfigDict(frozen=True)

    module: str
    stack: str
    layer: int
    kind: str
    in_features: int
    out_features: int
    rank: int = Field(ge=1)
    experts: int = 1
    parameter: str = ""

    @property
    def parameters(self) -> int:
        """Trainable parameters of plain LoRA: A (rank, in) and B (out, rank), for each expert."""
        return self.rank * self.experts * (self.in_features + self.out_features)


class Placement(BaseModel):
    """Where adapters go, with which ranks.

    Attributes:
        name: as `place` reads it, or as `random` and `same-kind` number it.
        modules: in forward order.
        rank: of every module, or where ranks differ the most frequent one.
        alpha: for `rank`. The scale alpha / rank is the same for every module, also where ranks differ.
        root_alpha: of rsLoRA, one for all ranks: the alpha that was asked for. None, in placements of earlier versions,
            stands for `alpha`.
        fan_in_fan_out: the model keeps its linear weights as (in, out), as GPT-2 does.
        task_type: as PEFT names what the model does; None for a masked model, which PEFT has no name for.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    name: str
    modules: tuple[PlacedModule, ...] = Field(min_length=1)
    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)
    root_alpha: float | None = Field(default=None, gt=0)
    fan_in_fan_out: bool = False
    task_type: Literal["CAUSAL_LM", "SEQ_2_SEQ_LM"] | None = "CAUSAL_LM"

    @property
    def trainable_parameters(self) -> int:
        """Of plain LoRA; `parameters` knows the other methods."""
        return self.parameters()

    def parameters(self, method: Method = "lora") -> int:
        """Trainable parameters: plain LoRA's, and one magnitude for each output where a method (DoRA) has them."""
        plain = sum(module.parameters for module in self.modules)
        return plain + (sum(module.out_features for module in self.modules) if METHODS[method].magnitudes else 0)

    @property
    def signature(self) -> str:
        """Equal for two placements that train the same thing, whatever they are called."""
        content = [sorted((module.module, module.rank) for module in self.modules), self.alpha]
        if self.root_alpha not in (None, self.alpha):
            content.append(self.root_alpha)
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def lowest_layer(self) -> int:
        return min(module.layer for module in self.modules)

    @property
    def highest_rank(self) -> int:
        return max(module.rank for module in self.modules)

    def at_highest_rank(self) -> Placement:
        """The same modules, all at the highest of their ranks or at the number of their inputs: what EVA computes.

        PEFT gives modules that read the same inputs as many directions each, and takes those from others, so that its
        EVA fails on unequal ranks there. The directions of a module come best first: a lower rank takes the first.
        """
        ranks = {module.module: min(self.highest_rank, module.in_features) for module in self.modules}
        modules = tuple(module.model_copy(update={"rank": ranks[module.module]}) for module in self.modules)
        return self.model_copy(update={"modules": modules, "rank": max(ranks.values())})

    def at_rank(self, rank: int, alpha: float) -> Placement:
        """The same modules, all at this rank with this alpha."""
        modules = tuple(module.model_copy(update={"rank": rank}) for module in self.modules)
        return self.model_copy(update={"modules": modules, "rank": rank, "alpha": alpha, "root_alpha": alpha})

    def lora_config(self, method: Method = "lora", dropout: float = 0.0) -> Any:
        """The `peft.LoraConfig` that `get_peft_model` takes unchanged.

        Target modules are full names, which PEFT matches exactly or after a dot. From 20 names on it shortens the list
        on injection to suffixes that match the same modules of that model. `lora+` differs from `lora` only in
        learning rates. `rslora` has one alpha for all modules: PEFT scales each by alpha / sqrt(its rank). `eva` starts
        from activations: call `peft.initialize_lora_eva_weights`; `rho=1` makes it keep the planned ranks, where they
        are equal (`at_highest_rank` says what to do where they are not).

        Args:
            dropout: fraction of an adapter's inputs that is dropped in training.

        Raises:
            PlacementError: experts or other parameters with a method that PEFT has for linear layers only, an
                embedding with one that it has not for embeddings.
        """
        import peft

        objects = {key: getattr(peft, kind)(**given) for key, (kind, given) in METHODS[method].peft_objects.items()}
        return peft.LoraConfig(**self.settings(method, dropout), **objects)

    def snippet(self, method: Method = "lora", dropout: float = 0.0) -> str:
        """Python that builds the same `LoraConfig`, to paste into any training script."""
        objects = METHODS[method].peft_objects
        lines = [f"    {key}={literal(value, 1)}," for key, value in self.settings(method, dropout).items()]
        for key, (kind, given) in objects.items():
            inside = ", ".join(f"{name}={literal(value)}" for name, value in given.items())
            lines.append(f"    {key}={kind}({inside}),")
        imports = ", ".join(sorted({"LoraConfig", *(kind for kind, _ in objects.values())}))
        return "\n".join((f"from peft import {imports}", "", "config = LoraConfig(", *lines, ")", ""))

    def check_method(self, method: Method) -> None:
        """Raises PlacementError for a module of a sort that PEFT does not have the method for."""
        parameters = [module.parameter for module in self.modules if module.parameter]
        info = METHODS[method]
        if parameters and info.linear_only:
            others = sorted(name for name, other in METHODS.items() if not other.linear_only)
            raise PlacementError(
                f"{self.name} holds {parameters[0]}, which PEFT adapts as a parameter, and {method} is for linear "
                f"layers only: use {', '.join(others[:-1])} or {others[-1]}"
            )
        embeddings = [module.module for module in self.modules if module.kind == EMBED]
        if embeddings and not info.embeddings:
            others = sorted(name for name, other in METHODS.items() if other.embeddings)
            raise PlacementError(
                f"{self.name} holds the embedding {embeddings[0]}, which PEFT does not adapt with {method}: use "
                f"{', '.join(others[:-1])} or {others[-1]}"
            )

    def settings(self, method: Method, dropout: float = 0.0) -> dict[str, Any]:
        """Arguments of `LoraConfig` that are plain values. A placement of equal ranks has no patterns.

        Raises:
            PlacementError: as `lora_config`.
        """
        self.check_method(method)
        parameters = [module.parameter for module in self.modules if module.parameter]
        info = METHODS[method]
        settings: dict[str, Any] = {
            **({"task_type": self.task_type} if self.task_type else {}),
            "r": self.rank,
            "lora_alpha": _whole((self.root_alpha if info.root_scale else None) or self.alpha),
            "lora_dropout": dropout,
            "bias": "none",
            "target_modules": [module.module for module in self.modules if not module.parameter],
        }
        if parameters:
            settings["target_parameters"] = parameters
        other = [module for module in self.modules if module.rank != self.rank]
        if other:
            # PEFT anchors a key on both sides itself, as (.*\.)?(key)$; a ^ of ours would make its EVA code, which
            # matches names with their base_model.model. prefix, fall back to the default rank.
            settings["rank_pattern"] = {re.escape(module.parameter or module.module): module.rank for module in other}
            if not info.root_scale:  # else PEFT scales each by alpha / sqrt(its rank)
                settings["alpha_pattern"] = {
                    re.escape(module.parameter or module.module): _whole(self.alpha * module.rank / self.rank)
                    for module in other
                }
        if self.fan_in_fan_out:
            settings["fan_in_fan_out"] = True
        return {**settings, **info.settings}


def same(placements: Sequence[Placement]) -> list[tuple[str, str]]:
    """Names of each two placements with the same signature."""
    signed = [(placement.name, placement.signature) for placement in placements]
    return [(a, b) for (a, first), (b, second) in combinations(signed, 2) if first == second]


def _whole(value: float) -> float | int:
    """16.0 is written as 16, as PEFT and servers have it."""
    return int(value) if float(value).is_integer() else value
