"""Embedding and head among placements: rows for them, which methods they take, and what a tied weight means for them.

In: the `Ends` of a model, which know names and sizes. They are in no map, so they have no energy and no rank by it,
and no group of modules takes them in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from domlora.errors import PlacementError
from domlora.models.modules import Ends
from domlora.placements.methods import METHODS, Method
from domlora.placements.names import EMBED, HEAD, Allocation, read
from domlora.placements.placement import Placement
from domlora.placements.rules import Row

if TYPE_CHECKING:
    from domlora.energy.energy_map import EnergyMap


def needs_ends(energy: EnergyMap, names: Iterable[str]) -> bool:
    """Whether a name stands for what a map does not list: embedding, head, or a module that is perhaps one of them."""
    for rule, value, _ in map(read, names):
        if rule in (EMBED, HEAD) or (rule == "module" and not set(value) <= set(energy.modules["module"])):
            return True
    return False


def end_rows(ends: Ends, energy: EnergyMap) -> list[Row]:
    """Embedding and head as rows: below the first block of a map's model, and above its last one."""
    found = ((EMBED, -1, ends.embed), (HEAD, 1 + int(energy.modules["layer"].max()), ends.head))
    return [
        Row(end.module, "decoder", layer, kind, end.in_features, end.out_features, energy=0.0)
        for kind, layer, end in found
        if end is not None
    ]


def check_measured(name: str, rows: Sequence[Row], allocation: Allocation) -> None:
    """Raises PlacementError where ranks would follow energies that nobody measured."""
    outside = [row for row in rows if row.kind in (EMBED, HEAD)]
    if outside and len(rows) > 1 and allocation == "energy":
        raise PlacementError(f"{name}: {outside[0].module} has no measured energy to rank it by: use equal ranks")


def holds(placement: Placement) -> list[str]:
    """Which of `embed` and `lm_head` a placement holds."""
    kinds = {module.kind for module in placement.modules}
    return [kind for kind in (EMBED, HEAD) if kind in kinds]


def check_tied(placement: Placement, method: Method, ends: Ends) -> None:
    """Raises PlacementError for a method that would change the embedding too: PEFT puts a residual into the weight."""
    if ends.tied and HEAD in holds(placement) and METHODS[method].mutates:
        others = ", ".join(name for name, info in METHODS.items() if not info.mutates)
        raise PlacementError(
            f"{placement.name} with {method}: head and embedding of this model are one weight, and {method} would "
            f"change both: use {others}"
        )


def trained_whole(placement: Placement, names: Sequence[str], ends: Ends) -> tuple[dict[str, Any], int]:
    """What trains the whole weight of embedding or head beside an adapter.

    Where both are one weight, either name trains that weight in both places (`ensure_weight_tying`).

    Args:
        names: of `embed` and `lm_head`.

    Returns:
        Arguments of `peft.LoraConfig`, and how many parameters they make trainable.

    Raises:
        PlacementError: this model has none that PEFT trains so, or the placement has an adapter there.
    """
    known = {EMBED: ends.embed, HEAD: ends.head}
    found = []
    for name in names:
        end = known[name]
        if end is None:
            raise PlacementError(f"--train-whole {name}: this model has none that PEFT can train")
        found.append(end)
    if twice := [name for name in holds(placement) if ends.tied or name in names]:
        raise PlacementError(
            f"{placement.name} has an adapter at {twice[0]}, which --train-whole trains whole: leave one out"
        )
    if ends.tied and ends.head is not None:  # PEFT finds the embedding by the head, whatever its name
        return {"modules_to_save": [ends.head.module], "ensure_weight_tying": True}, ends.head.size
    return {"modules_to_save": [end.module for end in found]}, sum(end.size for end in found)


def tied_words(placements: Iterable[Placement], ends: Ends) -> tuple[str, ...]:
    """A warning, where adapters go to one side of a tied weight; none otherwise."""
    names = [placement.name for placement in placements if holds(placement)]
    if not names or not ends.tied:
        return ()
    return (
        f"embedding and head of this model are one weight (tie_word_embeddings), and {', '.join(names)} adapts one use "
        "of it alone: load such an adapter beside the model, as PEFT does; merged, it would change embedding and head, "
        "unless they are untied first, as `domlora runs export --merged` does",
    )
