"""From names of probes to scores: what to record, in as few passes as possible, and what to make of it.

In: a model, its modules, encoded samples, one `ProbeConfig` for each probe. Out: a `Scored` for each. All probes that
read samples share one pass over them; where one follows from another's energies (gradient norm and Fisher from PAGE),
they share its recorder too. Interference adds a pass over its other task. Probes of weights alone run no model.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from transformers import PreTrainedModel

from domlora.data.encoding import EncodedSample
from domlora.models.modules import AdaptableModule
from domlora.probes.activation_norm import ActivationNorm
from domlora.probes.config import ProbeConfig, ProbeName
from domlora.probes.fisher import fisher
from domlora.probes.gradient_norm import gradient_norm
from domlora.probes.interference import GradientSpans, overlap
from domlora.probes.page import estimator
from domlora.probes.page.no_first import WithoutFirstToken
from domlora.probes.passes import run
from domlora.probes.plop import Plop
from domlora.probes.recorder import Measurement, MeasuringRecorder
from domlora.probes.saliency import SaliencyOfMean, SaliencyPerSample
from domlora.probes.spectral import spectral_concentration
from domlora.probes.weight_norm import weight_norm

OF_WEIGHTS: dict[ProbeName, tuple[Callable[[PreTrainedModel, AdaptableModule], float], str]] = {
    "weight-norm": (weight_norm, "Frobenius norm of the weight, exact"),
    "spectral": (spectral_concentration, "largest squared singular value over their sum, exact"),
}
FROM_PAGE: tuple[ProbeName, ...] = ("page", "gradient-norm", "fisher")  # by its closed form
RANKED: tuple[ProbeName, ...] = ("page", "page-no-first", "interference")  # scores that depend on the adapter's rank


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
    for config in configs:
        if config.probe in RANKED:
            estimator.check_rank(modules, config.rank)
    reading = [config for config in configs if config.probe not in OF_WEIGHTS]
    total = len(samples) * bool(reading) + sum(len(others[c.against]) for c in reading if c.against is not None)
    done = 0

    def record(samples: Sequence[EncodedSample], recorders: Sequence[MeasuringRecorder]) -> list[Measurement]:
        nonlocal done
        bounds: dict[str, Any] = {"max_tokens": max_tokens, "max_samples": max_samples}
        before = done
        found = run(model, modules, samples, recorders, progress=lambda d, _: progress(before + d, total), **bounds)
        done += len(samples)
        return found

    recorders = _Recorders(model, modules, samples, configs)
    started = time.perf_counter()
    measured = record(samples, recorders.all) if reading else []
    seconds = time.perf_counter() - started
    shared = tuple(config.probe for config in reading)

    scored = []
    for config in configs:
        started = time.perf_counter()
        if config.probe in OF_WEIGHTS:
            scored.append(Scored(_of_weights(model, modules, config), time.perf_counter() - started, ()))
            continue
        place, source = recorders.of(config)
        found = measured[place]
        if config.probe == "gradient-norm":
            found = gradient_norm(found, modules, source)
        elif config.probe == "fisher":
            found = fisher(found, modules, samples, source)
        elif config.probe == "interference":
            first = recorders.all[place]
            assert isinstance(first, GradientSpans) and config.against is not None
            theirs = others[config.against]
            second = GradientSpans(model, modules, theirs, config.rank, config.seed, exact=first.columns is None)
            (other,) = record(theirs, [second])
            unmeasured = other.unmeasured | found.unmeasured
            found = replace(found, energies=overlap(first.spans, second.spans, len(modules)), unmeasured=unmeasured)
        scored.append(Scored(found, seconds + time.perf_counter() - started, shared))
    return scored


class _Recorders:
    """The recorders that some probes need, each once."""

    def __init__(
        self,
        model: PreTrainedModel,
        modules: Sequence[AdaptableModule],
        samples: Sequence[EncodedSample],
        configs: Sequence[ProbeConfig],
    ) -> None:
        self.model, self.modules, self.samples, self.configs = model, modules, samples, configs
        self.all: list[Any] = []
        self.places: dict[ProbeConfig, int] = {}
        for config in configs:
            source = self._source(config)
            if config.probe not in OF_WEIGHTS and source not in self.places:
                self.places[source] = len(self.all)
                self.all.append(self._make(source))

    def of(self, config: ProbeConfig) -> tuple[int, ProbeConfig]:
        """Which of `all` measures what this probe needs, and as what it was asked to do so."""
        source = self._source(config)
        return self.places[source], source

    def _source(self, config: ProbeConfig) -> ProbeConfig:
        """The same for all probes that follow from one recorder: PAGE as asked for, else for an adapter of rank 1."""
        if config.probe not in FROM_PAGE or (config.probe == "page" and config.estimator == "projected"):
            return config
        reduction = "per_sample" if config.probe == "fisher" else config.reduction
        for known in self.configs:
            if (known.probe, known.estimator, known.reduction) == ("page", "expected", reduction):
                return known
        changes = {"probe": "page", "estimator": "expected", "reduction": reduction, "rank": 1, "alpha": 1.0}
        return config.model_copy(update=changes | {"rslora": False, "draws": 1})

    def _make(self, config: ProbeConfig) -> Any:
        place = (self.model, self.modules, self.samples)
        if config.probe == "saliency":
            return SaliencyPerSample(*place) if config.reduction == "per_sample" else SaliencyOfMean(*place)
        if config.probe == "activation-norm":
            return ActivationNorm(*place)
        if config.probe == "plop":
            return Plop(*place, config.seed)
        if config.probe == "interference":
            return GradientSpans(*place, config.rank, config.seed)
        device = next(self.model.parameters()).device
        recorder = estimator.choose_recorder(self.modules, self.samples, config, device, None, None)
        return WithoutFirstToken(recorder) if config.probe == "page-no-first" else recorder


def _of_weights(model: PreTrainedModel, modules: Sequence[AdaptableModule], config: ProbeConfig) -> Measurement:
    measure, method = OF_WEIGHTS[config.probe]
    scores = torch.tensor([measure(model, module) for module in modules], dtype=torch.float64)
    return Measurement(scores, None, None, torch.zeros(0), None, method, {})
