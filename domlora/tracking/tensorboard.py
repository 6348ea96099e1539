"""TensorBoard: event files under `$DOMLORA_HOME/tensorboard/<run id>/`, a folder for each variant.

In: what `Tracker` says. Out: scalars, hyperparameters with their session's end, texts. A variant that goes on after a
checkpoint is written anew from its start, so that no step is there twice.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.hparams import metadata
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from domlora.comparison.result import Comparison
from domlora.comparison.run import Metric, Run, Variant
from domlora.paths import home
from domlora.tracking.tracker import (
    COMPARISON,
    as_markdown,
    curve,
    ending,
    findings,
    results_of,
    settings_of,
    table_as_markdown,
)

# The columns of the hyperparameters' table: results that a variant ends with, whether it has them or not.
RESULTS = tuple(f"{part}_{name}_after" for part in ("eval", "test") for name in ("loss", "accuracy"))
LONGEST_NAME = 150  # of a folder; file systems take 255 bytes
EVENTS = "events.out.tfevents.*"
STATUS = {"done": "STATUS_SUCCESS", "diverged": "STATUS_FAILURE", "cancelled": "STATUS_FAILURE"}


class TensorBoard:
    """A `Tracker`; the project is not used, TensorBoard has none."""

    def __init__(self, run: Run, project: str | None = None) -> None:
        self._run, self._folder = run, home() / "tensorboard" / run.id
        self._writers: dict[str, Any] = {}  # SummaryWriter, whose `file_writer` torch declares to be None
        self._last: dict[str, int] = {}  # step of the latest point

    @property
    def where(self) -> str:
        return f"tensorboard --logdir {shlex.quote(str(self._folder))}"

    def start(self, variant: Variant, before: Sequence[Metric]) -> None:
        writer = self._writer(variant.name, folder_name(variant.name))
        exp, begun, _ = hparams(settings_of(self._run, variant), results_of(dict.fromkeys(RESULTS, 0.0)))
        for summary in (exp, begun):
            writer.file_writer.add_summary(summary)
        writer.flush()
        self.points(before)

    def points(self, points: Sequence[Metric]) -> None:
        for point in points:
            self._writers[point.variant].add_scalar(curve(point.name), point.value, point.step)
            self._last[point.variant] = max(point.step, self._last[point.variant])
        for name in {point.variant for point in points}:
            self._writers[name].flush()

    def end(self, variant: Variant) -> None:
        writer, step = self._writers.pop(variant.name), self._last[variant.name]
        for name, value in results_of(variant.results).items():
            writer.add_scalar(name, value, step)
        writer.add_text("status", as_markdown(ending(variant)), step)
        writer.file_writer.add_summary(_session_end(STATUS.get(variant.status, "STATUS_RUNNING")))
        writer.close()

    def add(self, variant: Variant, results: Mapping[str, float]) -> None:
        step = self._run.config.steps
        writer = SummaryWriter(str(self._folder / folder_name(variant.name)))
        for name, value in results_of(results).items():
            writer.add_scalar(name, value, step)
        writer.close()

    def conclude(self, comparison: Comparison) -> None:
        found = findings(comparison)
        writer = self._writer(COMPARISON, COMPARISON)
        writer.add_text("conclusion", as_markdown(found.conclusion), 0)
        warnings = "\n".join(f"- {as_markdown(warning)}" for warning in found.warnings)
        writer.add_text("warnings", warnings or "none", 0)
        writer.add_text("table", table_as_markdown(found), 0)
        self._writers.pop(COMPARISON).close()

    def close(self, *, failed: bool) -> None:
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()

    def _writer(self, name: str, folder: str) -> Any:
        """Writes in place of what the folder has, also for a TensorBoard that has read that already."""
        path = self._folder / folder
        for old in path.glob(EVENTS):
            old.unlink()
        self._writers[name], self._last[name] = SummaryWriter(str(path), purge_step=0), 0
        return self._writers[name]


def folder_name(variant: str) -> str:
    """What TensorBoard calls a variant: its name with `_` for blanks; one that no folder can have, with a digest.

    `dominant lr=0.005 seed=1` -> `dominant_lr=0.005_seed=1`.
    """
    name = re.sub(r"[^\w.=@+-]+", "_", variant.replace(" ", "_")).lstrip(".")[:LONGEST_NAME]
    while len(name.encode()) > LONGEST_NAME:
        name = name[:-1]
    if name == variant.replace(" ", "_"):
        return name
    return f"{name}-{hashlib.sha256(variant.encode()).hexdigest()[:8]}"


def _session_end(status: str) -> Any:
    """How a session ended, as the plugin for hyperparameters reads it; torch's own `hparams` only knows success."""
    content = HParamsPluginData(
        session_end_info=SessionEndInfo(status=Status.Value(status)), version=metadata.PLUGIN_DATA_VERSION
    )
    plugin = SummaryMetadata.PluginData(plugin_name=metadata.PLUGIN_NAME, content=content.SerializeToString())
    return Summary(
        value=[Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=SummaryMetadata(plugin_data=plugin))]
    )
