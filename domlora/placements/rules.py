"""The rules behind the names of placements: modules of a map in, the modules that a name picks out.

`names` reads a name, this file knows what each picks, `ranks` gives the picked their ranks.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Any, NamedTuple

import numpy as np

from domlora.errors import PlacementError
from domlora.models.kinds import ATTENTION_KINDS, KINDS, MLP_KINDS, ROUTER_KINDS
from domlora.placements.names import EMBED, HEAD, Name


class Row(NamedTuple):
    """What a placement needs to know of a measured module: these columns of a map, the last two where it has them."""

    module: str
    stack: str
    layer: int
    kind: str
    in_features: int
    out_features: int
    energy: float
    experts: int = 1
    parameter: str = ""

    @property
    def cost(self) -> int:
        """Trainable parameters of one rank."""
        return self.experts * (self.in_features + self.out_features)

    @property
    def largest_rank(self) -> int:
        return min(self.in_features, self.out_features)


def pick(
    rows: list[Row], names: Sequence[Name], seed: int, held: Collection[str] = (), ends: Sequence[Row] = ()
) -> list[tuple[str, list[Row]]]:
    """Name and modules of each placement, modules in forward order, placements in the order of `names`.

    Args:
        held: modules that placements which are there already hold alone: what is drawn or listed leaves them out.
        ends: embedding and head, in forward order: they are named or left out.

    Raises:
        PlacementError: a name that fits no module, or more are asked for than there are.
    """
    found: dict[int, list[tuple[str, list[Row]]]] = {}
    for index, name in enumerate(names):
        if name.rule in _PICKED:
            known = _with_ends(rows, ends) if name.rule in ("module", EMBED, HEAD) else rows
            chosen = set(_PICKED[name.rule](known, name.value))
            if not chosen:
                raise PlacementError(f"{name.text} fits no module of this model: its kinds are {_kinds(known)}")
            found[index] = [(name.text, [row for row in known if row in chosen])]
    # What is drawn or listed comes last, to leave out what is named.
    for rule, draw in (("random", _random), ("same-kind", _same_kind), ("spread", _spread)):
        single = {picked[0].module for many in found.values() for _, picked in many if len(picked) == 1} | set(held)
        for index, name in enumerate(names):
            if name.rule == rule:
                found[index] = [(text, [row]) for text, row in draw(rows, name, single, seed)]
    return [one for index in sorted(found) for one in found[index]]


def _with_ends(rows: list[Row], ends: Sequence[Row]) -> list[Row]:
    first, last = ([end for end in ends if end.kind == kind] for kind in (EMBED, HEAD))
    return [*first, *rows, *last]


def _strongest(rows: Sequence[Row]) -> list[Row]:
    """By energy, the first in forward order where equal, as `EnergyMap.table`."""
    ordered = sorted(rows, key=lambda row: -row.energy)
    if not ordered[0].energy > 0:
        raise PlacementError("no module received any gradient: place by kind or by name, or probe other samples")
    return ordered


def _top_k(rows: list[Row], count: int) -> list[Row]:
    if count > len(rows):
        raise PlacementError(f"top-k:{count}: this model has only {len(rows)} measured modules")
    return _strongest(rows)[:count]


def _top_share(rows: list[Row], share: float) -> list[Row]:
    ordered = _strongest(rows)
    held = np.cumsum([row.energy for row in ordered])
    # The last sum is 1 but for rounding: a fraction that is met to 12 digits is met.
    return ordered[: int(np.searchsorted(held / held[-1], share - 1e-12)) + 1]


def _least(rows: list[Row], _: None) -> list[Row]:
    return [min(_others(rows, "least"), key=lambda row: row.energy)]


def _others(rows: list[Row], what: str) -> list[Row]:
    """Modules of the dominant one's stack and kind, without it."""
    best = _strongest(rows)[0]
    others = [row for row in rows if (row.stack, row.kind) == (best.stack, best.kind) and row != best]
    if not others:
        raise PlacementError(f"{what}: no other module is of the kind of {best.module} ({best.kind}); leave it out")
    return others


def _attention(rows: list[Row], _: None) -> list[Row]:
    return [r for r in rows if r.kind in ATTENTION_KINDS or _by_path(r, r"attn|attention")]


def _mlp(rows: list[Row], _: None) -> list[Row]:
    return [r for r in rows if r.kind in MLP_KINDS or _by_path(r, r"mlp|feed_?forward|ffn|experts|\.ff\.|DenseRelu")]


def _by_path(row: Row, pattern: str) -> bool:
    """Where a module's kind is not a canonical one, its name tells what it belongs to."""
    return row.kind not in KINDS and re.search(pattern, row.module, re.IGNORECASE) is not None


def _qv(rows: list[Row], _: None) -> list[Row]:
    split = {row.stack for row in rows if row.kind in ("q", "v")}
    return [r for r in rows if r.kind in ("q", "v", "q_b", "kv_b") or (r.kind == "qkv" and r.stack not in split)]


