"""Placements as a comparison can train them: names read against a map, what it refuses, and what it leaves out.

PEFT trains several adapters in one batch only where each stands at linear layers, so experts and other parameters that
`target_parameters` must name are refused by name and left out of groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from domlora.comparison.config import SweepConfig
from domlora.energy.energy_map import EnergyMap
from domlora.errors import PlacementError, UsageError
from domlora.models.kinds import ATTENTION_KINDS, ROUTER_KINDS
from domlora.models.modules import Ends
from domlora.placements.ends import check_tied, holds
from domlora.placements.names import RANDOM
from domlora.placements.place import GROUPS, REFUSING_ARCHITECTURES, place_all
from domlora.placements.placement import Placement, same


def place_for(
    energy: EnergyMap,
    config: SweepConfig,
    asked: Sequence[str | Placement] | None = None,
    ends: Ends | None = None,
) -> list[Placement]:
    """The placements of a comparison: those that are given as such, then those that names stand for on this map.

    Names are read together, so that `random` draws no module that another name holds. Errors as `place_all`.

    Args:
        asked: names and placements; None stands for the names of `config`.
        ends: embedding and head of the model, where names ask for them.

    Raises:
        UsageError: two of one name, or two that are the same.
        PlacementError: also for a name whose placement a comparison cannot train, or not with one of its methods.
    """
    asked = config.placements if asked is None else asked
    own = [item for item in asked if isinstance(item, Placement)]
    names = [item for item in asked if isinstance(item, str)]
    read: tuple[Placement, ...] = ()
    if names or not own:
        read = place_all(
            energy,
            names,
            rank=config.rank,
            alpha=config.alpha,
            budget=config.budget,
            allocation=config.allocation,
            seed=config.data_seed,
            trainable=True,
            held={placement.modules[0].module for placement in own if len(placement.modules) == 1},
            ends=ends,
        )
    for placement in read:
        check_trainable(placement)
    for placement in (*own, *read):
        for method in config.methods if holds(placement) else ():
            placement.check_method(method)
            if ends is not None:
                check_tied(placement, method, ends)
    found = _distinct([*own, *_numbered_on(read, {placement.name for placement in own})])
    if unknown := config.rates_by_name.keys() - {placement.name for placement in found}:
        known = ", ".join(placement.name for placement in found)
        raise UsageError(f"{min(unknown)} has rates of its own, and is no placement of this comparison: it has {known}")
    return found


def _numbered_on(read: Sequence[Placement], taken: set[str]) -> list[Placement]:
    """Random placements count on from those that are there."""
    renamed = []
    for placement in read:
        name, number = placement.name, 1
        while name in taken and RANDOM.fullmatch(name):
            name, number = f"random-{number}", number + 1
        taken.add(name)
        renamed.append(placement.model_copy(update={"name": name}))
    return renamed


def _distinct(placements: list[Placement]) -> list[Placement]:
    (name, count), *_ = Counter(placement.name for placement in placements).most_common()
    if count > 1:
        raise UsageError(f"{count} placements are called {name}: give them different names")
    for first, second in same(placements):
        raise UsageError(f"{first} and {second} are the same placement: leave one out")
    return placements


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
