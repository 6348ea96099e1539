"""Trains every variant of a comparison in one loop over one frozen base model.

In: a model, rows, and the run's variants. Out, through a `SweepLog`: curves as they grow, losses row by row, adapters
as PEFT folders. All variants of a seed read the same rows in the same order; each has its own optimizer, schedule and
clipping, and one that diverges or is cancelled leaves the others as they are. What a killed sweep has done is not done
again.
Knows no store and no request.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from domlora.comparison.config import SweepConfig
from domlora.comparison.run import BASE, ENDED_VARIANT, STEPS, Evaluation, Metric, Variant
from domlora.data.encoding import EncodedSample
from domlora.errors import ProbeError, SweepError
from domlora.models.device import free_memory
from domlora.models.loading import LoadedModel
from domlora.placements.methods import METHODS
from domlora.placements.placement import Placement
from domlora.training import checkpoints
from domlora.training.adapters import Adapters
from domlora.training.checkpoints import folder_name, state_of
from domlora.training.evaluation import RowTable, evaluate_base, evaluate_variants
from domlora.training.feed import Feed
from domlora.training.live import Live, schedule_of, start
from domlora.training.lockstep import Lockstep
from domlora.training.log import Energies, SweepLog
from domlora.training.meter import TRAIN_COST, Meter, passes_until, variant_passes
from domlora.training.rows import EVA_ROWS, SweepRows

REPORT_SECONDS = 1.0  # between two writes of curves, and two looks for cancelled variants
OPTIMIZER_FRACTION = 0.25  # of free memory that adapters with their optimizer states may take at once


class Sweep:
    """One sweep; `run` trains whatever variants of the run have not ended.

    Args:
        placements: by name, as the variants name them.
        folder: for checkpoints and adapters.
        key: of the run: a checkpoint of another one is never used.
        energies: what measures at `SweepConfig.energy_steps`; None where nothing is to be measured.
    """

    def __init__(
        self,
        model: LoadedModel,
        rows: SweepRows,
        placements: Mapping[str, Placement],
        config: SweepConfig,
        log: SweepLog,
        folder: Path,
        key: str,
        meter: Meter,
        energies: Energies | None = None,
    ) -> None:
        self.model, self.rows, self.placements, self.config = model, rows, placements, config
        self.log, self.folder, self.key, self.meter, self.energies = log, folder, key, meter, energies
        self._before: dict[str, RowTable] = {}
        self.feed = Feed(rows.train, config, model)
        self._began, self._known = time.monotonic(), 0
        self._ends: dict[str, int] = {}  # of earlier comparisons, see `_gone_on_from`
        held_out = (("validation", "eval", rows.validation), ("test", "test", rows.test))
        self._parts = [one for one in held_out if one[2]]  # a race has no test rows
        self._points: list[Metric] = []
        self._reported = self._looked = -math.inf

    def run(self) -> None:
        """Trains, evaluates and saves; returns when every variant has ended. May be called again for more variants.

        Raises:
            SweepError: adapters cannot be written.
            ProbeError: not enough memory for one variant alone.
        """
        if not self._before:
            self._begin()
        while waiting := [v for v in self.log.variants() if v.status not in ENDED_VARIANT]:
            checkpoint = checkpoints.read(self.folder / checkpoints.FILE, self.key)
            if checkpoint is not None and {v.name for v in waiting} & set(checkpoint["names"]):
                names, step = list(checkpoint["names"]), int(checkpoint["step"])
                self.log.rewind(step, names)
            else:
                checkpoint, wave = None, self._wave(waiting)
                names, step = [v.name for v in wave], self._gone_on_from(wave[0])
                self.log.rewind(step or -1, names)
            by_name = {v.name: v for v in self.log.variants()}
            wave = [by_name[name] for name in names if name in by_name and by_name[name].status not in ENDED_VARIANT]
            with Adapters(self.model.model, self.model.base_name, self.model.base_revision) as adapters:
                self._train(adapters, wave, names, step, checkpoint)
            checkpoints.remove(self.folder)

    # Before

    def _begin(self) -> None:
        """What is done once: the base model by itself."""
        self._before = self._evaluate_base()
        if self.energies is not None:
            self.energies.measure(BASE, 0)
            self.meter.add("measuring energy", TRAIN_COST * self.config.energy_samples)
        ended = sum(v.status in ENDED_VARIANT for v in self.log.variants())
        if ended:
            self._known = ended * variant_passes(self.config, self.rows)
            self.meter.add("training", self._known)

    def _evaluate_base(self) -> dict[str, RowTable]:
        """The base model on validation and test rows: every variant's "before"."""
        found = {}
        for part, _, rows in self._parts:
            found[part] = evaluate_base(self.model.model, rows)
            self.meter.add("evaluating the base model", len(rows))
        self.log.evaluations([table.evaluation(BASE, part) for part, table in found.items()])
        return found

    def _gone_on_from(self, variant: Variant) -> int:
        """The step at which an earlier comparison left this variant; 0 where there is none."""
        if variant.name not in self._ends:  # a state holds tensors: it is read to know its step once
            kept = checkpoints.read(state_of(self.folder, variant.name), variant.name) if self.config.legs else None
            known = kept is not None and kept["step"] in self.config.legs
            self._ends[variant.name] = int(kept["step"]) if kept is not None and known else 0
        return self._ends[variant.name]

    def _wave(self, waiting: Sequence[Variant]) -> list[Variant]:
        """As many variants as fit into memory with gradients, two optimizer moments and residuals; one at least.

        All of a wave go on from the same step.
        """
        first = self._gone_on_from(waiting[0])
        left = OPTIMIZER_FRACTION * free_memory(self.model.device)
        wave: list[Variant] = []
        for variant in waiting:
            if self._gone_on_from(variant) != first:
                continue
            left -= 4 * 4 * variant.trainable_parameters
            if METHODS[variant.method].mutates:
                modules = self.placements[variant.placement].modules
                left -= self.model.model.dtype.itemsize * sum(m.in_features * m.out_features for m in modules)
            if wave and left < 0:
                break
            wave.append(variant)
        return wave

    def _find_directions(self, adapters: Adapters, wave: Sequence[Variant]) -> None:
        batches = self.feed.batches(range(min(EVA_ROWS, len(self.rows.train))))
        inputs = [{"input_ids": batch.ids, "attention_mask": batch.attention.long()} for batch in batches]
        for name in dict.fromkeys(variant.placement for variant in wave if METHODS[variant.method].from_data):
            adapters.find_directions(self.placements[name], inputs)

    # Training

    def _train(
        self,
        adapters: Adapters,
        wave: Sequence[Variant],
        names: Sequence[str],
        done: int,
        checkpoint: Mapping[str, Any] | None,
    ) -> None:
        self._find_directions(adapters, wave)
        fused, places = _can_fuse(self.model.device), self.placements
        live = [start(adapters, one, places[one.placement], self.config, done, fused) for one in wave]
        lockstep = Lockstep(
            adapters, self.config.gradient_checkpointing, lambda rows: self.meter.within("training", TRAIN_COST * rows)
        )
        for one in live if done else ():
            saved = checkpoint["variants"][one.variant.name] if checkpoint is not None else self._state(one)
            one.restore(adapters, saved, new_leg=done in self.config.legs)
        if checkpoint is not None:
            lockstep.shared = checkpoint["shared"]
        elif live:
            lockstep.check(next(self.feed.batches(self.feed.rows(0, 1))), [one.adapter for one in live])
        results = {
            f"{short}_{name}_before": getattr(self._before[part], name)
            for part, short, _ in self._parts
            for name in ("loss", "accuracy")
        }
        for one in live:
            self.log.variant(one.variant.name, status="training", results=results)
            if not done:
                self._evaluated(one.variant.name, 0, self._before["validation"])
        self.meter.add("training", len(live) * passes_until(self.config, self.rows, done, done))
        last, deadline = done, self._deadline(len(live), done)
        for step in range(done + 1, self.config.steps + 1):
            live = self._without_cancelled(live, step)
            if not live:
                break
            if time.monotonic() > deadline and last > done:
                self._out_of_time(live, last)
                break
            if step - 1 in self.config.legs:
                for one in live:
                    one.schedule = schedule_of(one.optimizer, self.config, step - 1)
            live, last = self._step(lockstep, live, step), step
            if step % self.config.evaluate_every == 0 and step < self.config.steps:
                live = self._evaluate(adapters, lockstep, live, step)
            if self.energies is not None and step in self.config.energy_steps:
                for one in live:  # before the checkpoint: what comes after it is not done again
                    with adapters.only(one.adapter):
                        self._measure(self.energies, one.variant.name, step)
            if step % self.config.checkpoint_every == 0 or step == self.config.steps:
                self._report()
                self._checkpoint(adapters, lockstep, live, names, step)
        self._report()
        if self.config.patience and (last % self.config.evaluate_every or last == self.config.steps):
            self._evaluate(adapters, lockstep, live, last)
        self._conclude(adapters, lockstep, live, last)

    def _state(self, one: Live) -> dict[str, Any]:
        """What an earlier comparison left of a variant."""
        saved = checkpoints.read(state_of(self.folder, one.variant.name), one.variant.name)
        if saved is None:
            raise SweepError(f"the state of {one.variant.name} can no longer be read: start the comparison again")
        return saved

    def _deadline(self, variants: int, done: int) -> float:
        """When the training of a wave has to end, so that as much time is left as what comes after it takes."""
        if self.config.minutes is None:
            return math.inf
        passes = [passes_until(self.config, self.rows, step, step) for step in (done, self.config.steps)]
        then = self.meter.done - self._known + variants * (passes[1] - passes[0])
        return self._began + 60 * self.config.minutes * then / self.meter.total

    def _out_of_time(self, live: Sequence[Live], step: int) -> None:
        self.log.warn(
            f"{self.config.minutes:g} minutes were over: {len(live)} variants ended at step {step} of "
            f"{self.config.steps}, such as {live[0].variant.name}."
        )
        for one in live:
            self.log.variant(one.variant.name, note=f"ended at step {step} of {self.config.steps}: the time was over")
            self._skip_rest(step)

    def _evaluate(self, adapters: Adapters, lockstep: Lockstep, live: list[Live], step: int) -> list[Live]:
        """Validation rows between steps; returns those that go on. What has lost patience is concluded."""
        stopped = []
        for one, table in self._tables(lockstep, live, "validation", self.rows.validation):
            self._evaluated(one.variant.name, step, table)
            if self.config.patience and one.evaluated(step, table.loss, adapters) >= self.config.patience:
                stopped.append(one)
        if step == self.config.steps:
            return live
        for one in stopped:
            note = f"ended at step {step}: no lower validation loss in {self.config.patience} evaluations"
            self.log.variant(one.variant.name, note=note)
            self._skip_rest(step)
        if stopped:
            self._conclude(adapters, lockstep, stopped, step)
        return [one for one in live if one not in stopped]

    def _by_order(self, live: Sequence[Live]) -> dict[int, list[Live]]:
        """Variants that read the same rows in the same order: they share batches."""
        groups: dict[int, list[Live]] = {}
        for one in live:
            groups.setdefault(self.config.order_of(one.variant.seed), []).append(one)
        return groups

    def _step(self, lockstep: Lockstep, live: list[Live], step: int) -> list[Live]:
        """One optimizer step of every variant; returns those that go on."""
        losses: dict[str, float] = {}
        for order, group in self._by_order(live).items():
            rows = self.feed.rows(order, step)
            weights = self.feed.weights(rows)
            total = torch.zeros(len(group))
            for number, batch in enumerate(self.feed.batches(rows)):
                own = torch.tensor([weights[row] for row in batch.index.tolist()], device=batch.ids.device)
                with lockstep.adapters.dropping(step, number) if self.config.dropout else nullcontext():
                    found = lockstep.backward(batch, [one.adapter for one in group], own)
                total += (found * own).sum(1).cpu()
            losses |= {one.variant.name: loss for one, loss in zip(group, total.tolist(), strict=True)}
        going = []
        for one in live:
            loss = losses[one.variant.name]
            rate = float(one.schedule.get_last_lr()[0])
            norm = one.step(self.config.max_grad_norm)
            name = one.variant.name
            self._points += [
                Metric(name, step, "train_loss", loss),
                Metric(name, step, "grad_norm", norm),
                Metric(name, step, "learning_rate", rate),
            ]
            if math.isfinite(loss) and math.isfinite(norm):
                going.append(one)
            else:
                self._diverged(one, step, "its loss" if not math.isfinite(loss) else "its gradient")
                self._skip(step, step - 1)
        self.meter.add("training", 0)
        if time.monotonic() - self._reported > REPORT_SECONDS:
            self._report()
        return going

    def _measure(self, energies: Energies, variant: str, step: int) -> None:
        """Where the energy is now. Training does not need it, so that it goes on where that cannot be known."""
        try:
            energies.measure(variant, step)
        except ProbeError as error:
            self.log.warn(f"The energy of {variant} at step {step} could not be measured: {error}.")
        self.meter.add("measuring energy", TRAIN_COST * self.config.energy_samples)

    def _without_cancelled(self, live: list[Live], step: int) -> list[Live]:
        if time.monotonic() - self._looked < REPORT_SECONDS:
            return live
        self._looked = time.monotonic()
        asked = self.log.cancelled()
        for one in live:
            if one.variant.name in asked:
                self.log.variant(one.variant.name, status="cancelled", ended_step=step - 1)
                self._skip(step - 1, step - 1)
        return [one for one in live if one.variant.name not in asked]

    def _skip(self, trained: int, evaluated: int) -> None:
        """Counts what a variant that ended after these steps need not do."""
        spent = passes_until(self.config, self.rows, trained, evaluated)
        self.meter.add("training", variant_passes(self.config, self.rows) - spent)

    def _skip_rest(self, step: int) -> None:
        """Counts the steps that a variant need not do which is judged as it is after this one."""
        whole, spent = (passes_until(self.config, self.rows, n, n) for n in (self.config.steps, step))
        self.meter.add("training", whole - spent)

    def _diverged(self, one: Live, step: int, what: str) -> None:
        note = f"{what} was no longer finite at step {step}: try a learning rate below {one.variant.learning_rate:g}"
        self.log.variant(one.variant.name, status="diverged", note=note, ended_step=step)

    def _checkpoint(
        self, adapters: Adapters, lockstep: Lockstep, live: Sequence[Live], names: Sequence[str], step: int
    ) -> None:
        state = {
            "key": self.key,
            "names": list(names),
            "step": step,
            "shared": lockstep.shared,
            "variants": {one.variant.name: one.state(adapters) for one in live},
        }
        reason = checkpoints.write(self.folder / checkpoints.FILE, state)
        if reason is not None:
            self.log.warn(
                f"The checkpoint of step {step} could not be written ({reason}); training went on, and would have "
                "begun again from the one before."
            )

    # After

    def _conclude(self, adapters: Adapters, lockstep: Lockstep, live: Sequence[Live], step: int) -> None:
        """Final losses on validation and test rows, and the adapters as folders, of variants that end at this step.

        With patience it is the best adapter that is judged and kept. Test rows are for those that judge: a variant that
        only chooses a rate has no use for them.
        """
        made: list[Evaluation] = []
        results: dict[str, dict[str, float]] = {one.variant.name: {STEPS: step} for one in live}
        for one in live:
            if step == self.config.steps:
                self._keep_state(adapters, one, step)
            if one.best is not None:
                results[one.variant.name]["best_step"] = one.best.step
                adapters.restore(one.adapter, one.best.adapter)
        for part, short, rows in self._parts:
            for one, table in self._tables(lockstep, [one for one in live if self._is_judged(one, part)], part, rows):
                name = one.variant.name
                made.append(table.evaluation(name, part))
                results[name] |= {f"{short}_loss_after": table.loss, f"{short}_accuracy_after": table.accuracy}
                if part == "validation" and not self.config.patience:
                    self._evaluated(name, step, table)
        if unseen := sum(not self._is_judged(one, "test") for one in live):
            self.meter.add("evaluating", len(self.rows.test) * unseen)
        self._report()
        self.log.evaluations(made)
        for one in live:
            name = one.variant.name
            if not all(map(math.isfinite, results[name].values())):
                self._diverged(one, step, "its final loss")
                continue
            folder = self.folder / "adapters" / folder_name(name)
            try:
                adapters.save(one.adapter, folder)
            except (OSError, SafetensorError) as error:  # a full disk is the latter
                reason = getattr(error, "strerror", None) or str(error)
                raise SweepError(
                    f"the adapter of {name} could not be written to {folder} ({reason}): free some space and start "
                    "the comparison again; it goes on from its last checkpoint"
                ) from error
            self.log.variant(name, status="done", results=results[name], adapter=str(folder), ended_step=step)

    def _keep_state(self, adapters: Adapters, one: Live, step: int) -> None:
        """For a comparison that goes on with this one for more steps (`SweepConfig.legs`)."""
        name = one.variant.name
        reason = checkpoints.write(state_of(self.folder, name), {"key": name, "step": step, **one.state(adapters)})
        if reason is not None:
            self.log.warn(f"The last state of {name} could not be kept ({reason}): no steps can be added to it.")

    def _is_judged(self, one: Live, part: str) -> bool:
        return part != "test" or one.variant.seed in self.config.judging

    def _tables(
        self, lockstep: Lockstep, live: Sequence[Live], part: str, rows: Sequence[EncodedSample]
    ) -> Iterable[tuple[Live, RowTable]]:
        if not live:
            return []
        tables = evaluate_variants(lockstep, rows, [one.adapter for one in live])
        self.meter.add("evaluating", len(rows) * len(live))
        return zip(live, tables, strict=True)

    def _evaluated(self, name: str, step: int, table: RowTable) -> None:
        self._points += [
            Metric(name, step, "eval_loss", table.loss),
            Metric(name, step, "eval_accuracy", table.accuracy),
        ]

    def _report(self) -> None:
        if self._points:
            self.log.metrics(self._points)
        self._points, self._reported = [], time.monotonic()


def _can_fuse(device: torch.device) -> bool:
    return device.type in ("cpu", "cuda")
