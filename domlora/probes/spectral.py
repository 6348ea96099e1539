"""Spectral concentration: how much of a weight lies in its first singular direction. Reads no sample.

    ‖W‖₂² / ‖W‖² = σ₁² / Σ_j σ_j²       W (out, in), σ its singular values

One over the stable rank (Rudelson and Vershynin, Journal of the ACM 54(4), 2007): 1 for a weight of rank one, 1 / n for
one whose n singular values are equal. A baseline like `weight_norm`, without its dependence on size. Of a fused tensor
it is the mean over experts.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import nn

from domlora.models.modules import AdaptableModule
from domlora.models.weights import experts_of, weight_of
from domlora.probes.interface import OfWeights

SMALL = 64  # sides up to here are decomposed in full


def spectral_concentration(model: nn.Module, module: AdaptableModule) -> float:
    """From the largest eigenvalue of W Wᵀ, by Lanczos' method where that is faster than all of them."""
    shares = []
    for expert in experts_of(module):
        weight = weight_of(model, module, expert)
        total = float(weight.square().sum(dtype=torch.float64))
        shares.append(_largest_square(weight) / total if total > 0 else 0.0)
    return sum(shares) / len(shares)


def _largest_square(weight: torch.Tensor) -> float:
    """σ₁² of (out, in)."""
    weight = weight if weight.shape[0] <= weight.shape[1] else weight.T
    side = weight.shape[0]
    if side <= SMALL:
        return float(torch.linalg.eigvalsh(weight.double() @ weight.double().T)[-1])

    def product(vector: np.ndarray) -> np.ndarray:
        v = torch.from_numpy(vector.astype(np.float32)).to(weight.device)
        return (weight @ (weight.T @ v)).cpu().numpy().ravel()

    operator = LinearOperator((side, side), matvec=product, dtype=np.float32)
    start = np.random.default_rng(0).standard_normal(side).astype(np.float32)  # the same every time
    return float(eigsh(operator, k=1, v0=start, return_eigenvectors=False)[0])


PROBE = OfWeights(spectral_concentration, "largest squared singular value over their sum, exact")
