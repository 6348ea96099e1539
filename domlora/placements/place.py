"""Placements: from a name and an energy map to the exact modules, ranks and `peft.LoraConfig` of an adapter.

In: an `EnergyMap` and names such as `dominant`, `random:3`, `qv`, `down@11`. Out: `Placement`s, whose trainable
parameters are known before any model is loaded. May not import torch, transformers or peft at module level: the
dashboard reads placements too (`Placement.lora_config` imports peft when called).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Literal

from domlora.energy.energy_map import EnergyMap
from domlora.errors import PlacementError, UsageError
from domlora.models.modules import Ends
from domlora.placements.ends import check_measured, end_rows
from domlora.placements.names import EMBED, HEAD, NAMES, Allocation, check_name, read
from domlora.placements.placement import PlacedModule, Placement, same
from domlora.placements.ranks import check_amounts, spread_ranks
from domlora.placements.rules import Row, named, pick

__all__ = ["NAMES", "PlacedModule", "Placement", "check_name", "place", "place_all", "same"]
CONV1D_ARCHITECTURES = ("GPT2", "OpenAIGPT")  # their linear layers keep weights (in, out)
GROUPS = ("all-linear", "attention", "mlp")  # what PEFT or a comparison cannot train is left out of these
# PEFT refuses the output projections of these (`_check_lora_target_modules_mamba`).
REFUSING_ARCHITECTURES = ("Mamba", "FalconMamba", "FalconH1", "NemotronH")


def place(
    energy: EnergyMap,
    name: str,
    *,
    rank: int = 8,
    alpha: float | None = None,
    budget: int | None = None,
    allocation: Allocation = "equal",
    seed: int = 0,
    ends: Ends | None = None,
) -> Placement:
    """The placement of that name; arguments and errors as `place_all`.

    Raises:
        PlacementError: also when the name stands for several placements.
    """
    placements = place_all(
        energy, [name], rank=rank, alpha=alpha, budget=budget, allocation=allocation, seed=seed, ends=ends
    )
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
    held: Collection[str] = (),
    ends: Ends | None = None,
) -> tuple[Placement, ...]:
    """Reads names against a map; `random:N`, `same-kind` and `spread:N` become several placements.

    What `random` draws and `same-kind` and `spread` list leaves out modules that another name already holds, where it
    can. The modules of `spread` have equal ranks, and so, by kind, different sizes, unless a budget is given.

    Args:
        names: see `NAMES`; upper and lower case are alike, except in names of modules.
        rank: of every module where neither budget nor allocation changes it.
        alpha: for `rank`, by default twice as much; other ranks keep the scale alpha / rank. rsLoRA's is the same for
            all ranks.
        budget: at most so many trainable parameters a placement (plain LoRA's), instead of `rank`.
        allocation: `equal` takes the largest equal rank in the budget. `energy` gives rank after rank to the module
            with the largest energy / (its rank + 1), so that ranks are proportional to energies, within the budget or
            else within what equal ranks would take; modules that get none are left out.
        seed: of `random` and `spread`.
        trainable: leave out of `GROUPS` what a comparison cannot train.
        held: modules that other placements hold, which nothing drawn or listed takes where there are others.
        ends: embedding and head of the model (`models.ends`), which maps do not list: for `lm_head` and `embed`.

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
    check_amounts(energy, names, allocation)
    rows = rows_of(energy)
    transposed = energy.provenance.architecture.startswith(CONV1D_ARCHITECTURES)
    placements = []
    if ends is None and (lost := [name for name in names if read(name).rule in (EMBED, HEAD)]):
        raise PlacementError(
            f"{lost[0]}: embedding and head are in no energy map: give `ends=find_ends(model)` of domlora.models.ends"
        )
    outside = end_rows(ends, energy) if ends is not None else []
    for name, picked in pick(rows, [read(name) for name in names], seed, held, outside):
        if name in GROUPS:
            left = [row for row in picked if not refused(energy, row.kind)]
            picked = [row for row in left if not (trainable and row.parameter)] or picked
        check_measured(name, picked, allocation)
        ranks = spread_ranks(name, picked, rank, budget, allocation)
        nominal = max(sorted(set(ranks.values())), key=Counter(ranks.values()).__getitem__)
        placements.append(
            Placement(
                name=name,
                modules=tuple(placed(row, ranks[row.module]) for row in picked if row.module in ranks),
                rank=nominal,
                alpha=alpha * nominal / rank,
                fan_in_fan_out=transposed and any(row.kind not in (EMBED, HEAD) for row in picked),
                root_alpha=alpha,
                task_type=_task_type(energy),
            )
        )
    for first, second in same(placements):
        both = f"{first} is named twice" if first == second else f"{first} and {second} are the same placement here"
        raise PlacementError(f"{both}: leave one out")
    return tuple(placements)


def placed(row: Row, rank: int) -> PlacedModule:
    """A module of a map with an adapter's rank."""
    return PlacedModule(**{name: value for name, value in row._asdict().items() if name != "energy"}, rank=rank)


def refused(energy: EnergyMap, kind: str) -> bool:
    """Whether PEFT refuses modules of a kind in the architecture of a map."""
    return kind == "ssm.out" and energy.provenance.architecture.startswith(REFUSING_ARCHITECTURES)


def rows_of(energy: EnergyMap) -> list[Row]:
    """The modules of a map in forward order; more energy is better, whatever the probe."""
    columns = [column for column in Row._fields if column in energy.modules]
    measured = energy.modules[columns].assign(energy=energy.preference)
    return [Row(**dict(zip(columns, values, strict=True))) for values in measured.itertuples(index=False, name=None)]


def short_name(energy: EnergyMap, module: str) -> str:
    """The shortest name that means this module of a map alone: `down@11`, else `module:` and its full one."""
    rows = rows_of(energy)
    return named(rows, [row for row in rows if row.module == module])[0][0]


def _task_type(energy: EnergyMap) -> Literal["CAUSAL_LM", "SEQ_2_SEQ_LM"] | None:
    if "cross" in set(energy.modules["stack"]):  # a decoder that reads what an encoder wrote
        return "SEQ_2_SEQ_LM"
    return None if energy.provenance.architecture.endswith("ForMaskedLM") else "CAUSAL_LM"