def _kind_at(rows: list[Row], value: tuple[str, int]) -> list[Row]:
    kind, layer = value
    found = [row for row in rows if row.kind.lower() == kind and row.layer == layer]
    if not found:
        layers = [row.layer for row in rows if row.kind.lower() == kind]
        known = f"layers {min(layers)} to {max(layers)} have {kind}" if layers else f"its kinds are {_kinds(rows)}"
        raise PlacementError(f"{kind}@{layer} fits no module of this model: {known}")
    if len(found) > 1:
        names = " or ".join(f"module:{row.module}" for row in found)
        raise PlacementError(f"{kind}@{layer} fits {len(found)} modules: name one, as {names}")
    return found


def _modules(rows: list[Row], names: tuple[str, ...]) -> list[Row]:
    known = {row.module: row for row in rows}
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=3)
            hint = f"close are {', '.join(close)}" if close else f"one is {rows[0].module}"
            raise PlacementError(f"the map has no module {name!r}: {hint}")
    return [known[name] for name in names]


def _kinds(rows: list[Row]) -> str:
    return ", ".join(dict.fromkeys(row.kind for row in rows))


# A rule gets all modules in forward order and its value, and returns the modules of one placement.
_PICKED: dict[str, Callable[[list[Row], Any], list[Row]]] = {
    "dominant": lambda rows, _: _strongest(rows)[:1],
    "top-k": _top_k,
    "top-share": _top_share,
    "all-linear": lambda rows, _: [row for row in rows if row.kind not in ROUTER_KINDS],
    "attention": _attention,
    "mlp": _mlp,
    "qv": _qv,
    "kind": lambda rows, kind: [row for row in rows if row.kind.lower() == kind],
    "kind@layer": _kind_at,
    "least": _least,
    "module": _modules,
    EMBED: lambda rows, _: [row for row in rows if row.kind == EMBED],
    HEAD: lambda rows, _: [row for row in rows if row.kind == HEAD],
}


def _random(rows: list[Row], name: Name, held: Collection[str], seed: int) -> list[tuple[str, Row]]:
    """Modules of the dominant one's kind and size in a drawn order; those that another name holds go last."""
    best = _strongest(rows)[0]
    shape = sorted((best.in_features, best.out_features))
    others = [row for row in _others(rows, name.text) if sorted((row.in_features, row.out_features)) == shape]
    if name.value > len(others):
        raise PlacementError(
            f"{name.text}: this model has {len(others)} other {best.kind} modules of the size of {best.module}; "
            "ask for at most so many"
        )
    drawn = [others[i] for i in np.random.default_rng(seed).permutation(len(others))]
    drawn.sort(key=lambda row: row.module in held)
    return [(f"random-{i + 1}", row) for i, row in enumerate(drawn[: name.value])]


def _same_kind(rows: list[Row], name: Name, held: Collection[str], seed: int) -> list[tuple[str, Row]]:
    best = _strongest(rows)[0]
    alike = [row for row in rows if (row.stack, row.kind) == (best.stack, best.kind)]
    free = [row for row in alike if row.module not in held]
    return named(rows, free or alike)


def _spread(rows: list[Row], name: Name, held: Collection[str], seed: int) -> list[tuple[str, Row]]:
    """As many modules of each kind as of any other, and a kind's modules at even distances over the layers.

    Each kind begins at a layer of its own, that of the dominant module with it (unless another name holds it), so that
    all together cover the depth; the seed turns the layers and the order of the kinds. Routers are left out, as in
    `all-linear`, and what a comparison cannot train (`Row.parameter`). Ranks are equal, as PAGE scores them, so kinds
    differ in trainable parameters unless a budget is given.
    """
    best = _strongest(rows)[0]
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if row.module not in held and not row.parameter and (row.kind not in ROUTER_KINDS or row == best):
            groups.setdefault((row.stack, row.kind), []).append(row)
    total = sum(map(len, groups.values()))
    if name.value > total:
        raise PlacementError(f"{name.text}: this model has {total} modules to spread over; ask for at most so many")
    generator = np.random.default_rng(seed)
    kinds = [list(groups)[i] for i in generator.permutation(len(groups))]
    kinds.sort(key=lambda kind: kind != (best.stack, best.kind))  # the dominant one's kind first: it gets one for sure
    counts = dict.fromkeys(kinds, 0)
    while sum(counts.values()) < name.value:
        for kind in kinds:
            if counts[kind] < len(groups[kind]) and sum(counts.values()) < name.value:
                counts[kind] += 1
    start = generator.random()
    chosen: set[Row] = set()
    for i, kind in enumerate(kinds):
        many, count = groups[kind], counts[kind]
        first = many.index(best) if best in many else int((start + i / len(kinds)) % 1 * len(many))
        chosen |= {many[(first + j * len(many) // count) % len(many)] for j in range(count)}
    return named(rows, [row for row in rows if row in chosen])


def named(rows: Sequence[Row], singles: Sequence[Row]) -> list[tuple[str, Row]]:
    """Each module with the shortest name that means it alone: `down@11`, else its full one."""
    count = Counter((row.kind.lower(), row.layer) for row in rows)
    return [
        (f"{row.kind.lower()}@{row.layer}" if count[row.kind.lower(), row.layer] == 1 else f"module:{row.module}", row)
        for row in singles
    ]
