"""What a probe is asked to do. A plain description: no torch here, so that the dashboard can build and read one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Estimator = Literal["expected", "projected"]
Reduction = Literal["per_sample", "mean_gradient"]
ProbeName = Literal[
    "page", "page-no-first", "gradient-norm", "fisher", "saliency", "activation-norm", "plop", "weight-norm",
    "spectral", "interference",
]  # fmt: skip
Dtype = Annotated[
    Literal["auto", "float32", "bfloat16"],
    Field(
        title="Number type",
        description="number type of weights and activations; energies accumulate in float32 or better in any case",
    ),
]


# Upper edges of the token-position bins of `positions`: bin 0 is the first token alone, the last bin is open.
POSITION_EDGES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class ProbeConfig(BaseModel):
    """Settings of a probe; together with the model and the task they fix the answer. Each field describes itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    probe: ProbeName = Field(
        default="page", title="Probe", description="what is measured: PAGE or one of its peers (`domlora probes`)"
    )
    estimator: Estimator = Field(
        default="expected", title="Estimator",
        description="how PAGE treats LoRA's random A: in closed form (expected), or drawn as PEFT draws it (projected)",
    )  # fmt: skip
    reduction: Reduction = Field(
        default="per_sample", title="Reduction",
        description="the mean of the samples' energies (per_sample), or the energy of their mean gradient, which is "
        "what the first optimizer step sees (mean_gradient)",
    )  # fmt: skip
    samples: int = Field(default=32, ge=1, title="Samples", description="rows of the task that the probe reads")
    rank: int = Field(
        default=8, ge=1, title="Rank",
        description="rank of the adapter whose gradient is measured; of interference, the directions of each task that "
        "are compared",
    )  # fmt: skip
    alpha: float = Field(
        default=16.0, gt=0, title="Alpha",
        description="alpha of the adapter whose gradient is measured; like its rank it scales all energies alike",
    )  # fmt: skip
    rslora: bool = Field(
        default=False, title="rsLoRA scaling", description="scale the adapter by alpha / sqrt(rank), not alpha / rank"
    )
    draws: int = Field(
        default=1, ge=1, title="Draws of A", description="how many A are drawn and averaged (estimator projected only)"
    )
    max_length: int = Field(default=512, ge=2, title="Maximum tokens", description="tokens kept of a sample")
    seed: int = Field(
        default=0, ge=0, title="Seed",
        description="chooses the rows, the draws of A, every sketch, and the random inputs of PLoP",
    )  # fmt: skip
    split: str = Field(
        default="train", title="Split", description="part of the task that the rows come from",
        examples=["train", "validation", "test"],
    )  # fmt: skip
    dtype: Dtype = "auto"
    against: str | None = Field(
        default=None, title="Other task",
        description="the other task of probe interference: built-in name or file; no other probe takes one",
    )  # fmt: skip

    @property
    def scaling(self) -> float:
        """LoRA's `s`: alpha / r, or alpha / sqrt(r) for rsLoRA (arXiv 2312.03732)."""
        return self.alpha / (self.rank**0.5 if self.rslora else self.rank)


class Trained(BaseModel):
    """Which adapter was on the model when a map was measured in the middle of its training.

    Attributes:
        run, variant: of the comparison, as `comparison.run` names them.
        step: optimizer steps done.
    """

    model_config = ConfigDict(frozen=True)

    run: str
    variant: str
    step: int
