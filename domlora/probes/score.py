"""From names of probes to scores: what to record, in as few passes as possible, and what to make of it.

In: a model, its modules, encoded samples, one `ProbeConfig` for each probe. Out: a `Scored` for each. All probes that
read samples share one pass over them; where one follows from another's energies (gradient norm and Fisher from PAGE),
they share its recorder too. Interference adds a pass over its other task. Probes of weights alone run no model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from transformers import PreTrainedModel

from domlora.data.encoding import EncodedSample
from domlora.models.modules import AdaptableModule
from domlora.probes.config import ProbeConfig, ProbeName
from domlora.probes.interface import FromPage, OfTwoTasks, OfWeights, Probe, Recorded, Subject
from domlora.probes.page.estimator import check_rank
from domlora.probes.passes import run
from domlora.probes.recorder import Measurement, MeasuringRecorder
from domlora.probes.registry import PROBES


@dataclass(frozen=True)
class Scored:
    """A probe's scores and their cost.

    Attributes:
        seconds: of the pass over the samples, whoever shared it, and of what this probe computed besides.
        shared: all probes of that pass; alone there, only itself; none for a probe of weights.
    """

    found: Measurement
    seconds: float
    shared: tuple[ProbeName, ...]


def score(
    model: PreTrainedModel,
    modules: Sequence[AdaptableModule],
    samples: Sequence[EncodedSample],
    configs: Sequence[ProbeConfig],
    *,
    others: Mapping[str, Sequence[EncodedSample]] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    max_tokens: int | None = None,
    max_samples: int | None = None,
) -> list[Scored]:
    """Measures several probes on the same samples.

    Args:
        configs: their samples, seed, lengths and dtype are taken to be what `samples` were made with.
        others: samples of the other task of each probe of interference, by its `against`.
        progress: called with (samples done, samples), all passes together.
        max_tokens, max_samples: as `passes.run`.

    Raises:
        ProbeError: a rank above a module's size, not enough memory, a weight that cannot be read, a score that is not
            finite.
    """
    others = others or {}
    probes = {config: load(config.probe) for config in configs}
    for config in configs:
        if PROBES[config.probe].ranked:
            check_rank(modules, config.rank)
    reading = [config for config in configs if not isinstance(probes[config], OfWeights)]
    total = len(samples) * bool(reading) + sum(len(others[c.against]) for c in reading if c.against is not None)
    done = 0

    def record(subject: Subject, recorders: Sequence[MeasuringRecorder]) -> list[Measurement]:
        nonlocal done
        before = done
        measured = run(
            model, modules, subject.samples, recorders, progress=lambda d, _: progress(before + d, total),
            max_tokens=max_tokens, max_samples=max_samples,
        )  # fmt: skip
        done += len(subject.samples)
        return measured

    subject = Subject(model, modules, samples)
    recorders = _Recorders(subject, probes)
    started = time.perf_counter()
    measured = record(subject, recorders.all) if reading else []
    seconds = time.perf_counter() - started
    shared = tuple(config.probe for config in reading)

    scored = []
    for config in configs:
        probe, started = probes[config], time.perf_counter()
        if isinstance(probe, OfWeights):
            scored.append(Scored(_of_weights(subject, probe), time.perf_counter() - started, ()))
            continue
        place, source = recorders.of(config)
        measurement = measured[place]
        if isinstance(probe, FromPage):
            measurement = probe.derive(measurement, subject, source)
        elif isinstance(probe, OfTwoTasks):
            assert config.against is not None
            theirs = Subject(model, modules, others[config.against])
            first = recorders.all[place]
            second = probe.other(theirs, config, first)
            (other,) = record(theirs, [second])
            energies = probe.compare(first, second, len(modules))
            unmeasured = other.unmeasured | measurement.unmeasured
            measurement = replace(measurement, energies=energies, unmeasured=unmeasured)
        scored.append(Scored(measurement, seconds + time.perf_counter() - started, shared))
    return scored


def load(name: ProbeName) -> Probe:
    """The code of a probe."""
    module, _, attribute = PROBES[name].code.partition(":")
    return getattr(import_module(f"domlora.probes.{module}"), attribute)


class _Recorders:
    """The recorders that some probes need, each once."""

    def __init__(self, subject: Subject, probes: Mapping[ProbeConfig, Probe]) -> None:
        self.probes = probes
        self.all: list[Any] = []
        self.places: dict[ProbeConfig, int] = {}
        for config, probe in probes.items():
            source = self._source(config)
            if isinstance(probe, OfWeights) or source in self.places:
                continue
            self.places[source] = len(self.all)
            recorded = load(source.probe)
            assert isinstance(recorded, (Recorded, OfTwoTasks))
            self.all.append(recorded.recorder(subject, source))

    def of(self, config: ProbeConfig) -> tuple[int, ProbeConfig]:
        """Which of `all` measures what this probe needs, and as what it was asked to do so."""
        source = self._source(config)
        return self.places[source], source

    def _source(self, config: ProbeConfig) -> ProbeConfig:
        """What is recorded for a probe: for one that follows from PAGE, PAGE as asked for, else for rank 1."""
        probe = self.probes[config]
        if not isinstance(probe, FromPage):
            return config
        reduction = "per_sample" if probe.per_sample else config.reduction
        for known in self.probes:
            if (known.probe, known.estimator, known.reduction) == ("page", "expected", reduction):
                return known
        changes = {"probe": "page", "estimator": "expected", "reduction": reduction, "rank": 1, "alpha": 1.0}
        return config.model_copy(update=changes | {"rslora": False, "draws": 1})


def _of_weights(subject: Subject, probe: OfWeights) -> Measurement:
    scores = torch.tensor([probe.measure(subject.model, module) for module in subject.modules], dtype=torch.float64)
    return Measurement(scores, None, None, torch.zeros(0), None, probe.method, {})
