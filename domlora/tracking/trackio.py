"""Trackio: a run for each variant in one group, in its local store or where its own environment says.

In: what `Tracker` says. Out: runs whose names end in an id that follows from the comparison and the variant, since
Trackio goes on with a run by its name. In the local store a variant that goes on after a checkpoint is written anew;
elsewhere nothing can be taken back, so a step that was sent is not sent again.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, redirect_stdout
from contextvars import copy_context
from typing import Any, TextIO

import trackio

from domlora.comparison.result import Comparison
from domlora.comparison.run import Metric, Run, Variant
from domlora.tracking import mark
from domlora.tracking.tracker import (
    COMPARISON,
    PROJECT,
    as_markdown,
    by_step,
    ending,
    findings,
    results_of,
    service_id,
    settings_of,
    title,
)

SERVICE = "trackio"
ID_DIGITS = 8  # of the id, at the end of a run's name
ELSEWHERE = ("TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL")  # variables that name a store on another machine


class Trackio:
    """A `Tracker`."""

    def __init__(self, run: Run, project: str | None = None) -> None:
        self._run, self._project = run, project or PROJECT
        self._runs: dict[str, trackio.Run] = {}
        self._sent: dict[str, dict[str, int]] = {}  # the last step of each curve

    @property
    def where(self) -> str:
        return _elsewhere() or f"trackio show --project {shlex.quote(self._project)}"

    def start(self, variant: Variant, before: Sequence[Metric]) -> None:
        known = mark.read(SERVICE, service_id(self._run, variant.name)) if _elsewhere() else {}
        self._runs[variant.name], self._sent[variant.name] = self._begin_variant(variant, anew=True), known
        self.points(before)

    def points(self, points: Sequence[Metric]) -> None:
        for (name, step), row in by_step(points).items():
            new = {curve: value for curve, value in row.items() if step > self._sent[name].get(curve, -1)}
            if new:
                self._runs[name].log(new, step=step)
                self._sent[name] |= dict.fromkeys(new, step)
        for name in {point.variant for point in points} if _elsewhere() else ():
            mark.write(SERVICE, service_id(self._run, name), self._sent[name])

    def end(self, variant: Variant) -> None:
        run = self._runs.pop(variant.name)
        said = trackio.Markdown(as_markdown(ending(variant)))
        run.log({**results_of(variant.results), "status": said}, step=max(self._sent[variant.name].values(), default=0))
        self._finish(run)

    def add(self, variant: Variant, results: Mapping[str, float]) -> None:
        run = self._begin_variant(variant, anew=False)
        run.log(results_of(results), step=self._run.config.steps)
        self._finish(run)

    def conclude(self, comparison: Comparison) -> None:
        found = findings(comparison)
        name = f"{COMPARISON} {service_id(self._run, COMPARISON)[:ID_DIGITS]}"
        run = self._begin(name, settings_of(self._run, None), anew=True)
        warnings = "\n".join(f"- {as_markdown(warning)}" for warning in found.warnings)
        run.log(
            {
                "conclusion": trackio.Markdown(as_markdown(found.conclusion)),
                "warnings": trackio.Markdown(warnings or "none"),
                "table": trackio.Table(columns=list(found.columns), data=[[*map(_cell, row)] for row in found.rows]),
            },
            step=0,
        )
        self._finish(run)

    def close(self, *, failed: bool) -> None:
        for run in self._runs.values():
            self._finish(run)
        self._runs.clear()

    def _begin_variant(self, variant: Variant, *, anew: bool) -> trackio.Run:
        id = service_id(self._run, variant.name)[:ID_DIGITS]
        return self._begin(f"{title(variant)} {id}", settings_of(self._run, variant), anew=anew)

    def _begin(self, name: str, config: Mapping[str, Any], *, anew: bool) -> trackio.Run:
        """The run of that name; `anew` in place of what the local store has of it."""
        with _quiet():
            if anew and not _elsewhere():
                self._delete(name)
            # In a context of its own: `init` would end the run that it finds in the present one.
            return copy_context().run(
                trackio.init, project=self._project, name=name, group=self._run.id, config=dict(config),
                resume="allow", embed=False, auto_log_gpu=False, auto_log_cpu=False,
            )  # fmt: skip

    def _delete(self, name: str) -> None:
        try:
            known = list(trackio.Api().runs(self._project))
        except ValueError:  # there is no such project yet
            return
        for run in known:
            if run.name == name:
                run.delete()

    def _finish(self, run: trackio.Run) -> None:
        with _quiet():
            run.finish()


class _Others(io.TextIOBase):
    """A stream that takes what other threads print: Trackio greets each run on stdout, where JSON may be awaited."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._mine = stream, threading.get_ident()

    def write(self, text: str) -> int:
        return len(text) if threading.get_ident() == self._mine else self._stream.write(text)

    def flush(self) -> None:
        self._stream.flush()


def _quiet() -> AbstractContextManager[Any]:
    return redirect_stdout(_Others(sys.stdout))


def _elsewhere() -> str | None:
    return next((os.environ[name] for name in ELSEWHERE if os.environ.get(name)), None)


def _cell(value: Any) -> Any:
    """Trackio takes text in a table for Markdown."""
    return as_markdown(value) if isinstance(value, str) else value
