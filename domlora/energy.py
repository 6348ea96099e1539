"""EnergyMap: the table a probe returns, what follows from it, and the words for it.

In: one row a module from a probe. Out: shares, the dominant module, the effective number of modules, bootstrap
intervals, a verdict. Pure pandas and numpy, so that the dashboard reads maps without torch. Files: `energy_files`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from domlora import statistics
from domlora.errors import ProbeError
from domlora.probes.config import ProbeConfig, Trained

SCHEMA_VERSION = 1

# Upper edges of the token-position bins of `positions`: bin 0 is the first token alone, the last bin is open.
POSITION_EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

# One row a module, one value a cell.
SCALAR_COLUMNS = (
    "module", "stack", "layer", "kind", "in_features", "out_features", "energy",
    "first_token", "prompt", "response", "max_output", "max_output_position", "max_output_token",
)  # fmt: skip
# One row a module, a list in each cell; a column is left out where the probe did not measure it.
LIST_COLUMNS = ("sample_energies", "sample_kernel", "positions", "top_tokens", "top_token_shares")

CONCENTRATED_MODULES = 5  # at most so many effective modules, and
CONCENTRATED_FRACTION = 0.10  # at most this fraction of all modules: "concentrated"
MODERATE_FRACTION = 0.25  # up to this fraction of all modules: "moderately concentrated"; beyond: "diffuse"

Level = Literal["concentrated", "moderately concentrated", "diffuse"]


class Skipped(BaseModel):
    """A module that could carry an adapter but was not measured, and why."""

    model_config = ConfigDict(frozen=True)

    module: str
    reason: str


class Provenance(BaseModel):
    """Everything needed to know where a map came from and to make it again."""

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
    loss: float
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

    @property
    def id(self) -> str:
        """Short name of a map in the store, on the command line and in links."""
        return self.key[:12]


@dataclass(frozen=True)
class Verdict:
    """How concentrated the energy is, in words.

    Attributes:
        level: by effective number of modules, against the thresholds at the head of this file.
        sentence: the finding with its numbers and its uncertainty.
    """

    level: Level
    sentence: str


@dataclass(frozen=True, eq=False)
class EnergyMap:
    """The PAGE energy of every module of one model on one task.

    Attributes:
        modules: one row a module in forward order, columns `SCALAR_COLUMNS` and some of `LIST_COLUMNS`:
            `energy` is PAGE (squared gradient norm, unitless); `first_token`, `prompt`, `response` split the
            module's energy over token positions and sum to 1; `max_output` is the largest |output|, at
            `max_output_position`, `max_output_token`; `sample_energies` (samples,); `sample_kernel` (samples²,)
            inner products of the samples' gradients; `positions` energy share per bin of `POSITION_EDGES`;
            `top_tokens` with `top_token_shares`, the tokens that carry most of the energy.
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

    @cached_property
    def table(self) -> pd.DataFrame:
        """Scalars only, sorted by energy: adds `order`, `share`, `rank`, `parameters`, `energy_per_parameter`."""
        table = self.modules[[c for c in SCALAR_COLUMNS if c in self.modules]].copy()
        table["order"] = np.arange(len(table))
        table["share"] = self.shares
        table["parameters"] = table["in_features"] * table["out_features"]
        table["energy_per_parameter"] = table["energy"] / table["parameters"]
        table = table.sort_values("energy", ascending=False, kind="stable")
        table["rank"] = np.arange(1, len(table) + 1)
        return table

    @cached_property
    def shares(self) -> np.ndarray:
        """(modules,) energy over total energy, in forward order."""
        return statistics.shares(self.modules["energy"].to_numpy(dtype=float))

    @property
    def dominant(self) -> pd.Series:
        """The row of `table` with the largest energy."""
        return self.table.iloc[0]

    @property
    def lead(self) -> float:
        """Energy of the dominant module over that of the second (inf if it is the only one with any)."""
        energies = self.table["energy"].to_numpy()
        return float(energies[0] / energies[1]) if len(energies) > 1 and energies[1] > 0 else float("inf")

    @property
    def effective_modules(self) -> float:
        """exp of the entropy of the shares: over how many equal modules the energy would spread alike."""
        return float(statistics.effective_number(self.shares))

    def top_share(self, count: int) -> float:
        """Share of the `count` largest modules together."""
        return float(np.sort(self.shares)[::-1][:count].sum())

    @cached_property
    def bootstrap(self) -> statistics.Bootstrap | None:
        """Uncertainty over samples, in the row order of `modules`; None for a single sample."""
        if self.provenance.samples < 2:
            return None
        if "sample_kernel" in self.modules:
            kernels = np.stack(self.modules["sample_kernel"].to_list())  # (modules, samples²)
            side = self.provenance.samples
            return statistics.bootstrap_of_mean_gradient(kernels.reshape(-1, side, side))
        if "sample_energies" in self.modules:
            return statistics.bootstrap_of_means(np.stack(self.modules["sample_energies"].to_list()).T)
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
        best = self.dominant
        if not best["energy"] > 0:
            return Verdict("diffuse", "No module received any gradient: there is nothing to place an adapter by.")
        sentence = (
            f"{self.level.capitalize()}: the energy spreads as over {self.effective_modules:.1f} of "
            f"{len(self.modules)} modules; {best['module']} leads with {best['share']:.1%}"
        )
        if self.bootstrap is None:
            return Verdict(self.level, sentence + " (one sample: no interval).")
        row = self.modules.index.get_loc(best.name)
        low, high = self.bootstrap.low[row], self.bootstrap.high[row]
        frequency = self.bootstrap.winner_frequency[row]
        sentence += f" (95 % interval {low:.1%} to {high:.1%}), dominant in {frequency:.0%} of resamples."
        return Verdict(self.level, sentence)

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
