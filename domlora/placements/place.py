"""Placements: from a name and an energy map to the exact modules, ranks and `peft.LoraConfig` of an adapter.

In: an `EnergyMap` and names such as `dominant`, `random:3`, `qv`, `down@11`. Out: `Placement`s, whose trainable
parameters are known before any model is loaded. May not import torch, transformers or peft at module level: the
dashboard reads placements too (`Placement.lora_config` imports peft when called).
"""

from __future__ import annotations

import hashlib
import heapq
import json
import re
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from domlora.comparison.config import Allocation, Method, SweepConfig
from domlora.energy.energy_map import EnergyMap
from domlora.errors import PlacementError, UsageError
from domlora.placements.names import ATTENTION_KINDS, NAMES, ROUTER_KINDS, Row, check_name, pick, read

__all__ = ["NAMES", "PlacedModule", "Placement", "check_name", "place", "place_all", "same"]

SCHEMA_VERSION = 1

CONV1D_ARCHITECTURES = ("GPT2", "OpenAIGPT")  # their linear layers keep weights (in, out)


GROUPS = ("all-linear", "attention", "mlp")  # what PEFT or a comparison cannot train is left out of these
NEEDS_MODULES: tuple[Method, ...] = ("dora", "pissa", "olora", "eva")  # methods that PEFT has for linear layers only


# PEFT refuses the output projections of these (`_check_lora_target_modules_mamba`).
REFUSING_ARCHITECTURES = ("Mamba", "FalconMamba", "FalconH1", "NemotronH")


