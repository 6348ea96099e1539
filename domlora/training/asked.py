"""From a comparison that is asked for to its run: what is cheap is checked, then the store answers, or it is trained.

In: a task, placements and a `SweepConfig`; where the model lies, and how to load it. Out: a run in the store, with the
energy map that its placements were chosen by. `domlora.compare` and the jobs both come this way. Rows are chosen,
placements read and the key of the run built here, once. No torch until something has to be computed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domlora.comparison.config import SweepConfig
from domlora.comparison.key import sweep_key
from domlora.comparison.placements import place_for
from domlora.comparison.run import Run
from domlora.data.tasks import Task
from domlora.energy.energy_map import EnergyMap
from domlora.energy.key import request_key
from domlora.errors import TaskError
from domlora.generation import code_runner
from domlora.models.fetch import LocalModel
from domlora.models.reference import check_trainable
from domlora.placements.placement import Placement
from domlora.probes.config import ProbeConfig
from domlora.progress import Progress, silent
from domlora.store.shipped import known_map
from domlora.store.store import Store
from domlora.tracking.services import NOWHERE, Destination
from domlora.training.rows import ChosenRows, choose_rows

if TYPE_CHECKING:
    from domlora.models.loading import LoadedModel


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be compared, on which rows; as far as that can be checked without a model, it can be had.

    Attributes:
        placements: names, which still have to be read against a map, and placements.
    """

    task: Task
    config: SweepConfig
    placements: tuple[str | Placement, ...]
    rows: ChosenRows


@dataclass(frozen=True, eq=False)
class Plan:
    """A comparison down to everything that decides its numbers.

    Attributes:
        energy: the map that names of placements were read against.
        key: of its run.
    """

    task: Task
    config: SweepConfig
    rows: ChosenRows
    energy: EnergyMap
    placements: tuple[Placement, ...]
    key: str


def ask(task: Task, config: SweepConfig, placements: Sequence[str | Placement] | None = None) -> Asked:
    """Chooses the rows of a comparison.

    Args:
        placements: None stands for the names of `config`.

    Raises:
        TaskError: rows that cannot be had.
    """
    rows = choose_rows(task, config)
    there = task.splits.get("train", 0)
    if config.energy_every and config.energy_samples > there:
        raise TaskError(
            f"the energy is to be measured on {config.energy_samples} training rows, but {task.name} has "
            f"{there}: lower --energy-samples"
        )
    return Asked(task, config, tuple(config.placements if placements is None else placements), rows)


def plan(asked: Asked, model_revision: str, energy: EnergyMap) -> Plan:
    """Reads the placements against a map. Errors as `place_for`."""
    placements = tuple(place_for(energy, asked.config, asked.placements))
    how = energy.provenance.config
    key = sweep_key(model_revision, asked.task.content_hash, asked.config, placements, how)
    return Plan(asked.task, asked.config, asked.rows, energy, placements, key)


def run_of(
    asked: Asked,
    local: LocalModel,
    load: Callable[[], LoadedModel],
    store: Store,
    *,
    probe: ProbeConfig | None = None,
    energy: EnergyMap | None = None,
    job: str | None = None,
    refresh: bool = False,
    progress: Progress = silent,
    send_to: Destination = NOWHERE,
) -> Run:
    """The run of what is asked for: from the store where it is complete, else trained, or gone on with.

    Args:
        local: the model's files.
        load: brings the model, which happens only if something has to be computed.
        probe: how the map is measured that placements are chosen by, where neither `energy` nor the store has it.
        energy: that map. Either way it is in the store afterwards.
        job: id of the job that computes it.
        refresh: train again even if the store has the run.
        send_to: services that are told too, also of a run that the store has complete.

    Raises:
        DomLoRAError: a model, placements or rows that cannot be used, no memory, no space.
    """
    probe = probe or ProbeConfig()
    if energy is None:
        energy = known_map(store, request_key(local.revision, asked.task.content_hash, probe))
    elif store.maps.find(energy.provenance.key) is None:
        store.maps.add(energy)
    made = None if energy is None else plan(asked, local.revision, energy)
    if made is not None and not refresh:
        known = store.runs.find(made.key)
        if known is not None and known.status == "done":
            return _told(known, store, send_to)
    if asked.config.run_code:
        code_runner.check_runner()  # now, not after hours of training

    from domlora.training.train import train

    model = load()
    check_trainable(model.name, model.objective)  # before anything is measured
    if made is None:
        from domlora.energy.measure import probe as measure

        energy = measure(model, asked.task, probe, progress=lambda done, total: progress("probing", done, total))
        store.maps.add(energy)
        made = plan(asked, local.revision, energy)
    return train(model, made, store, job=job, refresh=refresh, progress=progress, send_to=send_to)


def _told(run: Run, store: Store, to: Destination) -> Run:
    if not to:
        return run
    from domlora.training.sending import send_known

    return send_known(run, store, to)
