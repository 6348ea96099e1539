"""Where the energy goes while an adapter trains: a map of the base modules at each step that a comparison asks for.

In: a model, a task, a run. Out: EnergyMaps in the store whose provenance says which variant had trained for how many
steps (`Provenance.trained`). Weights stay frozen and the adapter stays on: where PEFT has put a LoRA layer, inputs and
output gradients are those of the layer as a whole, so that the gradient is that of the weight `W + s·B·A` it stands
for. A step that is in the store already is not measured again, so that a resumed run ends with the same maps.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from domlora.comparison.key import trained_key
from domlora.comparison.run import BASE, Run
from domlora.data.tasks import Task
from domlora.energy.energy_map import EnergyMap, Provenance
from domlora.energy.measure import probe, table_of
from domlora.models.census import find_modules
from domlora.models.device import peak_memory
from domlora.models.loading import LoadedModel
from domlora.models.modules import Skipped
from domlora.probes.config import ProbeConfig, Trained
from domlora.probes.page import estimator
from domlora.store.store import Store

MADE = "run_created"  # in a map's notes: a run that was removed and begun anew has the same key


class TrainingEnergy:
    """Measures for one run; the `Energies` of its sweep. Made before any adapter is attached.

    Args:
        task: without the rows that the run holds out.
        probe: how the map was measured that placements were chosen by; its rank, draws, lengths and seed hold here.

    Raises:
        TaskError: fewer training rows than `energy_samples`, or none that can be encoded.
        ProbeError: a rank above a module's size.
    """

    def __init__(self, model: LoadedModel, task: Task, run: Run, probe: ProbeConfig, store: Store) -> None:
        self.model, self.task, self.run, self.store = model, task, run, store
        self.config = probe_of(run, probe)
        self.modules = find_modules(model.model).modules
        estimator.check_rank(self.modules, self.config.rank)
        rows = task.draw(self.config.samples, self.config.seed, self.config.split)
        self.samples = model.encode(rows, self.config.max_length, self.config.seed).samples
        self._base: Provenance

    def measure(self, variant: str, step: int) -> None:
        """See `domlora.training.log.Energies`; the untouched model's (`BASE`, step 0) comes first."""
        key = trained_key(self.run.key, variant, step, self.config)
        known = self._known(key)
        if known is None:
            energy = probe(self.model, self.task, self.config) if variant == BASE else self._with_adapter()
            changes = {
                "key": key,
                "trained": Trained(run=self.run.id, variant=variant, step=step),
                "notes": energy.provenance.notes | {MADE: self.run.created.isoformat()},
            }
            known = EnergyMap(energy.modules, energy.provenance.model_copy(update=changes))
            self.store.maps.add(known)
        if variant == BASE:
            self._base = known.provenance

    def _with_adapter(self) -> EnergyMap:
        """The map of the model as it runs now; what its provenance does not say anew is as for the untouched model."""
        started = time.perf_counter()
        found = estimator.measure(self.model.model, self.modules, self.samples, self.config)
        unmeasured = tuple(Skipped(module=self.modules[i].name, reason=why) for i, why in found.unmeasured.items())
        never = tuple(skipped for skipped in self._base.skipped if skipped.module not in self._names())
        changes = {
            "loss": float(found.losses.double().mean()),
            "method": found.method,
            "seconds": time.perf_counter() - started,
            "peak_memory_bytes": peak_memory(self.model.device),
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "skipped": (*never, *unmeasured),
        }
        table = table_of(self.modules, found, self.model).drop(index=list(found.unmeasured)).reset_index(drop=True)
        return EnergyMap(table, self._base.model_copy(update=changes))

    def _names(self) -> set[str]:
        return {module.name for module in self.modules}

    def _known(self, key: str) -> EnergyMap | None:
        energy = self.store.maps.find(key)
        of_this_run = energy is not None and energy.provenance.notes.get(MADE) == self.run.created.isoformat()
        return energy if of_this_run else None


def probe_of(run: Run, probe: ProbeConfig) -> ProbeConfig:
    """PAGE on training rows, otherwise as the map was measured that placements were chosen by."""
    changes = {"probe": "page", "against": None, "split": "train", "samples": run.config.energy_samples}
    return ProbeConfig(**probe.model_dump() | changes)
