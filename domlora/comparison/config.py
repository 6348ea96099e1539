"""What a comparison is asked to do: which placements, at which rates and seeds, for how long. No torch here.

A *variant* is one placement, trained with one method at one learning rate from one seed. All variants of a sweep read
the same rows in the same order, start from the same frozen base model and differ in nothing else.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from domlora.placements.methods import Method
from domlora.placements.placement import Allocation

Schedule = Literal["constant", "linear", "cosine"]


class SweepConfig(BaseModel):
    """Settings of a comparison; together with the model and the task they fix the answer.

    Attributes:
        placements: names as `domlora.placements` reads them: `dominant`, `qv`, `random:3`, `top-k:4`, ...
        rank, alpha: of every adapter, unless `budget` or `allocation` spread ranks over a placement's modules.
        budget: trainable parameters that each placement may have at most; None leaves ranks equal.
        allocation: how ranks are spread over the modules of a placement: all equal, or by their energy.
        methods: LoRA variants, each run at every placement.
        learning_rates: the best one of each placement is chosen on validation rows.
        seeds: how many starts of the adapters (numbered from 0); the order of the data is the same for all.
        steps: optimizer steps; each reads `batch_size * accumulation` training rows.
        schedule, warmup: of the learning rate; `warmup` is the fraction of the steps in which it rises.
        loraplus_ratio: learning rate of B over that of A (method `lora+` only).
        train_rows: at most so many training rows; None takes all.
        validation_rows, test_rows: at most so many; taken out of the training rows where the task has no such split.
        evaluate_every: steps between two evaluations on the validation rows.
        answers: test rows that each placement's best variant answers in free text; 0 for none.
        answer_tokens: at most so many tokens an answer.
        run_code: run generated code against the task's tests (in a separate, limited process).
        forgetting_rows: rows of each other built-in task on which the change of loss is measured; 0 for none.
        checkpoint_every: steps between two checkpoints.
        data_seed: chooses the rows and their order.
        energy_every: steps between two measurements of the energy while a variant trains; 0 measures none.
        energy_samples: rows of the training split that each of them reads.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    placements: tuple[str, ...] = ("dominant", "random:3", "qv", "all-linear")
    rank: int = Field(default=8, ge=1)
    alpha: float = Field(default=16.0, gt=0)
    budget: int | None = Field(default=None, ge=1)
    allocation: Allocation = "equal"
    methods: tuple[Method, ...] = ("lora",)
    learning_rates: tuple[float, ...] = (1e-3, 3e-3, 1e-2)
    seeds: int = Field(default=2, ge=1)
    steps: int = Field(default=60, ge=1)
    batch_size: int = Field(default=4, ge=1)
    accumulation: int = Field(default=1, ge=1)
    schedule: Schedule = "linear"
    warmup: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    max_grad_norm: float = Field(default=1.0, gt=0)
    loraplus_ratio: float = Field(default=16.0, gt=0)
    max_length: int = Field(default=512, ge=2)
    train_rows: int | None = Field(default=None, ge=1)
    validation_rows: int = Field(default=48, ge=1)
    test_rows: int = Field(default=96, ge=1)
    evaluate_every: int = Field(default=10, ge=1)
    answers: int = Field(default=4, ge=0)
    answer_tokens: int = Field(default=160, ge=1)
    run_code: bool = False
    forgetting_rows: int = Field(default=16, ge=0)
    checkpoint_every: int = Field(default=10, ge=1)
    data_seed: int = Field(default=0, ge=0)
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    energy_every: int = Field(default=0, ge=0)
    energy_samples: int = Field(default=8, ge=1)

    @field_validator("placements", "methods", "learning_rates")
    @classmethod
    def _named_once(cls, values: tuple) -> tuple:
        if not values:
            raise ValueError("name one at least")
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is named twice")
        return values

    @field_validator("learning_rates")
    @classmethod
    def _positive(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        for rate in rates:
            if not 0 < rate < 10:
                raise ValueError(f"a learning rate of {rate:g} trains nothing: choose one above 0, such as 1e-3")
        return tuple(sorted(rates))

    @property
    def rows_per_step(self) -> int:
        """Training rows that one optimizer step of a variant reads."""
        return self.batch_size * self.accumulation

    @property
    def energy_steps(self) -> tuple[int, ...]:
        """Steps after which the energy is measured: before the first, every so many, after the last; or none."""
        if not self.energy_every:
            return ()
        return tuple(sorted({*range(0, self.steps, self.energy_every), self.steps}))


def variant_name(placement: str, method: str, rate: float, seed: int) -> str:
    """How a variant is called everywhere: `dominant lr=0.005 seed=1`, with the method unless it is plain LoRA."""
    middle = "" if method == "lora" else f" {method}"
    return f"{placement}{middle} lr={rate:g} seed={seed}"
