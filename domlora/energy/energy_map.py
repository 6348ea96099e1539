"""EnergyMap: the table a probe returns, what follows from it, and the words for it.

In: one row a module from a probe. Out: shares, the dominant module, the effective number of modules, bootstrap
intervals, a verdict. Which end of the scores is the better one, the probe's entry in `probes.registry` says. Pure
pandas and numpy, so that the dashboard reads maps without torch. Files: `energy.files`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from domlora.data.origin import TaskOrigin, task_origin_of
from domlora.data.remarks import Remark
from domlora.energy.verdict import (
    CONCENTRATED_FRACTION,
    CONCENTRATED_MODULES,
    MODERATE_FRACTION,
    STANDS_OUT,
    Level,
    Verdict,
)
from domlora.errors import ProbeError
from domlora.models.modules import Skipped
from domlora.models.origin import ModelOrigin, model_origin_of
from domlora.probes.config import ProbeConfig, Trained
from domlora.probes.registry import PROBES, ProbeInfo
from domlora.statistics import bootstrap

SCHEMA_VERSION = 1
# One row a module, one value a cell.
SCALAR_COLUMNS = (
    "module", "stack", "layer", "kind", "in_features", "out_features", "energy",
    "first_token", "prompt", "response", "max_output", "max_output_position", "max_output_token",
    "experts", "parameter",
)  # fmt: skip
# One row a module, a list in each cell; a column is left out where the probe did not measure it.
LIST_COLUMNS = ("sample_energies", "sample_kernel", "positions", "top_tokens", "top_token_shares", "expert_energies")


class Provenance(BaseModel):
    """Everything needed to know where a map came from and to make it again.

    Attributes:
        model_source, task_source: in words, for a person.
        model_origin, task_origin: the same as fields; None where the words of an earlier version say nothing.
        remarks: what of the task's rows, and of the samples drawn, is not used or not as it stands.
    """

    model_config = ConfigDict(frozen=True)

    schema_version: int = SCHEMA_VERSION
    key: str
    model: str
    model_source: str
    model_revision: str
    architecture: str
    model_parameters: int
    layers: int
    task: str
    task_source: str
    task_hash: str
    config: ProbeConfig
    method: str
    samples: int
    tokens: int
    response_tokens: int
    truncated: int
    dropped: int
    loss: float | None  # None where no model ran
    device: str
    dtype: str
    seconds: float
    peak_memory_bytes: int
    created: str
    versions: dict[str, str]
    warnings: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    trained: Trained | None = None
    notes: dict[str, Any] = Field(default_factory=dict)
    model_origin: ModelOrigin | None = None
    task_origin: TaskOrigin | None = None
    remarks: tuple[Remark, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _origins_of_earlier_versions(cls, data: Any) -> Any:
        """What was stored before there were fields for the origins has them in words."""
        words = ("model", "model_source", "model_revision", "task", "task_source")
        if not isinstance(data, dict) or not all(isinstance(data.get(name), str) for name in words):
            return data  # refused by its types
        made = dict(data)
        if made.get("model_origin") is None:
            made["model_origin"] = model_origin_of(data["model"], data["model_source"], data["model_revision"])
        if made.get("task_origin") is None:
            made["task_origin"] = task_origin_of(data["task"], data["task_source"])
        return made

    @property
    def id(self) -> str:
        """Short name of a map in the store, on the command line and in links."""
        return self.key[:12]


@dataclass(frozen=True, eq=False)
class EnergyMap:
    """The PAGE energy, or the score of another probe, of every module of one model on one task.

    Attributes:
        modules: one row a module in forward order, columns `SCALAR_COLUMNS` and some of `LIST_COLUMNS`:
            `energy` is PAGE (squared gradient norm, unitless) or what `probe` measures; `first_token`, `prompt`,
            `response` split the module's energy over token positions and sum to 1; `max_output` is the largest
            |output|, at `max_output_position`, `max_output_token`; `sample_energies` (samples,); `sample_kernel`
            (samples²,) inner products of the samples' gradients; `positions` energy share per bin of `POSITION_EDGES`;
            `top_tokens` with `top_token_shares`, the tokens that carry most of the energy. Of a model with experts
            also `experts` (how many a fused tensor holds, else 1), `expert_energies` (experts,) of each, empty for
            other modules, and `parameter` (what PEFT's `target_parameters` must name, else empty).
        provenance: model, task, settings, versions, cost.
    """

    modules: pd.DataFrame
    provenance: Provenance

    def __post_init__(self) -> None:
        if self.modules.empty:
            raise ProbeError("an energy map needs at least one module")

    @property
    def id(self) -> str:
        return self.provenance.id

    @property
    def probe(self) -> ProbeInfo:
        """What measured the map: name, formula, and which end of its scores an adapter should go to."""
        return PROBES[self.provenance.config.probe]

    @cached_property
    def table(self) -> pd.DataFrame:
        """Scalars only, best first: adds `order`, `share`, `rank`, `parameters`, `energy_per_parameter`."""
        table = self.modules[[c for c in SCALAR_COLUMNS if c in self.modules]].copy()
        table["order"] = np.arange(len(table))
        table["share"] = self.shares
        table["parameters"] = table["in_features"] * table["out_features"] * table.get("experts", 1)
        table["energy_per_parameter"] = table["energy"] / table["parameters"]
        table = table.sort_values("energy", ascending=self.probe.prefers == "low", kind="stable")
        table["rank"] = np.arange(1, len(table) + 1)
        return table

    @cached_property
    def shares(self) -> np.ndarray:
        """(modules,) energy over total energy, in forward order; means something where `probe.additive`."""
        return bootstrap.shares(self.modules["energy"].to_numpy(dtype=float))

    @property
    def dominant(self) -> pd.Series:
        """The row of `table` that the probe prefers: with the largest energy, or with the lowest score."""
        return self.table.iloc[0]

    @cached_property
    def preference(self) -> np.ndarray:
        """(modules,) larger is better, in forward order: the energies, mirrored where the probe prefers low ones."""
        energies = self.modules["energy"].to_numpy(dtype=float)
        return energies if self.probe.prefers == "high" else energies.max() + energies.min() - energies

    @property
    def lead(self) -> float:
        """How many times the better score the dominant module has than the second; inf where that has no end.

        Energy over energy, or the second's score over the dominant one's where the probe prefers low scores.
        """
        better, worse = (*self.table["energy"].head(2), 0.0)[:2]
        if self.probe.prefers == "low" and len(self.table) > 1:
            better, worse = worse, better
        return float(better / worse) if worse > 0 else float("inf")

    @property
    def effective_modules(self) -> float:
        """exp of the entropy of the shares: over how many equal modules the energy would spread alike."""
        return float(bootstrap.effective_number(self.shares))

    def top_share(self, count: int) -> float:
        """Share of the `count` largest modules together."""
        return float(np.sort(self.shares)[::-1][:count].sum())

    @cached_property
    def bootstrap(self) -> bootstrap.Bootstrap | None:
        """Uncertainty over samples, in the row order of `modules`; None for a single sample."""
        if self.provenance.samples < 2:
            return None
        if "sample_kernel" in self.modules:
            kernels = np.stack(self.modules["sample_kernel"].to_list())  # (modules, samples²)
            side = self.provenance.samples
            return bootstrap.bootstrap_of_mean_gradient(kernels.reshape(-1, side, side))
        if "sample_energies" in self.modules:
            samples = np.stack(self.modules["sample_energies"].to_list()).T  # (samples, modules)
            return bootstrap.bootstrap_of_means(samples, lowest=self.probe.prefers == "low")
        return None

    @property
    def level(self) -> Level:
        effective, count = self.effective_modules, len(self.modules)
        if effective <= CONCENTRATED_MODULES and effective <= CONCENTRATED_FRACTION * count:
            return "concentrated"
        return "moderately concentrated" if effective <= MODERATE_FRACTION * count else "diffuse"

    @cached_property
    def verdict(self) -> Verdict:
        """The finding in one sentence. It never assumes that one module dominates."""
        if not self.modules["energy"].max() > 0:
            if self.probe.needs == "gradients":
                why = "No module received any gradient: there is nothing to place an adapter by."
            else:
                why = f"{self.probe.title} is zero for every module: there is nothing to place an adapter by."
            return Verdict("diffuse", why)
        return Verdict(self.level, self._spread() if self.probe.additive else self._extreme())

    def _spread(self) -> str:
        """For amounts that modules share: over how many they spread, and who has most."""
        best = self.dominant
        what = "the energy"
        level = self.level + self._exception()
        start = f"{level.capitalize()}: "
        if self.provenance.config.probe != "page":
            what, start = f"the {self.probe.measures}", f"{self.probe.title}, {level}: "
        sentence = (
            f"{start}{what} spreads as over {self.effective_modules:.1f} of "
            f"{len(self.modules)} modules; {best['module']} leads with {best['share']:.1%}"
        )
        if self.bootstrap is None:
            return sentence + (" (one sample: no interval)." if self.provenance.samples < 2 else ".")
        row = self.modules.index.get_loc(best.name)
        low, high = self.bootstrap.low[row], self.bootstrap.high[row]
        frequency = self.bootstrap.winner_frequency[row]
        return sentence + f" (95 % interval {low:.1%} to {high:.1%}), dominant in {frequency:.0%} of resamples."

    def _exception(self) -> str:
        """What stands out of a spread that is diffuse as a whole: one module may hold a quarter of it."""
        count = int((self.shares >= STANDS_OUT).sum())
        if self.level != "diffuse" or not 0 < count <= CONCENTRATED_FRACTION * len(self.modules):
            return ""
        return " but for one module" if count == 1 else f" but for {count} modules"

    def _extreme(self) -> str:
        """For scores that are no shares of anything: which module has the best one, by how much, and how surely."""
        best, count = self.dominant, len(self.modules)
        end = "lowest" if self.probe.prefers == "low" else "highest"
        sentence = (
            f"{self.probe.title} prefers {best['module']}: its {self.probe.measures}, {best['energy']:.4g}, is the "
            f"{end} of {count} modules"
        )
        if count > 1:
            sentence += f" (next: {self.table['energy'].iloc[1]:.4g})"
        if self.probe.needs == "weights":
            return sentence + ", whatever the task."
        if self.bootstrap is None:
            return sentence + ("." if self.provenance.samples > 1 else ", by one sample.")
        row = self.modules.index.get_loc(best.name)
        return sentence + f", in {self.bootstrap.winner_frequency[row]:.0%} of resamples."

    def summary(self) -> dict[str, Any]:
        """What a list of maps shows of this one; JSON-serialisable."""
        best = self.dominant
        return {
            "dominant": {
                "module": best["module"],
                "layer": None if pd.isna(best["layer"]) else int(best["layer"]),
                "kind": best["kind"],
                "share": float(best["share"]),
            },
            "lead": self.lead if np.isfinite(self.lead) else None,  # JSON has no infinity
            "effective_modules": self.effective_modules,
            "modules": len(self.modules),
            "level": self.level,
            "verdict": self.verdict.sentence,
        }
