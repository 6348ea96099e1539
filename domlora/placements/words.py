"""Placements and modules in a few words, for tables and charts. Plain text in and out."""

from __future__ import annotations

from collections.abc import Sequence

from domlora.placements.placement import Placement


def short(module: str) -> str:
    """`model.layers.11.mlp.down_proj` -> `layers.11.mlp.down_proj`."""
    return module.split(".", 1)[1] if module.count(".") > 2 else module


def short_name(name: str) -> str:
    """Picked modules are named in full by the placement; for charts and tables the first and their number will do."""
    if not name.startswith("module:"):
        return name
    modules, _, method = name.removeprefix("module:").partition(" ")
    first, *others = modules.split("+")
    return short(first) + (f" and {len(others)} more" if others else "") + (f" {method}" if method else "")


def where(placement: Placement) -> str:
    """The modules of a placement in a few words."""
    names = [short(placed.module) for placed in placement.modules]
    return ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")


def ranks(placement: Placement) -> str:
    """`8`, or `1 to 12` where they differ."""
    found = {placed.rank for placed in placement.modules}
    return f"{min(found)}" if len(found) == 1 else f"{min(found)} to {max(found)}"


def placement_rows(placements: Sequence[Placement]) -> list[dict[str, object]]:
    """What each placement is, for a table."""
    most = max((p.trainable_parameters for p in placements), default=1)
    return [
        {
            "placement": short_name(p.name), "modules": len(p.modules), "ranks": ranks(p),
            "trainable parameters": p.trainable_parameters, "of the largest": f"{p.trainable_parameters / most:.1%}",
            "where": where(p),
        }
        for p in placements
    ]  # fmt: skip
