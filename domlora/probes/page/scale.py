"""From PAGE to the squared norm of the gradient itself: ‖G‖² = PAGE · 3·in / (s²·r), exact for its closed form.

In: a `Measurement` of PAGE (estimator `expected`). Out: factors that turn its energies into ‖G‖².
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from domlora.models.modules import AdaptableModule
from domlora.probes.config import ProbeConfig


def factors(modules: Sequence[AdaptableModule], config: ProbeConfig) -> torch.Tensor:
    """(modules,) what PAGE of these settings is to be multiplied with."""
    scale = config.scaling**2 * config.rank
    return torch.tensor([3 * module.fan_in / scale for module in modules], dtype=torch.float64)
