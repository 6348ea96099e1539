"""What a probe is to the pass that measures it: one of four sorts, by what it needs.

    OfWeights     a number of each module's weight; no sample is read
    Recorded      a recorder that stands at the taps while samples go through
    FromPage      follows from PAGE's energies, by arithmetic
    OfTwoTasks    a recorder on each of two tasks, and what the two have in common

Each probe's file holds one of them as `PROBE`; `registry` names the file, `score` runs it. Knows no formula.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedModel

from domlora.data.encoding import EncodedSample
from domlora.models.modules import AdaptableModule
from domlora.probes.config import ProbeConfig
from domlora.probes.recorder import Measurement, MeasuringRecorder


@dataclass(frozen=True, eq=False)
class Subject:
    """What a probe is to measure."""

    model: PreTrainedModel
    modules: Sequence[AdaptableModule]
    samples: Sequence[EncodedSample]

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device


@dataclass(frozen=True)
class OfWeights:
    """
    Attributes:
        measure: the score of one module.
        method: in words, how exact it is.
    """

    measure: Callable[[PreTrainedModel, AdaptableModule], float]
    method: str


@dataclass(frozen=True)
class Recorded:
    """
    Attributes:
        recorder: what stands at the taps.
    """

    recorder: Callable[[Subject, ProbeConfig], MeasuringRecorder]


@dataclass(frozen=True)
class FromPage:
    """
    Attributes:
        derive: the scores, from PAGE by its closed form as measured with a configuration.
        per_sample: it needs PAGE of each sample, whatever reduction is asked for.
    """

    derive: Callable[[Measurement, Subject, ProbeConfig], Measurement]
    per_sample: bool = False


@dataclass(frozen=True)
class OfTwoTasks:
    """
    Attributes:
        recorder: what stands at the taps for the first task.
        other: the same for the second task, fitting the first one's recorder.
        compare: (modules,) scores, from both recorders once their passes are over.
    """

    recorder: Callable[[Subject, ProbeConfig], Any]
    other: Callable[[Subject, ProbeConfig, Any], Any]
    compare: Callable[[Any, Any, int], torch.Tensor]


Probe = OfWeights | Recorded | FromPage | OfTwoTasks
