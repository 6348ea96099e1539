"""How fast a race will be: a few of its adapters train two steps, of which the second is timed. Nothing is kept."""

from __future__ import annotations

import time
from collections.abc import Sequence

from domlora.comparison.config import SweepConfig
from domlora.models.loading import LoadedModel
from domlora.placements.placement import Placement
from domlora.search.race import Entry
from domlora.search.track import variant_of
from domlora.training.adapters import Adapters
from domlora.training.feed import Feed
from domlora.training.live import start
from domlora.training.lockstep import Lockstep
from domlora.training.meter import TRAIN_COST
from domlora.training.rows import SweepRows

TIMED = 8  # placements at most, spread over all


def seconds_of_a_pass(
    model: LoadedModel, rows: SweepRows, placements: Sequence[Placement], config: SweepConfig
) -> float:
    """Seconds of training for each pass of a row, in lockstep.

    Args:
        placements: all that are to race.
        config: of the race.
    """
    some = placements[:: -(-len(placements) // TIMED)]
    feed = Feed(rows.train, config, model)
    with Adapters(model.model, model.base_name) as adapters:
        lockstep = Lockstep(adapters, config.gradient_checkpointing)
        live = [start(adapters, variant_of(Entry(p.name, 1e-6), p), p, config, 0, fused=False) for p in some]
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
    return seconds / (TRAIN_COST * config.rows_per_step * len(some))
