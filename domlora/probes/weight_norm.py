"""Weight norm: the Frobenius norm of a module's weight. Reads no sample: the same for every task.

    ‖W‖ = sqrt(Σ_oj W_oj²)       W (out, in); all experts of a fused tensor together

A baseline: a probe that ranks modules no better has learnt nothing from the task. It grows with the module's size.
"""

from __future__ import annotations

import torch
from torch import nn

from domlora.models.modules import AdaptableModule
from domlora.models.weights import experts_of, weight_of
from domlora.probes.interface import OfWeights


def weight_norm(model: nn.Module, module: AdaptableModule) -> float:
    """Sums in float64."""
    squares = (weight_of(model, module, expert).square().sum(dtype=torch.float64) for expert in experts_of(module))
    return float(sum(squares)) ** 0.5


PROBE = OfWeights(weight_norm, "Frobenius norm of the weight, exact")
