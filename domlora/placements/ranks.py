"""Ranks of a placement's modules: equal ones, or as a budget and the modules' energies divide them."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TYPE_CHECKING

from domlora.errors import PlacementError
from domlora.placements.names import Allocation
from domlora.placements.rules import Row

if TYPE_CHECKING:
    from domlora.energy.energy_map import EnergyMap


def check_amounts(energy: EnergyMap, names: Sequence[str], allocation: Allocation) -> None:
    """Raises PlacementError where something is to be divided that the probe does not measure amounts of."""
    if energy.probe.additive:
        return
    shared = [name for name in names if name.strip().lower().startswith("top-share")]
    if shared or allocation == "energy":
        what, instead = (shared[0], "name top-k:N") if shared else ("ranks by energy", "use equal ranks")
        raise PlacementError(
            f"{what}: {energy.probe.title} gives each module a {energy.probe.measures}, which has no shares: {instead}"
        )


def spread_ranks(name: str, rows: list[Row], rank: int, budget: int | None, allocation: Allocation) -> dict[str, int]:
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
