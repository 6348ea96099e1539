"""Weights & Biases: a run for each variant, all in one group; online, offline or off, as its own environment says.

In: what `Tracker` says. Out: runs whose ids follow from the comparison and the variant, so that a comparison that goes
on after a checkpoint goes on in them. W&B takes no step back: online, a step that it has is not sent again; offline,
the files of a variant are written anew.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import wandb

from domlora.comparison.result import Comparison
from domlora.comparison.run import Metric, Run, Variant
from domlora.paths import home
from domlora.tracking.tracker import (
    COMPARISON,
    PROJECT,
    by_step,
    ending,
    findings,
    results_of,
    service_id,
    settings_of,
    title,
)

TIMEOUT = 60.0  # seconds for a run to begin, and to hand over what is left when it ends


class WeightsAndBiases:
    """A `Tracker`.

    Args:
        project: None stands for WANDB_PROJECT, else `domlora`.
    """

    def __init__(self, run: Run, project: str | None = None) -> None:
        self._run = run
        self._project = project or os.environ.get("WANDB_PROJECT") or PROJECT
        self._folder = Path(os.environ.get("WANDB_DIR") or home() / "wandb" / run.id)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._runs: dict[str, wandb.Run] = {}
        self._first: dict[str, int] = {}  # the first step that W&B does not have
        # The newest row of each variant: it is sent when the next one comes, since it may not be whole before.
        self._held: dict[str, tuple[int, dict[str, float]]] = {}
        self._where = "nothing was sent"
        wandb.setup(wandb.Settings(silent=True))  # else it would ask a terminal for a key in the midst of a training

    @property
    def where(self) -> str:
        return self._where

    def start(self, variant: Variant, before: Sequence[Metric]) -> None:
        for old in self._folder.glob(f"wandb/offline-run-*-{service_id(self._run, variant.name)}"):
            shutil.rmtree(old)  # written anew: of a process that was killed it lacks what had not left its buffer
        run = self._begin(variant.name, title(variant), "variant", settings_of(self._run, variant))
        self._runs[variant.name], self._first[variant.name] = run, run.step
        self.points(before)

    def points(self, points: Sequence[Metric]) -> None:
        for (name, step), row in by_step(points).items():
            held, known = self._held.pop(name, (step, {}))
            if held < step:
                self._log(name, held, known)
                known = {}
            self._held[name] = step, {**known, **row}

    def end(self, variant: Variant) -> None:
        self._release(variant.name)
        run = self._runs.pop(variant.name)
        run.summary.update({**results_of(variant.results), "status": ending(variant)})
        run.finish(exit_code=int(variant.status == "diverged"))

    def add(self, variant: Variant, results: Mapping[str, float]) -> None:
        run = self._begin(variant.name, title(variant), "variant", settings_of(self._run, variant))
        run.summary.update(results_of(results))
        run.finish()

    def conclude(self, comparison: Comparison) -> None:
        found = findings(comparison)
        run = self._begin(COMPARISON, COMPARISON, COMPARISON, settings_of(self._run, None))
        rows = [list(row) for row in found.rows]
        run.log({"table": wandb.Table(columns=list(found.columns), data=rows, allow_mixed_types=True)})
        run.summary.update({"conclusion": found.conclusion, "warnings": "\n".join(found.warnings)})
        run.finish()

    def close(self, *, failed: bool) -> None:
        for name, run in self._runs.items():
            if not failed:
                self._release(name)
            run.finish(exit_code=int(failed))
        self._runs.clear()

    def _release(self, name: str) -> None:
        if name in self._held:
            self._log(name, *self._held.pop(name))

    def _log(self, name: str, step: int, row: Mapping[str, float]) -> None:
        if step >= self._first[name]:
            self._runs[name].log(dict(row), step=step, commit=True)

    def _begin(self, name: str, shown: str, kind: str, config: Mapping[str, Any]) -> wandb.Run:
        run = wandb.init(
            project=self._project, id=service_id(self._run, name), name=shown, group=self._run.id, job_type=kind,
            config=dict(config), resume="allow", reinit="create_new", allow_val_change=True, dir=self._folder,
            settings=wandb.Settings(
                silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True,
                init_timeout=TIMEOUT, finish_timeout=TIMEOUT, finish_timeout_raises=True,
            ),
        )  # fmt: skip
        if run.disabled:
            self._where = "nowhere: WANDB_MODE is disabled"
        elif run.offline:
            self._where = f"wandb sync {shlex.quote(str(Path(run.sync_dir).parent))}/offline-run-*"
        else:
            self._where = f"{run.project_url}/groups/{self._run.id}"
        return run
