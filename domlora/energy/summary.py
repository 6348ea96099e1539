"""What a list shows of an energy map without reading its table: `MapSummary`. Plain data, no pandas."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from domlora.probes.config import Trained

if TYPE_CHECKING:
    from domlora.energy.energy_map import EnergyMap


LIST_SCALARS = (
    "samples",
    "estimator",
    "reduction",
    "seconds",
    "device",
    "dtype",
    "layers",
    "architecture",
    "probe",
    "against",
    "trained",
)


@dataclass(frozen=True)
class Dominant:
    """The module with the largest energy of a map."""

    module: str
    layer: int | None
    kind: str
    share: float


@dataclass(frozen=True)
class MapSummary:
    """What a list shows of an energy map: some of its provenance and `EnergyMap.summary()`.

    Attributes:
        created: when it was measured, in UTC.
        lead: energy of the dominant module over that of the second, inf if no other has any.
        modules: how many were measured.
        probe, against: as in `ProbeConfig`.
        trained: the adapter that was on the model, if any.
    """

    id: str
    key: str
    model: str
    model_revision: str
    architecture: str
    layers: int
    task: str
    task_hash: str
    created: datetime
    samples: int
    estimator: str
    reduction: str
    seconds: float
    device: str
    dtype: str
    dominant: Dominant
    lead: float
    effective_modules: float
    modules: int
    level: str
    verdict: str
    probe: str = "page"
    against: str | None = None
    trained: Trained | None = None


def list_scalars(energy: EnergyMap) -> dict[str, Any]:
    known = energy.provenance.config.model_dump() | energy.provenance.model_dump()
    return {name: known[name] for name in LIST_SCALARS}
