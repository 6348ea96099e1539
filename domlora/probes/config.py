"""What a probe is asked to do. A plain description: no torch here, so that the dashboard can build and read one."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Estimator = Literal["expected", "projected"]
Reduction = Literal["per_sample", "mean_gradient"]
ProbeName = Literal[
    "page", "page-no-first", "gradient-norm", "fisher", "saliency", "activation-norm", "plop", "weight-norm",
    "spectral", "interference",
]  # fmt: skip


# Upper edges of the token-position bins of `positions`: bin 0 is the first token alone, the last bin is open.
POSITION_EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class ProbeConfig(BaseModel):
    """Settings of a probe; together with the model and the task they fix the answer.

    Attributes:
        probe: PAGE or one of its peers, see `domlora.probes.registry`.
        estimator: of PAGE; `expected` takes the closed form over LoRA's random `A`, `projected` draws `A` as PEFT does.
        reduction: `per_sample` is the mean over samples of each sample's energy, `mean_gradient` the energy of
            the mean gradient, which is what the first optimizer step sees.
        samples: how many rows of the split are drawn.
        rank, alpha, rslora: the adapter whose gradient is measured; they scale all energies alike. For interference
            `rank` is how many directions of each task are compared; other peers of PAGE know no adapter.
        draws: how many `A` are drawn and averaged (estimator `projected` only).
        max_length: tokens kept of a sample.
        seed: chooses the rows, the draws of `A`, every sketch, and the random inputs of PLoP.
        split: which part of the task the rows come from.
        dtype: of weights and activations; energies accumulate in float32 or better in any case.
        against: the other task of probe `interference`, built-in name or file; None for every other probe.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    probe: ProbeName = "page"
    estimator: Estimator = "expected"
    reduction: Reduction = "per_sample"
    samples: int = Field(default=32, ge=1)
    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16.0, gt=0)
    rslora: bool = False
    draws: int = Field(default=1, ge=1)
    max_length: int = Field(default=512, ge=2)
    seed: int = Field(default=0, ge=0)
    split: str = "train"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    against: str | None = None

    @property
    def scaling(self) -> float:
        """LoRA's `s`: alpha / r, or alpha / sqrt(r) for rsLoRA (arXiv 2312.03732)."""
        return self.alpha / (self.rank**0.5 if self.rslora else self.rank)


class Trained(BaseModel):
    """Which adapter was on the model when a map was measured in the middle of its training.

    Attributes:
        run, variant: of the comparison, as `domlora.runs` names them.
        step: optimizer steps done.
    """

    model_config = ConfigDict(frozen=True)

    run: str
    variant: str
    step: int
