"""Names of placements, as a person writes them: which there are, what each means, and how one is read.

In: `dominant`, `random:3`, `down@11`. Out: the name taken apart, for `rules` to pick modules by. Knows no module, no
rank and no model; the settings of a comparison import it, so nothing heavy comes with it.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

from domlora.errors import UsageError
from domlora.models.kinds import COMMON_KINDS, KINDS

Allocation = Literal["equal", "energy"]  # how ranks are spread over the modules of a placement, see `ranks`
NAMES: dict[str, str] = {
    "dominant": "the module with the largest energy (DomLoRA)",
    "top-k:N": "the N modules with the largest energies",
    "top-share:F": "the fewest modules that hold at least the fraction F of the energy, such as top-share:0.5",
    "all-linear": "every measured linear module except routers (vanilla LoRA)",
    "attention": "every attention projection",
    "mlp": "every MLP projection",
    "qv": "the query and value projections; where q, k and v are fused, the fused module (MLA: q_b and kv_b)",
    "o": "the attention output projection of every layer",
    "down": "the MLP down projection of every layer",
    "kind:NAME": (
        f"one kind in every layer: {', '.join(COMMON_KINDS)} (these also without kind:), or what the map calls it"
    ),
    "kind:NAME@LAYER": "one module by kind and layer; down@11 means the same as kind:down@11",
    "random": "another module of the dominant one's kind and size, at a layer drawn by the seed",
    "random:N": "N such modules, each a placement of its own",
    "least": "the module of the dominant one's kind with the smallest energy",
    "same-kind": "the dominant one's kind at each layer in turn, each a placement of its own",
    "spread:N": "N single modules, even over kinds and layers and with the dominant one, each a placement of its own",
    "module:NAME+NAME": "modules by their full names, as the map lists them (custom: means the same)",
    "lm_head": "the output head, which no other name takes in",
    "embed": "the input embedding, which no other name takes in",
}
EMBED, HEAD = "embed", "lm_head"  # names, and kinds of what they stand for: no map has them


RANDOM = re.compile(r"random(-\d+)?")  # what placements that `random` stands for are called


class Name(NamedTuple):
    """A name that was read: which rule, with which value, and how it is written canonically."""

    rule: str
    value: Any
    text: str


def check_name(name: str) -> None:
    """Raises UsageError for a name that cannot be read, whatever the map."""
    read(name)


def read(name: str) -> Name:
    text = name.strip()
    head, colon, value = text.partition(":")
    head = head.lower()
    if head in ("module", "custom") and colon:
        modules = tuple(part.strip() for part in value.split("+"))
        if not all(modules) or len(set(modules)) < len(modules):
            raise UsageError(f"{text}: name each module once, with + between them")
        return Name("module", modules, "module:" + "+".join(modules))
    if head in ("top-k", "random", "spread") and colon:
        if not re.fullmatch(r"0*[1-9]\d*", value):
            raise UsageError(f"{text}: {value!r} is no count; write {head}:3")
        return Name(head, int(value), f"{head}:{int(value)}")
    if head == "top-share" and colon:
        if not re.fullmatch(r"\d*\.?\d+|\d+\.", value) or not 0 < float(value) <= 1:
            raise UsageError(f"{text}: {value!r} is no fraction above 0 and up to 1; write top-share:0.5")
        return Name("top-share", float(value), f"top-share:{float(value):g}")
    if head == "random":
        return Name("random", 1, "random")
    kind, at, layer = (value if head == "kind" and colon else text).lower().partition("@")
    if re.fullmatch(r"[\w.]+", kind) and (not colon or head == "kind"):
        if at and layer.isdecimal():
            return Name("kind@layer", (kind, int(layer)), f"{kind}@{int(layer)}")
        if not at and kind in KINDS:
            return Name("kind", kind, kind)
        if not at and colon:
            return Name("kind", kind, f"kind:{kind}")
    if head in (EMBED, HEAD) and value == "full":
        raise UsageError(
            f"{text}: a placement is an adapter; to train the whole weight beside one, `domlora place --train-whole "
            f"{head}` writes it into modules_to_save, and a comparison takes {head}"
        )
    if not colon and text.lower() in NAMES:
        return Name(text.lower(), None, text.lower())
    raise UsageError(f"no placement is called {name!r}: known are {', '.join(NAMES)}")
