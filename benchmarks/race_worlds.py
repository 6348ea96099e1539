"""Made-up worlds to race in: placements with known final losses, and a training that shows them through noise.

A placement gains as far as its modules allow, as fast as it learns, and as near as its rate is to its own best one:

    loss(row, step) = row's difficulty − gain · exp(−½ (log₄(rate / best) / width)²) · (1 − exp(−step / time))
                      + what the placement does to this row + what the seed does to it + the rest

A rate far above the best one diverges. What the true loss is after so many steps, at the best rate of the grid, the
world knows; who races in it does not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from domlora.placements.place import placed
from domlora.placements.placement import Placement
from domlora.placements.rules import Row
from domlora.search.candidates import Candidate
from domlora.search.plan import Work
from domlora.search.race import Entry, Lap
from domlora.search.rates import on_grid, start_rates

LAYERS, KINDS = 12, ("q", "k", "v", "o", "gate", "up", "down")
WIDTH = 1.3  # of the valley of rates, in steps of the grid
TOO_HIGH = 2.2  # steps of the grid above the best rate at which training diverges
BASE = 2.0  # nats
INDICES = range(-2, 7)  # of the grid's rates that the world's truth looks at


@dataclass(frozen=True)
class Noise:
    """Standard deviations in nats.

    Attributes:
        rows: of what a placement does to a row.
        starts: of what a seed does to a placement.
        rest: of each row, placement and seed.
    """

    rows: float = 0.08
    starts: float = 0.01
    rest: float = 0.04


class World:
    """One model and task that never were.

    Args:
        candidates: how many placements race.
        margin: how far gains lie apart, as a fraction of the mean one.
    """

    def __init__(self, random: np.random.Generator, candidates: int, margin: float, noise: Noise) -> None:
        self.random, self.noise = random, noise
        self.rows = [
            Row(f"{layer}.{kind}", "decoder", layer, kind, 64, 64, 1.0) for layer in range(LAYERS) for kind in KINDS
        ]
        self.candidates = [self._candidate(i, candidates) for i in range(candidates)]
        self.everywhere = max(c.placement.trainable_parameters for c in self.candidates)
        self.names = [candidate.name for candidate in self.candidates]
        self._gain = {name: 0.6 * math.exp(margin * random.normal()) for name in self.names}
        self._time = {name: 12.0 * math.exp(0.4 * random.normal()) for name in self.names}
        self._best = {
            c.name: math.log(self.start(c.placement)[1] / 1e-3, 4) + 0.8 * random.normal() for c in self.candidates
        }
        self._of_rows: dict[tuple[str, int], np.ndarray] = {}

    def start(self, placement: Placement) -> tuple[float, float, float]:
        return start_rates(placement.trainable_parameters, self.everywhere)

    def entries(self) -> list[Entry]:
        return [Entry(c.name, rate) for c in self.candidates for rate in self.start(c.placement)]

    def add(self, placement: Placement) -> None:
        """A placement that is drawn later: it gains what a random one does."""
        self._gain[placement.name] = 0.6 * math.exp(-0.3 + 0.1 * self.random.normal())
        self._time[placement.name] = 12.0
        self._best[placement.name] = math.log(self.start(placement)[1] / 1e-3, 4)

    def truth(self, name: str, rate: float, step: int) -> float:
        """Mean loss after so many steps; infinite where it diverges."""
        off = math.log(rate / 1e-3, 4) - self._best[name]
        if off > TOO_HIGH:
            return math.inf
        return BASE - self._gain[name] * math.exp(-0.5 * (off / WIDTH) ** 2) * (1 - math.exp(-step / self._time[name]))

    def best(self, name: str, step: int) -> float:
        """The same at the best rate of the grid."""
        return min(self.truth(name, on_grid(index), step) for index in INDICES)

    def losses(self, name: str, rate: float, step: int, rows: str, count: int) -> np.ndarray:
        """(rows,) as they are measured with one seed, which is new each time; NaN where it diverges.

        Args:
            rows: which rows: what a placement does to each of them stays the same.
        """
        random, noise = self.random, self.noise
        key = (f"{rows} {name}", count)
        if key not in self._of_rows:
            self._of_rows[key] = noise.rows * random.normal(size=count)
        if (rows, count) not in self._of_rows:
            self._of_rows[rows, count] = 0.5 * random.normal(size=count)
        mean = self.truth(name, rate, step) + noise.starts * random.normal()
        if not math.isfinite(mean):
            return np.full(count, np.nan)
        return mean + self._of_rows[rows, count] + self._of_rows[key] + noise.rest * random.normal(size=count)

    def _candidate(self, index: int, of: int) -> Candidate:
        """The first is everywhere, the others have one module to half of all; each third has one."""
        if index == 0:
            chosen = list(range(len(self.rows)))
        else:
            count = 1 if index % 3 == 0 else int(self.random.integers(2, len(self.rows) // 2))
            chosen = sorted(self.random.permutation(len(self.rows))[:count])
        modules = tuple(placed(self.rows[i], 8) for i in chosen)
        return Candidate(Placement(name=f"p{index}", modules=modules, rank=8, alpha=16), ("made up",))


class WorldTrack:
    """Trains a race in a world, and counts what that costs."""

    def __init__(self, world: World, work: Work, validation: int) -> None:
        self.world, self.work, self.validation, self.spent = world, work, validation, 0.0
        self._at: dict[str, int] = {}

    def advance(self, entries: Sequence[Entry], step: int) -> Lap:
        cost = sum(self.work.rung(1, self._at.get(entry.name, 0), step, 0) for entry in entries)
        self._at |= {entry.name: step for entry in entries}
        self.spent += cost
        found = {e.name: self.world.losses(e.placement, e.rate, step, "validation", self.validation) for e in entries}
        return Lap({name: losses for name, losses in found.items() if np.isfinite(losses).all()}, cost)
