"""Trains every variant of a comparison in one loop over one frozen base model.

In: a model, rows, and the run's variants. Out, through a `SweepLog`: curves as they grow, losses row by row, adapters
as PEFT folders. All variants read the same rows in the same order; each has its own optimizer, schedule and clipping,
and one that diverges or is cancelled leaves the others as they are. What a killed sweep has done is not done again.
Knows no store and no request.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from torch.optim import AdamW
from torch.optim.lr_scheduler import LRScheduler
from transformers import get_scheduler

from domlora.comparison.config import SweepConfig
from domlora.comparison.run import BASE, ENDED_VARIANT, Evaluation, Metric, Variant
from domlora.data.batches import Batch, apart, collate
from domlora.data.encoding import EncodedSample
from domlora.errors import ProbeError, SweepError
from domlora.models.device import free_memory
from domlora.models.loading import LoadedModel
from domlora.placements.methods import METHODS
from domlora.placements.placement import Placement
from domlora.training import checkpoints
from domlora.training.adapters import Adapter, Adapters, folder_name
from domlora.training.evaluation import RowTable, evaluate_base, evaluate_variants
from domlora.training.lockstep import Lockstep
from domlora.training.meter import TRAIN_COST, Meter, passes_until, variant_passes
from domlora.training.rows import SweepRows, micro_batches, step_rows

SCHEDULES = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
REPORT_SECONDS = 1.0  # between two writes of curves, and two looks for cancelled variants
OPTIMIZER_FRACTION = 0.25  # of free memory that adapters with their optimizer states may take at once
EVA_ROWS = 32


class SweepLog(Protocol):
    """Where a sweep writes what it finds. Every call is kept for good before it returns."""

    def variants(self) -> Sequence[Variant]:
        """All variants of the run as they stand."""

    def variant(self, name: str, **changes: Any) -> None:
        """`status`, `note`, `results`, `adapter`, `ended_step` of a variant."""

    def metrics(self, points: Sequence[Metric]) -> None: ...

    def evaluations(self, made: Sequence[Evaluation]) -> None: ...

    def warn(self, *warnings: str) -> None: ...

    def rewind(self, step: int, names: Sequence[str]) -> None:
        """Forgets what these variants did after a step; -1 forgets everything."""

    def cancelled(self) -> frozenset[str]:
        """Variants that are asked to end."""


class Energies(Protocol):
    """Measures where the gradient energy is while a sweep trains, and keeps it for good."""

    def measure(self, variant: str, step: int) -> None:
        """Of the model as it runs now: first the untouched one (`BASE`, step 0). What was measured stays as it is.

        Raises:
            ProbeError: an energy that is not finite, or no memory.
        """


@dataclass
class Live:
    """A variant in training."""

    variant: Variant
    adapter: Adapter
    optimizer: AdamW
    schedule: LRScheduler

    def step(self, max_norm: float) -> float:
        """One optimizer step; returns the norm of the gradient before clipping."""
        norm = float(torch.nn.utils.clip_grad_norm_(self.adapter.parameters, max_norm))
        if math.isfinite(norm):
            self.optimizer.step()
            self.schedule.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm


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
        self.steps = step_rows(len(rows.train), config)
        self._points: list[Metric] = []
        self._reported = self._looked = -math.inf

    def run(self) -> None:
        """Trains, evaluates and saves; returns when every variant has ended.

        Raises:
            SweepError: adapters cannot be written.
            ProbeError: not enough memory for one variant alone.
        """
        before = self._evaluate_base()
        if self.energies is not None:
            self.energies.measure(BASE, 0)
            self.meter.add("measuring energy", TRAIN_COST * self.config.energy_samples)
        ended = sum(v.status in ENDED_VARIANT for v in self.log.variants())
        if ended:
            self.meter.add("training", ended * variant_passes(self.config, self.rows))
        while waiting := [v for v in self.log.variants() if v.status not in ENDED_VARIANT]:
            checkpoint = checkpoints.read(self.folder, self.key)
            if checkpoint is not None and {v.name for v in waiting} & set(checkpoint["names"]):
                names, step = list(checkpoint["names"]), int(checkpoint["step"])
                self.log.rewind(step, names)
            else:
                checkpoint, step = None, 0
                names = [v.name for v in self._wave(waiting)]
                self.log.rewind(-1, names)
            by_name = {v.name: v for v in self.log.variants()}
            wave = [by_name[name] for name in names if by_name[name].status not in ENDED_VARIANT]
            with Adapters(self.model.model, self.model.base_name, self.model.base_revision) as adapters:
                self._train(adapters, wave, names, step, checkpoint, before)
            checkpoints.remove(self.folder)

    # Before

    def _evaluate_base(self) -> dict[str, RowTable]:
        """The base model on validation and test rows: every variant's "before"."""
        found = {}
        for part, rows in (("validation", self.rows.validation), ("test", self.rows.test)):
            found[part] = evaluate_base(self.model.model, rows)
            self.meter.add("evaluating the base model", len(rows))
        self.log.evaluations([table.evaluation(BASE, part) for part, table in found.items()])
        return found

    def _wave(self, waiting: Sequence[Variant]) -> list[Variant]:
        """As many variants as fit into memory with gradients, two optimizer moments and residuals; one at least."""
        left = OPTIMIZER_FRACTION * free_memory(self.model.device)
        wave: list[Variant] = []
        for variant in waiting:
            left -= 4 * 4 * variant.trainable_parameters
            if METHODS[variant.method].mutates:
                modules = self.placements[variant.placement].modules
                left -= self.model.model.dtype.itemsize * sum(m.in_features * m.out_features for m in modules)
            if wave and left < 0:
                break
            wave.append(variant)
        return wave

    def _start(self, adapters: Adapters, variant: Variant) -> Live:
        placement = self.placements[variant.placement]
        adapter = adapters.attach(placement, variant.method, variant.seed)
        ratio = self.config.loraplus_ratio if METHODS[variant.method].faster_up else 1.0
        groups = [
            {"params": list(adapter.down), "lr": variant.learning_rate},
            {"params": list(adapter.up), "lr": variant.learning_rate * ratio},
        ]
        optimizer = AdamW(groups, weight_decay=self.config.weight_decay, fused=_can_fuse(self.model.device))
        warmup = round(self.config.warmup * self.config.steps)
        schedule = get_scheduler(SCHEDULES[self.config.schedule], optimizer, warmup, self.config.steps)
        return Live(variant, adapter, optimizer, schedule)

    def _find_directions(self, adapters: Adapters, wave: Sequence[Variant]) -> None:
        batches = self._batches(range(min(EVA_ROWS, len(self.rows.train))))
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
        before: Mapping[str, RowTable],
    ) -> None:
        self._find_directions(adapters, wave)
        live = [self._start(adapters, variant) for variant in wave]
        lockstep = Lockstep(adapters)
        if checkpoint is not None:
            lockstep.shared = checkpoint["shared"]
            for one in live:
                _restore(adapters, one, checkpoint["variants"][one.variant.name])
        elif live:
            lockstep.check(next(self._batches(self.steps[0])), [one.adapter for one in live])
        results = {
            f"{short}_{name}_before": getattr(before[part], name)
            for part, short in (("validation", "eval"), ("test", "test"))
            for name in ("loss", "accuracy")
        }
        for one in live:
            self.log.variant(one.variant.name, status="training", results=results)
            if not done:
                self._evaluated(one.variant.name, 0, before["validation"])
        self.meter.add("training", len(live) * passes_until(self.config, self.rows, done, done))
        for step in range(done + 1, self.config.steps + 1):
            live = self._without_cancelled(live, step)
            if not live:
                break
            live = self._step(lockstep, live, step)
            if step % self.config.evaluate_every == 0 and step < self.config.steps:
                for one, table in self._tables(lockstep, live, "validation", self.rows.validation):
                    self._evaluated(one.variant.name, step, table)
            if self.energies is not None and step in self.config.energy_steps:
                for one in live:  # before the checkpoint: what comes after it is not done again
                    with adapters.only(one.adapter):
                        self._measure(self.energies, one.variant.name, step)
            if step % self.config.checkpoint_every == 0 or step == self.config.steps:
                self._report()
                self._checkpoint(adapters, lockstep, live, names, step)
        self._report()
        self._conclude(adapters, lockstep, live)

    def _batches(self, rows: Sequence[int]) -> Iterator[Batch]:
        """Training rows in batches of at most the batch size, and of lengths that the model may read side by side."""
        for group in micro_batches(rows, self.config.batch_size):
            for part in apart(self.rows.train, group, self.model.length_rule):
                yield collate(self.rows.train, part, self.model.device)

    def _step(self, lockstep: Lockstep, live: list[Live], step: int) -> list[Live]:
        """One optimizer step of every variant; returns those that go on."""
        rows = self.steps[step - 1]
        losses = torch.zeros(len(live))
        for batch in self._batches(rows):
            losses += lockstep.backward(batch, [one.adapter for one in live], 1 / len(rows)).sum(1).cpu() / len(rows)
        going = []
        for one, loss in zip(live, losses.tolist(), strict=True):
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
        self.meter.add("training", TRAIN_COST * len(rows) * len(live))
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
            "variants": {
                one.variant.name: {
                    "adapter": {name: tensor.detach() for name, tensor in adapters.state(one.adapter.key).items()},
                    "optimizer": one.optimizer.state_dict(),
                    "schedule": one.schedule.state_dict(),
                }
                for one in live
            },
        }
        reason = checkpoints.write(self.folder, state)
        if reason is not None:
            self.log.warn(
                f"The checkpoint of step {step} could not be written ({reason}); training went on, and would have "
                "begun again from the one before."
            )

    # After

    def _conclude(self, adapters: Adapters, lockstep: Lockstep, live: Sequence[Live]) -> None:
        """Final losses on validation and test rows, and the adapters as folders."""
        made: list[Evaluation] = []
        results: dict[str, dict[str, float]] = {one.variant.name: {} for one in live}
        for part, short, rows in (("validation", "eval", self.rows.validation), ("test", "test", self.rows.test)):
            for one, table in self._tables(lockstep, live, part, rows):
                name = one.variant.name
                made.append(table.evaluation(name, part))
                results[name] |= {f"{short}_loss_after": table.loss, f"{short}_accuracy_after": table.accuracy}
                if part == "validation":
                    self._evaluated(name, self.config.steps, table)
        self._report()
        self.log.evaluations(made)
        for one in live:
            name = one.variant.name
            if not all(map(math.isfinite, results[name].values())):
                self._diverged(one, self.config.steps, "its final loss")
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
            self.log.variant(
                name, status="done", results=results[name], adapter=str(folder), ended_step=self.config.steps
            )

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


def _restore(adapters: Adapters, one: Live, saved: Mapping[str, Any]) -> None:
    adapters.restore(one.adapter, saved["adapter"])
    one.optimizer.load_state_dict(saved["optimizer"])
    one.schedule.load_state_dict(saved["schedule"])


def _can_fuse(device: torch.device) -> bool:
    return device.type in ("cpu", "cuda")
