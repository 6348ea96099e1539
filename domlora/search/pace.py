"""How fast a race will be: a few of its adapters train two steps, of which the second is timed. Nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from domlora.comparison.config import SweepConfig
from domlora.models.loading import LoadedModel
from domlora.placements.placement import Placement
from domlora.search.race import Entry
from domlora.search.track import variant_of
from domlora.training import checkpoints
from domlora.training.adapters import Adapters
from domlora.training.feed import Feed
from domlora.training.live import start
from domlora.training.lockstep import Lockstep
from domlora.training.meter import TRAIN_COST
from domlora.training.rows import SweepRows

TIMED = 8  # placements at most, spread over all


@dataclass(frozen=True)
class Pace:
    """How long things take.

    Attributes:
        of_pass: seconds of training for each pass of a row, in lockstep.
        of_entry: seconds to attach an adapter, and to keep it with its state, once a rung.
    """

    of_pass: float
    of_entry: float


def measure_pace(model: LoadedModel, rows: SweepRows, placements: Sequence[Placement], config: SweepConfig) -> Pace:
    """Measures both.

    Args:
        placements: all that are to race.
        config: of the race.
    """
    some = placements[:: -(-len(placements) // TIMED)]
    feed = Feed(rows.train, config, model)
    with Adapters(model.model, model.base_name) as adapters, TemporaryDirectory() as folder:
        lockstep = Lockstep(adapters, config.gradient_checkpointing)
        began = time.monotonic()
        live = [start(adapters, variant_of(Entry(p.name, 1e-6), p), p, config, 0, fused=False) for p in some]
        around = time.monotonic() - began
        attached = [one.adapter for one in live]
        lockstep.check(next(feed.batches(feed.rows(0, 1))), attached)
        seconds = 0.0
        for _ in range(2):  # the first step is slower: memory is taken, kernels are chosen
            began = time.monotonic()
            for batch in feed.batches(feed.rows(0, 1)):
                lockstep.backward(batch, attached, 1 / config.rows_per_step)
            for one in live:
                one.step(config.max_grad_norm)
            seconds = time.monotonic() - began
        began = time.monotonic()
        for number, one in enumerate(live):
            adapters.save(one.adapter, Path(folder) / str(number))
            checkpoints.write(Path(folder) / f"{number}.pt", one.state(adapters))
        around += time.monotonic() - began
    return Pace(seconds / (TRAIN_COST * config.rows_per_step * len(some)), around / len(some))
