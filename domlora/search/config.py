"""What `find` is asked to do: how much time it has, how large the answer may be, what else must not be lost.

No torch here. How everything is trained is a `SweepConfig`, of which `find` itself decides the fields `DECIDED`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from domlora.comparison.config import SweepConfig
from domlora.errors import UsageError

# Fields of `training` that are the answer, or that the race sets from rung to rung.
DECIDED = (
    "placements", "budget", "allocation", "methods", "learning_rates", "own_rates", "race", "seeds", "rate_seeds",
    "steps", "legs", "schedule", "patience", "minutes", "evaluate_every", "checkpoint_every", "energy_every",
    "energy_samples", "answers", "run_code", "loraplus_ratio",
)  # fmt: skip
# What a person may say of it, in the order in which it is shown.
TRAINING = (
    "rank", "alpha", "batch_size", "accumulation", "loss_mean", "max_length", "train_rows", "validation_rows",
    "test_rows", "forgetting_rows", "keep", "order", "warmup", "weight_decay", "max_grad_norm", "dropout",
    "gradient_checkpointing", "data_seed", "dtype",
)  # fmt: skip


class FindConfig(BaseModel):
    """Settings of `find`; each field describes itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    minutes: float = Field(
        default=30.0, ge=0, title="Minutes",
        description="time that the answer may take; 0 for as long as all steps take",
    )  # fmt: skip
    parameters: int | None = Field(
        default=None, ge=1, title="Trainable parameters at most",
        description="trainable parameters that the answer may have: ranks are lowered to fit",
        json_schema_extra={"unset": "any number"},
    )  # fmt: skip
    steps: int = Field(
        default=200, ge=8, title="Steps at most", description="optimizer steps of a finalist, where the time suffices"
    )
    seeds: int = Field(
        default=3, ge=3, le=100, title="Seeds", description="starts of each finalist, each with an order of the data"
    )
    samples: int = Field(
        default=32, ge=1, title="Samples", description="training rows that the probes read which propose placements"
    )
    training: SweepConfig = SweepConfig(validation_rows=32, answers=0)

    @field_validator("training")
    @classmethod
    def _only_how(cls, training: SweepConfig) -> SweepConfig:
        usual = SweepConfig()
        for name in DECIDED:
            if name != "answers" and getattr(training, name) != getattr(usual, name):
                raise ValueError(f"find decides {name.replace('_', ' ')} by itself: leave it out")
        return training


OWN = tuple(name for name in FindConfig.model_fields if name != "training")


def find_config(settings: dict[str, Any], called: Callable[[str], str] = str) -> FindConfig:
    """The settings that these values make, those of the training among them (`TRAINING`).

    Args:
        called: how a setting is called by who is told that it cannot be.

    Raises:
        UsageError: an unknown setting, one that `find` decides, a value that a field does not take.
    """
    own = {name: value for name, value in settings.items() if name in OWN}
    rest = {name: value for name, value in settings.items() if name not in OWN}
    for name in rest:
        if name not in TRAINING:
            why = "find decides it by itself" if name in DECIDED else f"known are {', '.join((*OWN, *TRAINING))}"
            raise UsageError(f"{name} is no setting of find: {why}")
    try:
        usual = FindConfig.model_fields["training"].default
        alpha = {} if "alpha" in rest or "rank" not in rest else {"alpha": None}  # the usual one follows the rank
        return FindConfig(**own, training=SweepConfig(**usual.model_dump() | alpha | rest))
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][-1]) if first["loc"] else "settings"
        message = first["msg"].removeprefix("Value error, ")
        raise UsageError(f"{called(name)}: {message[0].lower()}{message[1:]}") from error
