"""Reads back what services were sent: TensorBoard's event files by its own reader, W&B's offline files."""

from __future__ import annotations

import json
import struct
import threading
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from domlora.comparison.run import Metric

# A variant's name with markup, a table's bar, a terminal's colour and a turn of the direction of writing.
ODD = "qv <b>|`x`|</b> \x1b[31m*red*\u202e lr=0.001 seed=0"
CURVES = ("train_loss", "grad_norm", "learning_rate", "eval_loss", "eval_accuracy")
BLOCK = 32768  # of the log format of LevelDB, which W&B's files are written in
HEADER = 7  # bytes before the first record, and before each of its pieces
WHOLE, LAST = (1, 4)  # sorts of pieces: 2 and 3 are the first and the middle ones


def curve_of(variant: str, last: int, name: str = "train_loss") -> list[Metric]:
    """From 2, a tenth less each step."""
    return [Metric(variant, step, name, 2.0 - step / 10) for step in range(last + 1)]


def events(folder: Path) -> EventAccumulator:
    """All of a run's event files, as TensorBoard itself sees them: what was purged is gone."""
    found = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    return found.Reload()


def scalars(folder: Path, tag: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events(folder).Scalars(tag)]


def text(folder: Path, tag: str) -> str:
    (event,) = events(folder).Tensors(f"{tag}/text_summary")
    (written,) = np.atleast_1d(event.tensor_proto.string_val)
    return written.decode()


def wandb_records(file: Path) -> list:
    """The records of a `.wandb` file, as W&B's own sync reads them.

    W&B's package has no reader in Python any more; the format is that of LevelDB's log after a header of seven bytes.
    """
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, found, parts = file.read_bytes(), HEADER, [], b""
    while at + HEADER <= len(data):
        if BLOCK - at % BLOCK < HEADER:  # the end of a block is padded
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + HEADER])
        parts += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (WHOLE, LAST):
            record = Record()
            record.ParseFromString(parts)
            found.append(record)
            parts = b""
    return found


class WandbRun:
    """One or more offline runs of the same name, once W&B's own process has written all of it."""

    def __init__(self, home: Path, name: str) -> None:
        import wandb

        wandb.teardown()
        self.history: list[dict] = []
        self.summary: dict = {}
        self.config: dict = {}
        self.runs = []
        for file in sorted(home.glob("wandb/**/*.wandb")):
            records = wandb_records(file)
            (run,) = (record.run for record in records if record.HasField("run"))
            if run.display_name != name:
                continue
            self.runs.append(run)
            self.config |= {item.key: json.loads(item.value_json) for item in run.config.update}
            for record in records:
                if record.HasField("history"):
                    self.history.append(_values(record.history.item))
                if record.HasField("summary"):
                    self.summary |= _values(record.summary.update)
                if record.HasField("exit"):
                    self.exit_code = record.exit.exit_code

    def curve(self, name: str) -> list[tuple[int, float]]:
        return [(row["_step"], row[name]) for row in self.history if name in row]


def _values(items) -> dict:
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


class Recorder:
    """A tracker that notes what it is told; it fails at one sort of call, or hangs until an event is set."""

    def __init__(self) -> None:
        self.calls: list[tuple] = []
        self.threads: set[int] = set()
        self.fails_at: str | None = None
        self.hangs: threading.Event | None = None
        self.where = "seen here"

    def __call__(self) -> Recorder:
        self._fail("open")
        return self

    def start(self, variant, before) -> None:
        self._note("start", variant.name, list(before))

    def points(self, points) -> None:
        self._note("points", list(points))

    def end(self, variant) -> None:
        self._note("end", variant.name, variant.status)

    def add(self, variant, results) -> None:
        self._note("add", variant.name, dict(results))

    def conclude(self, comparison) -> None:
        self._note("conclude", comparison.conclusion)

    def close(self, *, failed: bool) -> None:
        self._note("close", failed)

    def _note(self, *call) -> None:
        if self.hangs is not None:
            self.hangs.wait(60)
        self._fail(call[0])
        self.threads.add(threading.get_ident())
        self.calls.append(call)

    def _fail(self, name: str) -> None:
        if name == self.fails_at:
            raise RuntimeError("no key\x1b[31m\nand more")
