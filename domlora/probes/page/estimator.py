"""PAGE, Projected Adapter Gradient Energy: how much gradient would reach an adapter at each module (arXiv 2605.06183).

With `W` (out, in), LoRA `s·B·A`, `B = 0` and `A` (r, in) Kaiming-uniform (variance 1 / (3·in)), at step 0

    dL/dB = s·G·Aᵀ,  G = dL/dW (out, in)        PAGE = E_A ‖dL/dB‖² = s²·r/(3·in) · ‖G‖²

`G` of a sample is Σ_t y_t x_tᵀ over its tokens (x inputs, y output gradients), so that neither estimator forms it:

    expected    ‖G‖² = Σ_tu (XXᵀ)_tu (YYᵀ)_tu           holds the Gram matrix XXᵀ (T, T) until the backward
    projected   G·Aᵀ = Yᵀ(XAᵀ)                           holds the projection XAᵀ (T, r)

Both split over token positions exactly, as the row sums. The energy of the mean gradient needs sums over samples
before the square: exactly with one (out, in) accumulator a module, or with a random sketch of its columns when those
do not fit.

A fused tensor of experts holds one adapter an expert, as in PEFT: its energy is the sum over its experts, each from the
tokens that were routed to it. Where PEFT's `A` reads the output's side (`AdaptableModule.swapped`), x and y change
roles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from transformers import PreTrainedModel

from domlora.data.encoding import EncodedSample
from domlora.errors import ProbeError
from domlora.models.device import free_memory
from domlora.models.kinds import ROUTER_KINDS
from domlora.models.modules import AdaptableModule
from domlora.probes.accumulators import ACCUMULATOR_FRACTION, gradient_bytes
from domlora.probes.config import ProbeConfig
from domlora.probes.interface import Recorded, Subject
from domlora.probes.page.mean_gradient import (
    ExactMeanGradient,
    ProjectedMeanGradient,
    SketchedMeanGradient,
)
from domlora.probes.page.per_sample import ExpectedPerSample, ProjectedPerSample
from domlora.probes.passes import run
from domlora.probes.recorder import Measurement, MeasuringRecorder

MAX_SKETCH = 1024


def measure(
    model: PreTrainedModel,
    modules: Sequence[AdaptableModule],
    samples: Sequence[EncodedSample],
    config: ProbeConfig,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
    max_tokens: int | None = None,
    max_samples: int | None = None,
    accumulator_bytes: int | None = None,
    projections: Mapping[str, torch.Tensor] | None = None,
) -> Measurement:
    """Measures PAGE of every module in one forward and one activation-only backward a batch.

    Args:
        progress, max_tokens, max_samples: as `passes.run`.
        accumulator_bytes: that exact mean gradients may take, by default a quarter of the free memory.
        projections: module name -> `A` (draws·r, in) to use instead of drawn ones (estimator `projected`).

    Raises:
        ProbeError: rank above a module's size, and as `passes.run`.
    """
    recorder = choose_recorder(Subject(model, modules, samples), config, accumulator_bytes, projections)
    bounds: dict[str, Any] = {"progress": progress, "max_tokens": max_tokens, "max_samples": max_samples}
    return run(model, modules, samples, [recorder], **bounds)[0]


def check_rank(modules: Sequence[AdaptableModule], rank: int) -> None:
    """Raises ProbeError if an adapter of this rank is larger than a module itself.

    Routers may be smaller: they have as many outputs as experts, and hardly anybody would adapt one by itself.
    """
    modules = [module for module in modules if module.kind not in ROUTER_KINDS]
    for module in modules:
        if rank > min(module.in_features, module.out_features):
            raise ProbeError(
                f"rank {rank} is larger than {module.name} ({module.in_features} -> {module.out_features}): "
                f"choose a rank of at most {min(min(m.in_features, m.out_features) for m in modules)}"
            )


def choose_recorder(
    subject: Subject,
    config: ProbeConfig,
    accumulator_bytes: int | None = None,
    projections: Mapping[str, torch.Tensor] | None = None,
) -> MeasuringRecorder:
    """The recorder of an estimator and a reduction; arguments and errors as `measure`."""
    modules, samples = subject.modules, subject.samples
    check_rank(modules, config.rank)
    if config.estimator == "projected":
        kind = ProjectedPerSample if config.reduction == "per_sample" else ProjectedMeanGradient
        return kind(modules, samples, config, projections)
    if config.reduction == "per_sample":
        return ExpectedPerSample(modules, samples, config)
    budget = int(ACCUMULATOR_FRACTION * free_memory(subject.device)) if accumulator_bytes is None else accumulator_bytes
    if gradient_bytes(modules) <= budget:
        return ExactMeanGradient(modules, samples, config)
    columns = max(8, min(MAX_SKETCH, budget // (4 * sum(m.experts * m.out_features for m in modules))))
    return SketchedMeanGradient(modules, samples, config, columns)


PROBE = Recorded(choose_recorder)
