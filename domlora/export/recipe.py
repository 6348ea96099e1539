"""A recipe: all that a trainer must be told to train one adapter. Plain data; each file that is made of it is a module.

In: a variant of a run as it was trained, or a placement that nothing was trained with yet. Out: `Recipe`. No torch, no
transformers: the dashboard makes recipes too.
"""

from __future__ import annotations

from dataclasses import dataclass

from domlora.comparison.config import SCHEDULERS, LossMean, SweepConfig
from domlora.comparison.run import STEPS, Run, Variant
from domlora.data.origin import TaskOrigin
from domlora.energy.energy_map import EnergyMap
from domlora.models.origin import ModelOrigin, base_of
from domlora.placements.methods import METHODS, Method, MethodInfo
from domlora.placements.placement import Placement
from domlora.training.kept_rows import is_kept

MODEL_TO_NAME = "path/to/the/model"  # stands where only the user can say what `from_pretrained` takes


@dataclass(frozen=True)
class Recipe:
    """How one adapter is trained.

    Attributes:
        title: what it is the recipe of, in words.
        run: id of the run that trained it; None where nothing was trained.
        model: what `from_pretrained` takes, a Hub id or a folder; None where it takes nothing (a GGUF).
        model_words: where the model came from, for a person.
        revision: commit of a Hub id, or None.
        auto_class: the class of transformers that brings the model with its language head.
        dtype: of the base: `float32`, `bfloat16` or `float16`; adapters are trained in float32.
        schedule: as `transformers.get_scheduler` names it.
        warmup_steps: steps in which the rate rises at first.
        legs: last step and steps of warm-up of each part that has a schedule of its own; one part, unless the
            comparison was gone on with.
        taken_at: the step after which the adapter was taken; the last one, unless it was ended early.
        seed: of the adapter's start.
        task: its name; `task_origin` says where its rows lie.
        rows_beside: whether the rows that it was trained on lie beside the files made of it.
    """

    title: str
    run: str | None
    model: str | None
    model_words: str
    revision: str | None
    auto_class: str
    dtype: str
    placement: Placement
    method: Method
    learning_rate: float
    loraplus_ratio: float
    steps: int
    batch_size: int
    accumulation: int
    schedule: str
    warmup_steps: int
    legs: tuple[tuple[int, int], ...]
    taken_at: int
    weight_decay: float
    max_grad_norm: float
    loss_mean: LossMean
    dropout: float
    gradient_checkpointing: bool
    max_length: int
    seed: int
    task: str
    task_origin: TaskOrigin | None
    rows_beside: bool = False

    @property
    def info(self) -> MethodInfo:
        return METHODS[self.method]

    @property
    def model_argument(self) -> str:
        """What `from_pretrained` takes, or a text that the user has to replace."""
        return self.model or MODEL_TO_NAME

    @property
    def highest_rank(self) -> int:
        return max(module.rank for module in self.placement.modules)

    @classmethod
    def of_run(cls, run: Run, variant: Variant) -> Recipe:
        """As the variant was trained."""
        placement = next(p for p in run.placements if p.name == variant.placement)
        results = variant.results
        model, revision = base_of(run.model_origin, run.model_source, run.model_revision)
        return cls(
            title=f"{variant.name} of domlora run {run.id}",
            run=run.id,
            model=model,
            model_words=_words(run.model_origin, run.model_source),
            revision=revision,
            auto_class=auto_class(run.facts.get("architecture", ""), placement),
            dtype=run.facts.get("dtype", "float32"),
            placement=placement,
            method=variant.method,
            learning_rate=variant.learning_rate,
            seed=variant.seed,
            task=run.task,
            task_origin=run.task_origin,
            rows_beside=is_kept(run.id),
            taken_at=int(results.get("best_step", results.get(STEPS, run.config.steps))),
            **_settings(run.config),
        )

    @classmethod
    def of_placement(cls, energy: EnergyMap, placement: Placement, method: Method = "lora") -> Recipe:
        """With a comparison's defaults, at the middle one of the rates that it tries: nothing was trained yet."""
        p, config = energy.provenance, SweepConfig()
        model, revision = base_of(p.model_origin, p.model_source, p.model_revision)
        return cls(
            title=f"{placement.name} on {p.model}, placed by domlora",
            run=None,
            model=model,
            model_words=_words(p.model_origin, p.model_source),
            revision=revision,
            auto_class=auto_class(p.architecture, placement),
            dtype=p.dtype,
            placement=placement,
            method=method,
            learning_rate=config.learning_rates[len(config.learning_rates) // 2],
            seed=0,
            task=p.task,
            task_origin=p.task_origin,
            taken_at=config.steps,
            **_settings(config.model_copy(update={"max_length": p.config.max_length})),
        )


def auto_class(architecture: str, placement: Placement) -> str:
    """The class of transformers that brings a model with its language head.

    Args:
        architecture: name of the model's class; empty where an earlier version wrote none down.
        placement: on it; whether there is a decoder that reads what an encoder wrote, the placement knows.
    """
    if placement.task_type == "SEQ_2_SEQ_LM":
        return "AutoModelForSeq2SeqLM"
    if placement.task_type is None or architecture.endswith("ForMaskedLM"):
        return "AutoModelForMaskedLM"
    # With its vision tower, which its weights name; text runs through the rest alone.
    images = architecture.endswith(("ForConditionalGeneration", "ForVisionText2Text"))
    return "AutoModelForImageTextToText" if images else "AutoModelForCausalLM"


def _settings(config: SweepConfig) -> dict:
    """The fields of a recipe that are a comparison's settings."""
    ends = (*config.legs, config.steps)
    return {
        "loraplus_ratio": config.loraplus_ratio,
        "steps": config.steps,
        "batch_size": config.batch_size,
        "accumulation": config.accumulation,
        "schedule": SCHEDULERS[config.schedule],
        "warmup_steps": config.warmup_steps,
        "legs": tuple(zip(ends, map(config.warmup_after, (0, *config.legs)), strict=True)),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "loss_mean": config.loss_mean,
        "dropout": config.dropout,
        "gradient_checkpointing": config.gradient_checkpointing,
        "max_length": config.max_length,
    }


def _words(origin: ModelOrigin | None, source: str) -> str:
    named = f" ({origin.named_again})" if origin is not None and origin.base_name is None and origin.known else ""
    return source + named
