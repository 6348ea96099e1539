"""How concentrated an energy map is, in words: the thresholds, and a `Verdict` with its sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CONCENTRATED_MODULES = 5  # at most so many effective modules, and
CONCENTRATED_FRACTION = 0.10  # at most this fraction of all modules: "concentrated"
MODERATE_FRACTION = 0.25  # up to this fraction of all modules: "moderately concentrated"; beyond: "diffuse"
STANDS_OUT = 0.10  # share of the energy from which on a module stands out, however the rest is spread
Level = Literal["concentrated", "moderately concentrated", "diffuse"]


@dataclass(frozen=True)
class Verdict:
    """How concentrated the energy is, in words.

    Attributes:
        level: by effective number of modules, against the thresholds at the head of this file.
        sentence: the finding with its numbers and its uncertainty.
    """

    level: Level
    sentence: str
