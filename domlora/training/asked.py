"""From a comparison that is asked for to its run: what is cheap is checked, then the store answers, or it is trained.

In: a task, placements and a `SweepConfig`; where the model lies, and how to load it. Out: a run in the store, with the
energy map that its placements were chosen by. `domlora.compare` and the jobs both come this way. Rows are chosen,
placements read and the key of the run built here, once. No torch until something has to be computed. That map is
measured on rows that may be trained on, and on no other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from domlora.comparison.config import SweepConfig
from domlora.comparison.extension import placements_of
from domlora.comparison.key import sweep_key
from domlora.comparison.placements import place_for
from domlora.comparison.run import Run
from domlora.data.splits import SPLITS
from domlora.data.tasks import Task, load_task
from domlora.energy.energy_map import EnergyMap
from domlora.energy.key import request_key
from domlora.errors import TaskError, UsageError
from domlora.generation import code_runner
from domlora.models.fetch import LocalModel
from domlora.models.modules import Ends
from domlora.models.reference import check_trainable
from domlora.placements.ends import holds, needs_ends
from domlora.placements.placement import Placement
from domlora.probes.config import ProbeConfig
from domlora.progress import Progress, silent
from domlora.store.shipped import known_map
from domlora.store.store import Store
from domlora.tracking.services import NOWHERE, Destination
from domlora.training.carried import check_same
from domlora.training.rows import ChosenRows, choose_rows, training_task

if TYPE_CHECKING:
    from domlora.models.loading import LoadedModel


@dataclass(frozen=True, eq=False)
class Asked:
    """What is to be compared, on which rows; as far as that can be checked without a model, it can be had.

    Attributes:
        placements: names, which still have to be read against a map, and placements.
        continues: the run that it goes on with.
        training: the task without the rows that are held out: what the maps of a comparison are measured on.
    """

    task: Task
    config: SweepConfig
    placements: tuple[str | Placement, ...]
    rows: ChosenRows
    training: Task
    continues: Run | None = None


@dataclass(frozen=True, eq=False)
class Plan:
    """A comparison down to everything that decides its numbers.

    Attributes:
        training: as in `Asked`.
        continues: the run that it goes on with.
        energy: the map that names of placements were read against.
        key: of its run.
    """

    task: Task
    config: SweepConfig
    rows: ChosenRows
    training: Task
    energy: EnergyMap
    placements: tuple[Placement, ...]
    key: str
    continues: Run | None = None


def ask(
    task: Task, config: SweepConfig, placements: Sequence[str | Placement] | None = None, continues: Run | None = None
) -> Asked:
    """Chooses the rows of a comparison.

    Args:
        placements: None stands for the names of `config`.
        continues: the run that is gone on with: its placements, and those that are added.

    Raises:
        TaskError: rows that cannot be had.
        UsageError: settings that do not go on with that run.
    """
    rows = choose_rows(task, config)
    there = len(rows.training)
    if config.energy_every and config.energy_samples > there:
        raise TaskError(
            f"the energy is to be measured on {config.energy_samples} training rows, but {task.name} has "
            f"{there} that are not held out: lower --energy-samples"
        )
    if continues is not None:
        placements = placements_of(continues, config)
    names = tuple(config.placements if placements is None else placements)
    return Asked(task, config, names, rows, training_task(task, rows), continues)


def check_probe(asked: Asked, probe: ProbeConfig) -> None:
    """Checks a probe that is to choose the placements of a comparison.

    Raises:
        UsageError: it would read rows that the comparison holds out.
        TaskError: it asks for more training rows than there are.
    """
    if SPLITS.get(probe.split, probe.split) != "train":
        raise UsageError(
            f"placements are chosen by training rows, and the split {probe.split!r} is held out: leave out the split "
            "of the probe"
        )
    there = len(asked.rows.training)
    if probe.samples > there:
        raise TaskError(
            f"placements are to be chosen by {probe.samples} samples, but {asked.task.name} has {there} training "
            f"rows that are not held out: ask for --samples 1 to {there}"
        )


def plan(asked: Asked, model_revision: str, energy: EnergyMap, ends: Ends | None = None) -> Plan:
    """Reads the placements against a map. Arguments and errors as `place_for`."""
    placements = tuple(place_for(energy, asked.config, asked.placements, ends))
    how = energy.provenance.config
    kept = [load_task(name).content_hash for name in asked.config.keep]
    key = sweep_key(model_revision, asked.task.content_hash, asked.config, placements, how, kept)
    return Plan(asked.task, asked.config, asked.rows, asked.training, energy, placements, key, asked.continues)


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
        probe: how the map is measured that placements are chosen by, where neither `energy` nor the store has it; None
            stands for 32 samples, or as many training rows as there are.
        energy: that map, used as it is. Either way it is in the store afterwards.
        job: id of the job that computes it.
        refresh: train again even if the store has the run.
        send_to: services that are told too, also of a run that the store has complete.

    Raises:
        DomLoRAError: a model, placements or rows that cannot be used, no memory, no space.
    """
    if asked.continues is not None:
        check_same(asked.continues, asked.rows.content_hash, local.revision, asked.task.content_hash)
        energy = store.maps.get(asked.continues.facts["energy_map"])
    probe = probe or ProbeConfig(samples=min(ProbeConfig().samples, len(asked.rows.training)))
    if energy is None:
        check_probe(asked, probe)
        energy = known_map(store, request_key(local.revision, asked.training.content_hash, probe))
    elif store.maps.find(energy.provenance.key) is None:
        store.maps.add(energy)
    made = None if energy is None else plan(asked, local.revision, energy, _ends(asked, local, energy))
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

        energy = measure(model, asked.training, probe, progress=lambda done, total: progress("probing", done, total))
        store.maps.add(energy)
        made = plan(asked, local.revision, energy, _ends(asked, local, energy))
    return train(model, made, store, job=job, refresh=refresh, progress=progress, send_to=send_to)


def _ends(asked: Asked, local: LocalModel, energy: EnergyMap) -> Ends | None:
    """Embedding and head, where a placement asks for them: torch and the model's description are read for it."""
    names = [item for item in asked.placements if isinstance(item, str)]
    if not needs_ends(energy, names) and not any(holds(p) for p in asked.placements if isinstance(p, Placement)):
        return None
    from domlora.models.ends import ends_of

    return ends_of(local)


def _told(run: Run, store: Store, to: Destination) -> Run:
    if not to:
        return run
    from domlora.training.sending import send_known

    return send_known(run, store, to)
