"""What a comparison is asked to do: which placements, at which rates and seeds, for how long. No torch here.

A *variant* is one placement, trained with one method at one learning rate from one seed. All variants of a seed read
the same rows in the same order, start from the same frozen base model and differ in nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from domlora.placements.methods import METHODS, Method
from domlora.placements.names import NAMES, Allocation
from domlora.probes.config import Dtype

Schedule = Literal["linear", "cosine", "constant"]
Order = Literal["seed", "fixed"]
LossMean = Literal["sample", "tokens"]
# As `transformers.get_scheduler` names them.
SCHEDULERS: dict[Schedule, str] = {"constant": "constant_with_warmup", "linear": "linear", "cosine": "cosine"}
HIGHEST_RATE = 10.0  # AdamW moves every weight by about the rate in each step
UNUSED = ("own_rates", "race", "keep")  # fields that came later, where they are empty
CHOOSING = 1000  # the first seed of those that choose a learning rate; those that judge begin at 0


class SweepConfig(BaseModel):
    """Settings of a comparison; together with model and task they fix the answer. Each field describes itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    placements: tuple[str, ...] = Field(
        default=("dominant", "random:3", "qv", "all-linear"),
        title="Placements",
        description=f"placements by name: {', '.join(NAMES)}",
    )
    rank: int = Field(
        default=8, ge=1, title="Rank", description="rank of every adapter, unless budget or allocation spread ranks"
    )
    alpha: float = Field(
        default_factory=lambda known: 2.0 * known["rank"], gt=0, title="Alpha",
        description="alpha of every adapter; other ranks keep the scale alpha / rank",
        json_schema_extra={"unset": "twice the rank"},
    )  # fmt: skip
    budget: int | None = Field(
        default=None, ge=1, title="Budget (trainable parameters)",
        description="trainable parameters of a placement at most, instead of a rank: ranks are spread over its modules "
        "to match",
    )  # fmt: skip
    allocation: Allocation = Field(
        default="equal", title="Ranks within a placement",
        description="how ranks are spread over the modules of a placement: all equal, or by their energy",
        json_schema_extra={"words": {"equal": "all equal", "energy": "by energy"}},
    )  # fmt: skip
    methods: tuple[Method, ...] = Field(
        default=("lora",), title="LoRA methods",
        description=f"LoRA variants, each run at every placement: {', '.join(METHODS)}",
    )  # fmt: skip
    learning_rates: tuple[float, ...] = Field(
        default=(1e-3, 3e-3, 1e-2), title="Learning rates",
        description="rates to try; the best one of each placement is chosen on validation rows",
    )  # fmt: skip
    own_rates: tuple[str, ...] = Field(
        default=(), title="Rates of single placements",
        description="placements with other rates than the rest, as in dominant=0.064,dominant=0.256,qv=0.004",
        json_schema_extra={"unset": "none has"},
    )  # fmt: skip
    race: bool = Field(
        default=False, title="Race",
        description="successive halving: after each of the earlier ends the worse part of the variants stops. One "
        "seed, which chooses and judges on validation rows; test rows take no part",
    )  # fmt: skip
    seeds: int = Field(
        default=2, ge=1, le=CHOOSING, title="Seeds",
        description="seeds that judge the placements; each is a start of the adapter and an order of the data",
    )  # fmt: skip
    rate_seeds: int = Field(
        default=1, ge=0, le=CHOOSING, title="Seeds that choose the rate",
        description="further seeds that choose each placement's learning rate where several are tried; 0 lets the "
        "seeds that judge choose it too, which flatters what was chosen",
    )  # fmt: skip
    order: Order = Field(
        default="seed", title="Order of the data",
        description="whether each seed has an order of its own, the same for all placements, or all have one order",
        json_schema_extra={"words": {"seed": "one a seed", "fixed": "the same for all seeds"}},
    )  # fmt: skip
    steps: int = Field(default=60, ge=1, title="Steps", description="optimizer steps")
    legs: tuple[int, ...] = Field(
        default=(), title="Earlier ends",
        description="steps at which training had ended before it was gone on with; each leg has a schedule of its own",
    )  # fmt: skip
    batch_size: int = Field(default=4, ge=1, title="Batch size", description="training rows of a batch")
    accumulation: int = Field(
        default=1, ge=1, title="Accumulated batches", description="batches that one optimizer step reads"
    )
    schedule: Schedule = Field(
        default="linear", title="Schedule", description="how the learning rate goes on after the warm-up"
    )
    warmup: float = Field(
        default=0.1, ge=0, lt=1, title="Warm-up (fraction of steps)",
        description="fraction of the steps in which the learning rate rises",
    )  # fmt: skip
    weight_decay: float = Field(default=0.0, ge=0, title="Weight decay", description="weight decay of AdamW")
    max_grad_norm: float = Field(
        default=1.0, gt=0, title="Largest gradient norm", description="gradients of a variant are clipped to this norm"
    )
    loss_mean: LossMean = Field(
        default="sample", title="Training loss",
        description="mean over each sample's tokens and then over samples, or over all tokens of a step (as "
        "transformers' Trainer and TRL have it)",
        json_schema_extra={"words": {"sample": "mean of samples", "tokens": "mean of tokens"}},
    )  # fmt: skip
    dropout: float = Field(
        default=0.0, ge=0, lt=1, title="LoRA dropout", description="fraction of an adapter's inputs that is dropped"
    )
    patience: int = Field(
        default=0, ge=0, title="Patience (evaluations)",
        description="evaluations without a lower validation loss after which a variant ends; its best adapter is kept. "
        "0 trains all steps and keeps the last",
    )  # fmt: skip
    gradient_checkpointing: bool = Field(
        default=False, title="Gradient checkpointing",
        description="compute the activations of each block again in the backward pass: less memory, for long rows",
    )  # fmt: skip
    minutes: float | None = Field(
        default=None, gt=0, title="Minutes", description="wall-clock time that training may take; what is reached by "
        "then is evaluated and compared", json_schema_extra={"unset": "as long as it takes"},
    )  # fmt: skip
    loraplus_ratio: float = Field(
        default=16.0, gt=0, title="LoRA+ ratio", description="learning rate of B over that of A (method lora+ only)"
    )
    max_length: int = Field(default=512, ge=2, title="Maximum tokens", description="tokens kept of a row")
    train_rows: int | None = Field(
        default=None, ge=1, title="Training rows", description="training rows at most",
        json_schema_extra={"unset": "all"},
    )  # fmt: skip
    validation_rows: int = Field(
        default=48, ge=1, title="Validation rows",
        description="validation rows at most; taken out of the training rows where the task has no such split",
    )  # fmt: skip
    test_rows: int = Field(
        default=96, ge=1, title="Test rows",
        description="test rows at most; taken out of the training rows where the task has no such split",
    )  # fmt: skip
    evaluate_every: int = Field(
        default=10, ge=1, title="Steps between evaluations",
        description="steps between two evaluations on the validation rows",
    )  # fmt: skip
    answers: int = Field(
        default=4, ge=0, title="Sample answers",
        description="test rows that each placement's best variant answers in free text; 0 for none",
    )  # fmt: skip
    answer_tokens: int = Field(
        default=160, ge=1, title="Tokens of an answer", description="tokens of an answer at most"
    )
    run_code: bool = Field(
        default=False, title="Run generated code against the tests",
        description="run generated code against the task's tests, in a separate process with limited time and memory",
    )  # fmt: skip
    forgetting_rows: int = Field(
        default=16, ge=0, title="Forgetting rows",
        description="rows of each other built-in task on which the change of loss is measured; 0 for none",
    )  # fmt: skip
    keep: tuple[str, ...] = Field(
        default=(), title="Tasks to keep",
        description="tasks whose loss should not rise, on which its change is measured: built-in names, files or Hub "
        "data set ids",
        json_schema_extra={"unset": "the other built-in ones"},
    )  # fmt: skip
    checkpoint_every: int = Field(
        default=10, ge=1, title="Steps between checkpoints", description="steps between two checkpoints"
    )
    data_seed: int = Field(
        default=0, ge=0, title="Data seed", description="chooses rows, their order, and random placements"
    )
    dtype: Dtype = "auto"
    energy_every: int = Field(
        default=0, ge=0, title="Steps between energy maps",
        description="steps between two energy maps of each variant while it trains, which the Energy map page plays; "
        "0 for none",
    )  # fmt: skip
    energy_samples: int = Field(
        default=8, ge=1, title="Samples of such a map", description="training rows that each of these maps reads"
    )

    @model_serializer(mode="wrap")
    def _as_earlier_versions_wrote_it(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what came later and is not used: a worker of an earlier version takes such a comparison."""
        return {name: value for name, value in write(self).items() if value or name not in UNUSED}

    @model_validator(mode="before")
    @classmethod
    def _twice_the_rank(cls, given: Any) -> Any:
        """An alpha of None is one that is not given."""
        if isinstance(given, dict) and given.get("alpha", 0) is None:
            return {name: value for name, value in given.items() if name != "alpha"}
        return given

    @field_validator("placements", "methods", "learning_rates", "keep")
    @classmethod
    def _named_once(cls, values: tuple, about: ValidationInfo) -> tuple:
        if not values and about.field_name != "keep":
            raise ValueError("name one at least")
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)} is named twice")
        return values

    @field_validator("learning_rates")
    @classmethod
    def _positive(cls, rates: tuple[float, ...]) -> tuple[float, ...]:
        return _checked(rates)

    @field_validator("own_rates")
    @classmethod
    def _a_name_and_a_rate(cls, own: tuple[str, ...]) -> tuple[str, ...]:
        for text in own:
            name, _, rate = text.rpartition("=")
            try:
                _checked((float(rate),))
            except ValueError as error:
                why = "it is no number" if "could not convert" in str(error) else str(error)
                raise ValueError(f"{text!r} is no placement with its rate, such as qv=0.004: {why}") from error
            if not name:
                raise ValueError(f"{text!r} names no placement: write it as qv=0.004")
        return own

    @model_validator(mode="after")
    def _legs_rise(self) -> SweepConfig:
        ends = (0, *self.legs, self.steps)
        if any(first >= second for first, second in pairwise(ends)):
            raise ValueError(f"training that ended after {self.legs} steps cannot go on to {self.steps}")
        return self

    @property
    def judging(self) -> tuple[int, ...]:
        """Seeds whose losses are compared. A race is run by one that no comparison judges with."""
        return (CHOOSING,) if self.race else tuple(range(self.seeds))

    @property
    def choosing(self) -> tuple[int, ...]:
        """Seeds that choose the learning rate: others than those that judge, or the same ones; none for one rate."""
        return self._choosing(self.learning_rates)

    def choosing_of(self, placement: str) -> tuple[int, ...]:
        """The same of a placement, which may have rates of its own."""
        return self._choosing(self.rates_of(placement))

    def rates_of(self, placement: str) -> tuple[float, ...]:
        """The rates that are tried for a placement."""
        return self.rates_by_name.get(placement, self.learning_rates)

    @cached_property
    def rates_by_name(self) -> dict[str, tuple[float, ...]]:
        """`own_rates` by placement, rising."""
        found: dict[str, set[float]] = {}
        for text in self.own_rates:
            name, _, rate = text.rpartition("=")
            found.setdefault(name, set()).add(float(rate))
        return {name: tuple(sorted(rates)) for name, rates in found.items()}

    @property
    def variants(self) -> int:
        """Variants of one placement and method, those that choose the rate with those that judge it."""
        return self._variants(self.learning_rates)

    def variants_of(self, placement: str) -> int:
        """The same of a placement, which may have rates of its own."""
        return self._variants(self.rates_of(placement))

    def _choosing(self, rates: Sequence[float]) -> tuple[int, ...]:
        if len(rates) == 1 and not self.race:
            return ()
        apart = self.rate_seeds and not self.race
        return tuple(range(CHOOSING, CHOOSING + self.rate_seeds)) if apart else self.judging

    def _variants(self, rates: Sequence[float]) -> int:
        choosing = self._choosing(rates)
        apart = set(choosing).isdisjoint(self.judging)
        return len(rates) * len(choosing or self.judging) + apart * bool(choosing) * self.seeds

    @property
    def warmup_steps(self) -> int:
        """Steps of the first leg in which the rate rises."""
        return self.warmup_of((*self.legs, self.steps)[0])

    def leg_after(self, step: int) -> tuple[int, int]:
        """First and last step's end of the leg that the step after this one belongs to; of the last leg at its end."""
        legs = list(pairwise((0, *self.legs, self.steps)))
        return next((leg for leg in legs if step < leg[1]), legs[-1])

    def warmup_of(self, steps: int) -> int:
        """Steps of a leg in which the rate rises; the first of them trains at a rate of 0, so the last step is none."""
        return min(round(self.warmup * steps), steps - 1)

    def warmup_after(self, first: int) -> int:
        """Steps of the leg after this step in which the rate rises; a constant rate does not rise again."""
        if first and self.schedule == "constant":
            return 0
        first, last = self.leg_after(first)
        return self.warmup_of(last - first)

    def order_of(self, seed: int) -> int:
        """Which order of the data a seed reads: its own, or the one of all."""
        return seed if self.order == "seed" else 0

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


def _checked(rates: tuple[float, ...]) -> tuple[float, ...]:
    """Learning rates in rising order."""
    for rate in rates:
        if not rate > 0:
            raise ValueError(f"a learning rate of {rate:g} trains nothing: choose one above 0, such as 1e-3")
        if rate >= HIGHEST_RATE:
            raise ValueError(f"a learning rate of {rate:g} diverges at once: choose one below {HIGHEST_RATE:g}")
    return tuple(sorted(rates))


def variant_name(placement: str, method: str, rate: float, seed: int) -> str:
    """How a variant is called everywhere: `dominant lr=0.005 seed=1`, with the method unless it is plain LoRA."""
    middle = "" if method == "lora" else f" {method}"
    return f"{placement}{middle} lr={rate:g} seed={seed}"
