"""The track on which a race is really run: `training.Sweep`, rung by rung, in a run of the store.

In: entries, and the step that they are to reach. Out: their losses on validation rows. What a rung leaves of a variant
(adapter, optimizer, schedule) is where the next one goes on; a rung that was killed goes on from its checkpoint.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from domlora.comparison.config import CHOOSING, SweepConfig, variant_name
from domlora.comparison.run import ENDED_VARIANT, STEPS, Variant, VariantStatus
from domlora.comparison.rungs import first_rung
from domlora.models.loading import LoadedModel
from domlora.placements.placement import Placement
from domlora.search.race import Entry, Lap, Rung
from domlora.store.store import Store
from domlora.training import checkpoints
from domlora.training.checkpoints import state_of
from domlora.training.lock import run_folder
from domlora.training.meter import Meter, total_passes
from domlora.training.rows import SweepRows
from domlora.training.sweep import Sweep
from domlora.training.train import StoreLog


def race_config(
    training: SweepConfig, names: Sequence[str], rates: Collection[float], earlier: Sequence[int], step: int
) -> SweepConfig:
    """The settings of a race whose last rung ends at a step.

    The rate is constant after its warm-up, so that a rung is the same whether the race ends there or goes on.

    Args:
        names: of the placements.
        rates: all that are tried.
        earlier: steps at which the rungs before ended.
    """
    return SweepConfig(
        **training.model_dump()
        | {
            "placements": tuple(names), "learning_rates": tuple(rates), "race": True, "steps": step,
            "legs": tuple(earlier), "schedule": "constant", "evaluate_every": step, "forgetting_rows": 0, "answers": 0,
        }
    )  # fmt: skip


def variant_of(entry: Entry, placement: Placement) -> Variant:
    """The variant of a race's run that trains an entry."""
    return Variant(
        name=named(entry), placement=entry.placement, method="lora", learning_rate=entry.rate, seed=CHOOSING,
        trainable_parameters=placement.trainable_parameters, modules=len(placement.modules),
    )  # fmt: skip


def named(entry: Entry) -> str:
    """What the variant of an entry is called in its run."""
    return variant_name(entry.placement, "lora", entry.rate, CHOOSING)


def forget(run: str, entries: Sequence[Entry]) -> None:
    """Removes what entries that stopped would have gone on from: it takes more disk than their adapters."""
    for entry in entries:
        state_of(run_folder(run), named(entry)).unlink(missing_ok=True)


@dataclass(frozen=True)
class RungLog(StoreLog):
    """The log of a run, for a sweep that trains the entries of one rung and knows no others."""

    names: frozenset[str] = frozenset()

    def variants(self) -> Sequence[Variant]:
        return [variant for variant in super().variants() if variant.name in self.names]


class SweepTrack:
    """Trains a race.

    Args:
        rows: the test rows among them stay unread.
        placements: by name.
        training: how everything is trained.
        run: id of the race's run.
        key: of its checkpoints.
        progress: called whenever a rung is further than it was.
    """

    def __init__(
        self, model: LoadedModel, rows: SweepRows, placements: Mapping[str, Placement], training: SweepConfig,
        store: Store, run: str, key: str, progress: Callable[[], None],
    ) -> None:  # fmt: skip
        self.model, self.rows, self.placements, self.training = model, replace(rows, test=()), placements, training
        self.store, self.run, self.key, self.progress = store, run, key, progress
        self._earlier: list[int] = []

    def went(self, step: int) -> None:
        """A rung that ended at this step is known already."""
        self._earlier.append(step)

    def advance(self, entries: Sequence[Entry], step: int) -> Lap:
        known = {variant.name: variant for variant in self.store.runs.get(self.run).variants}
        names = [named(entry) for entry in entries]
        there = [known[name] for name in names if name in known]
        resumed = any(v.status == "training" or v.results.get(STEPS) == step for v in there)
        again = [variant.name for variant in there if variant.results.get(STEPS, 0) < step]
        rates = sorted({v.learning_rate for v in known.values()} | {entry.rate for entry in entries})
        config = race_config(self.training, list(self.placements), rates, self._earlier, step)
        more = [variant_of(entry, self.placements[entry.placement]) for entry in entries]
        self.store.runs.go_on(self.run, config, again, more)
        started = time.monotonic()
        self._sweep(config, frozenset(names))
        if not self._earlier:
            self._keep_first_rung(frozenset(names))
        self._earlier.append(step)
        return Lap(self._losses(entries, names), 0.0 if resumed else time.monotonic() - started)

    def _keep_first_rung(self, names: frozenset[str]) -> None:
        """Where all had as many steps: later rungs replace the evaluations of those that go on."""
        run = self.store.runs.get(self.run)
        part = first_rung(run)[1]
        made = [one for one in self.store.runs.evaluations(run.id) if one.variant in names and one.part == "validation"]
        self.store.runs.add_evaluations(run.id, [replace(one, part=part) for one in made])

    def _sweep(self, config: SweepConfig, names: frozenset[str]) -> None:
        total = total_passes(config, self.rows, len(names))
        meter = Meter(total, lambda *_: self.progress())
        log = RungLog(self.store.runs, self.run, names)
        folder = run_folder(self.run)
        Sweep(self.model, self.rows, self.placements, config, log, folder, self.key, meter).run()
        checkpoints.remove(folder)  # also one of a rung that was killed when all of it was done

    def settle(self, entries: Sequence[Entry], done: Sequence[Rung]) -> None:
        """Puts the run back to the end of the last rung, where a further one had begun that is not run any more."""
        step, run = done[-1].step, self.store.runs.get(self.run)
        if run.config.steps == step:
            return
        ran = {named(entry) for entry in entries}
        open_again = [v.name for v in run.variants if v.name in ran and v.status not in ENDED_VARIANT]
        back = [v.name for v in run.variants if v.name in open_again and v.results.get(STEPS) == step]
        config = race_config(
            self.training, list(self.placements), run.config.learning_rates, [one.step for one in done[:-1]], step
        )
        self.store.runs.go_on(self.run, config, ())
        self.store.runs.rewind(self.run, step, open_again)
        for name in open_again:
            status: VariantStatus = "done" if name in back else "cancelled"
            self.store.runs.set_variant(self.run, name, status=status, ended_step=step)
        checkpoints.remove(run_folder(self.run))

    def _losses(self, entries: Sequence[Entry], names: Sequence[str]) -> dict[str, np.ndarray]:
        ended = {variant.name: variant for variant in self.store.runs.get(self.run).variants}
        found = {one.variant: one for one in self.store.runs.evaluations(self.run) if one.part == "validation"}
        losses = {
            entry.name: np.asarray(found[name].losses)
            for entry, name in zip(entries, names, strict=True)
            if ended[name].status == "done" and name in found
        }
        return {name: values for name, values in losses.items() if math.isfinite(float(values.mean()))}