class PlacedModule(BaseModel):
    """A module that carries an adapter, and the adapter's rank there.

    Attributes:
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
        fan_in_fan_out: the model keeps its linear weights as (in, out), as GPT-2 does.
        task_type: as PEFT names what the model does; None for a masked model, which PEFT has no name for.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    name: str
    modules: tuple[PlacedModule, ...] = Field(min_length=1)
    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)
    fan_in_fan_out: bool = False
    task_type: Literal["CAUSAL_LM", "SEQ_2_SEQ_LM"] | None = "CAUSAL_LM"

    @property
    def trainable_parameters(self) -> int:
        """Of plain LoRA; `parameters` knows the other methods."""
        return self.parameters()

    def parameters(self, method: Method = "lora") -> int:
        """Trainable parameters: only DoRA adds any to plain LoRA's, one magnitude for each output."""
        plain = sum(module.parameters for module in self.modules)
        return plain + (sum(module.out_features for module in self.modules) if method == "dora" else 0)

    @property
    def signature(self) -> str:
        """Equal for two placements that train the same thing, whatever they are called."""
        content = [sorted((module.module, module.rank) for module in self.modules), self.alpha]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:16]

    @property
    def lowest_layer(self) -> int:
        return min(module.layer for module in self.modules)

    def lora_config(self, method: Method = "lora") -> Any:
        """The `peft.LoraConfig` that `get_peft_model` takes unchanged.

        Target modules are full names, which PEFT matches exactly or after a dot. From 20 names on it shortens the list
        on injection to suffixes that match the same modules of that model. `lora+` differs from `lora` only in
        learning rates. `rslora` has one alpha for all modules: PEFT scales each by alpha / sqrt(its rank). `eva` starts
        from activations: call `peft.initialize_lora_eva_weights`; `rho=1` makes it keep the planned ranks.

        Raises:
            PlacementError: experts or other parameters with a method that PEFT has for linear layers only.
        """
        import peft

        settings = self._settings(method)
        if method == "eva":
            settings["eva_config"] = peft.EvaConfig(rho=1.0)
        return peft.LoraConfig(**settings)

    def snippet(self, method: Method = "lora") -> str:
        """Python that builds the same `LoraConfig`, to paste into any training script."""
        lines = [f"    {key}={_literal(value)}," for key, value in self._settings(method).items()]
        if method == "eva":
            lines.append("    eva_config=EvaConfig(rho=1.0),")
        imports = "EvaConfig, LoraConfig" if method == "eva" else "LoraConfig"
        return "\n".join((f"from peft import {imports}", "", "config = LoraConfig(", *lines, ")", ""))

    def _settings(self, method: Method) -> dict[str, Any]:
        """Arguments of `LoraConfig` that are plain values. A placement of equal ranks has no patterns."""
        parameters = [module.parameter for module in self.modules if module.parameter]
        if parameters and method in NEEDS_MODULES:
            raise PlacementError(
                f"{self.name} holds {parameters[0]}, which PEFT adapts as a parameter, and {method} is for linear "
                "layers only: use lora, lora+ or rslora"
            )
        settings: dict[str, Any] = {
            **({"task_type": self.task_type} if self.task_type else {}),
            "r": self.rank,
            "lora_alpha": _whole(self.alpha),
            "lora_dropout": 0.0,
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
            if method != "rslora":
                settings["alpha_pattern"] = {
                    re.escape(module.parameter or module.module): _whole(self.alpha * module.rank / self.rank)
                    for module in other
                }
        if self.fan_in_fan_out:
            settings["fan_in_fan_out"] = True
        if method == "rslora":
            settings["use_rslora"] = True
        elif method == "dora":
            settings["use_dora"] = True
        elif method in ("pissa", "olora", "eva"):
            settings["init_lora_weights"] = method
        return settings


def place(
    energy: EnergyMap,
    name: str,
    *,
    rank: int = 8,
    alpha: float | None = None,
    budget: int | None = None,
    allocation: Allocation = "equal",
    seed: int = 0,
) -> Placement:
    """The placement of that name; arguments and errors as `place_all`.

    Raises:
        PlacementError: also when the name stands for several placements.
    """
    placements = place_all(energy, [name], rank=rank, alpha=alpha, budget=budget, allocation=allocation, seed=seed)
    if len(placements) > 1:
        raise PlacementError(
            f"{name} stands for {len(placements)} placements ({', '.join(p.name for p in placements[:3])}, ...): "
            "name one of one module, such as random or down@11"
        )
    return placements[0]


def place_all(
    energy: EnergyMap,
    names: Sequence[str],
    *,
    rank: int = 8,
    alpha: float | None = None,
    budget: int | None = None,
    allocation: Allocation = "equal",
    seed: int = 0,
    trainable: bool = False,
) -> tuple[Placement, ...]:
    """Reads names against a map; `random:N`, `same-kind` and `spread:N` become several placements.

    What `random` draws and `same-kind` and `spread` list leaves out modules that another name already holds, where it
    can. The modules of `spread` have equal ranks, and so, by kind, different sizes, unless a budget is given.

    Args:
        names: see `NAMES`; upper and lower case are alike, except in names of modules.
        rank: of every module where neither budget nor allocation changes it.
        alpha: for `rank`, by default twice as much; other ranks keep the scale alpha / rank.
        budget: at most so many trainable parameters a placement (plain LoRA's), instead of `rank`.
        allocation: `equal` takes the largest equal rank in the budget. `energy` gives rank after rank to the module
            with the largest energy / (its rank + 1), so that ranks are proportional to energies, within the budget or
            else within what equal ranks would take; modules that get none are left out.
        seed: of `random` and `spread`.
        trainable: leave out of `GROUPS` what a comparison cannot train.

    Raises:
        UsageError: a name that cannot be read, or an impossible number.
        PlacementError: a name that fits no module, two placements that are the same, a rank above a module's size,
            a budget below rank 1, shares of the scores of a probe that has none.
    """
    if not names:
        raise UsageError(f"name one placement at least: {', '.join(NAMES)}")
    alpha = 2 * rank if alpha is None else alpha
    if rank < 1 or not alpha > 0 or (budget is not None and budget < 1):
        raise UsageError(f"rank {rank}, alpha {alpha:g}, budget {budget}: each must be above 0")
    if allocation not in ("equal", "energy"):
        raise UsageError(f"unknown allocation {allocation!r}: equal or energy")
    columns = [column for column in Row._fields if column in energy.modules]
    _check_amounts(energy, names, allocation)
    measured = energy.modules[columns].assign(energy=energy.preference)  # more is better, whatever the probe
    rows = [Row(**dict(zip(columns, values, strict=True))) for values in measured.itertuples(index=False, name=None)]
    transposed = energy.provenance.architecture.startswith(CONV1D_ARCHITECTURES)
    refusing = energy.provenance.architecture.startswith(REFUSING_ARCHITECTURES)
    placements = []
    for name, picked in pick(rows, [read(name) for name in names], seed):
        if name in GROUPS:
            left = [row for row in picked if not (refusing and row.kind == "ssm.out")]
            picked = [row for row in left if not (trainable and row.parameter)] or picked
        ranks = _ranks(name, picked, rank, budget, allocation)
        nominal = max(sorted(set(ranks.values())), key=Counter(ranks.values()).__getitem__)
        placements.append(
            Placement(
                name=name,
                modules=tuple(
                    PlacedModule(**{k: v for k, v in row._asdict().items() if k != "energy"}, rank=ranks[row.module])
                    for row in picked
                    if row.module in ranks
                ),
                rank=nominal,
                alpha=alpha * nominal / rank,
                fan_in_fan_out=transposed,
                task_type=_task_type(energy),
            )
        )
    for first, second in same(placements):
        both = f"{first} is named twice" if first == second else f"{first} and {second} are the same placement here"
        raise PlacementError(f"{both}: leave one out")
    return tuple(placements)


def _task_type(energy: EnergyMap) -> Literal["CAUSAL_LM", "SEQ_2_SEQ_LM"] | None:
    if "cross" in set(energy.modules["stack"]):  # a decoder that reads what an encoder wrote
        return "SEQ_2_SEQ_LM"
    return None if energy.provenance.architecture.endswith("ForMaskedLM") else "CAUSAL_LM"


def place_for(energy: EnergyMap, config: SweepConfig, names: Sequence[str] | None = None) -> list[Placement]:
    """The placements of a comparison on this map (or those of `names`, with its settings). Errors as `place_all`.

    Raises:
        PlacementError: also for one that a comparison cannot train.
    """
    found = place_all(
        energy,
        config.placements if names is None else names,
        rank=config.rank,
        alpha=config.alpha,
        budget=config.budget,
        allocation=config.allocation,
        seed=config.data_seed,
        trainable=True,
    )
    for placement in found:
        check_trainable(placement)
    return list(found)


def check_trainable(placement: Placement) -> None:
    """Raises PlacementError for what `target_parameters` must name: PEFT does not mix such adapters in a batch."""
    for module in placement.modules:
        if module.parameter:
            raise PlacementError(
                f"a comparison cannot train {module.parameter} (placement {placement.name}), which PEFT adapts as a "
                "parameter, in no mixed batch: write its config with `domlora place` and train it with PEFT directly"
            )


def left_out(energy: EnergyMap, placements: Sequence[Placement]) -> tuple[str, ...]:
    """A warning for each of `GROUPS` among the placements of a comparison that something was left out of."""
    modules = energy.modules
    refused = modules["kind"].eq("ssm.out") & energy.provenance.architecture.startswith(REFUSING_ARCHITECTURES)
    words = "all-linear leaves out ssm.out, which PEFT refuses here, such as"
    asked = any(placement.name == "all-linear" for placement in placements)
    warnings = [f"{words} {name}" for name in _first(refused, energy) if asked]
    if "parameter" not in modules:
        return tuple(warnings)
    lost = modules["parameter"].ne("") & ~modules["kind"].isin(ROUTER_KINDS)
    for placement in placements:
        if placement.name in GROUPS:
            here = lost & modules["kind"].isin(ATTENTION_KINDS) if placement.name == "attention" else lost
            warnings += [
                f"{placement.name} leaves out what PEFT cannot train beside other placements: experts and other "
                f"weights that it adapts as parameters, such as {name}"
                for name in _first(here, energy)
            ]
    return tuple(warnings)


def _first(mask: Any, energy: EnergyMap) -> list[str]:
    """The name of the first module of the map that the mask takes, if it takes any."""
    return energy.modules.loc[mask, "module"].head(1).to_list()


def same(placements: Sequence[Placement]) -> list[tuple[str, str]]:
    """Names of each two placements with the same signature."""
    signed = [(placement.name, placement.signature) for placement in placements]
    return [(a, b) for (a, first), (b, second) in combinations(signed, 2) if first == second]


def _check_amounts(energy: EnergyMap, names: Sequence[str], allocation: Allocation) -> None:
    """Raises PlacementError where something is to be divided that the probe does not measure amounts of."""
    if energy.probe.additive:
        return
    shared = [name for name in names if name.strip().lower().startswith("top-share")]
    if shared or allocation == "energy":
        what, instead = (shared[0], "name top-k:N") if shared else ("ranks by energy", "use equal ranks")
        raise PlacementError(
            f"{what}: {energy.probe.title} gives each module a {energy.probe.measures}, which has no shares: {instead}"
        )


def _ranks(name: str, rows: list[Row], rank: int, budget: int | None, allocation: Allocation) -> dict[str, int]:
    """Module name -> rank, without modules that get none."""
    cost = sum(row.cost for row in rows)
    largest = min(row.largest_rank for row in rows)
    if budget is None and rank > largest:
        row = next(row for row in rows if rank > row.largest_rank)
        raise PlacementError(
            f"rank {rank} is larger than {row.module} ({row.in_features} -> {row.out_features}): "
            f"choose a rank of at most {largest}"
        )
    if allocation == "energy" and len(rows) > 1:  # a single module gets all there is, also without any energy
        return _by_energy(name, rows, rank * cost if budget is None else budget)
    if budget is None:
        return dict.fromkeys((row.module for row in rows), rank)
    if budget < cost:
        raise PlacementError(f"{name}: a budget of {budget:,} is below rank 1; the smallest possible is {cost:,}")
    return dict.fromkeys((row.module for row in rows), min(budget // cost, largest))


def _by_energy(name: str, rows: list[Row], budget: int) -> dict[str, int]:
    """Highest-averages rule: each next rank goes to the largest energy / (rank + 1) that still fits."""
    if not any(row.energy > 0 for row in rows):
        raise PlacementError(f"{name}: none of its modules received any gradient; use equal ranks")
    cheapest = min(row.cost for row in rows if row.energy > 0)
    if budget < cheapest:
        raise PlacementError(f"{name}: a budget of {budget:,} is below rank 1; the smallest possible is {cheapest:,}")
    ranks: dict[str, int] = {}
    left = budget
    heap = [(-row.energy, index) for index, row in enumerate(rows) if row.energy > 0]
    heapq.heapify(heap)
    while heap:
        _, index = heapq.heappop(heap)
        row = rows[index]
        if row.cost > left:
            continue  # the budget only shrinks: this module is done
        left -= row.cost
        ranks[row.module] = reached = ranks.get(row.module, 0) + 1
        if reached < row.largest_rank:
            heapq.heappush(heap, (-row.energy / (reached + 1), index))
    return ranks


def _whole(value: float) -> float | int:
    """16.0 is written as 16, as PEFT and servers have it."""
    return int(value) if float(value).is_integer() else value


def _literal(value: Any) -> str:
    """Python source; lists and dicts one entry a line."""
    if value == []:
        return "[]"
    if isinstance(value, list):
        return "[\n" + "".join(f"        {json.dumps(item)},\n" for item in value) + "    ]"
    if isinstance(value, dict):
        return "{\n" + "".join(f"        {key!r}: {item!r},\n" for key, item in value.items()) + "    }"
    return json.dumps(value) if isinstance(value, str) else repr(value)
