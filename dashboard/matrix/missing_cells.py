"""The page's cells without a map: what would measure each, in the settings of its neighbours, and the jobs for them."""

from __future__ import annotations

from collections.abc import Sequence

from dashboard.matrix.queries import AGAINST, Choice, probe_name, rows_by
from dashboard.shared import queries
from domlora.energy.energy_map import Provenance
from domlora.jobs.missing import MissingCell, plan_missing
from domlora.jobs.spec import Job
from domlora.probes.config import ProbeConfig


def missing(choice: Choice) -> list[MissingCell]:
    """The chosen cells without a map, row by row, each with what would measure it and with its latest job."""
    rows = rows_by(choice.probe)
    lacking = [(m, t) for m in choice.models for t in choice.tasks if (m, t) not in rows]
    if not lacking:
        return []
    own = ProbeConfig(probe=probe_name(choice.probe), against=choice.probe.partition(AGAINST)[2] or None)
    return plan_missing(lacking, rows, queries.map_rows(), _provenance, queries.jobs(), own)


def launch(cells: Sequence[MissingCell]) -> list[Job]:
    """Queues what would measure these cells, but nothing twice.

    Raises:
        DomLoRAError: the store cannot be written, or no worker started.
    """
    return [queries.submit(cell.request) for cell in cells if cell.request is not None and not cell.active]


def _provenance(id: str) -> Provenance:
    return queries.energy(id).provenance
