"""A TRL script that trains a variant of a comparison again: text from plain data."""

from __future__ import annotations

from domlora.comparison.run import Run, Variant
from domlora.placements.methods import METHODS


def sft_script(run: Run, variant: Variant) -> str:
    """A TRL script that trains the same placement with the same settings on the user's own rows."""
    config = run.config
    placement = next(p for p in run.placements if p.name == variant.placement)
    imports, _, snippet = placement.snippet(variant.method).partition("\n")
    schedule = {"constant": "constant_with_warmup"}.get(config.schedule, config.schedule)
    model, note = model_argument(run)
    if METHODS[variant.method].faster_up:
        ratio = f"{config.loraplus_ratio:g}"
        note += f"# LoRA+: B learns at {ratio} times the rate below (peft.optimizers.create_loraplus_optimizer).\n"
    note += _rows_note(run)
    return f'''"""{variant.name} of domlora run {run.id}, trained with TRL: pip install trl."""

from datasets import load_dataset
{imports}
from trl import SFTConfig, SFTTrainer
{snippet}
{note}rows = load_dataset("json", data_files="train.jsonl", split="train")  # {{"prompt": [...], "completion": [...]}}
trainer = SFTTrainer(
    model="{model}",
    train_dataset=rows,
    peft_config=config,
    args=SFTConfig(
        output_dir="out",
        learning_rate={variant.learning_rate:g},
        max_steps={config.steps},
        per_device_train_batch_size={config.batch_size},
        gradient_accumulation_steps={config.accumulation},
        lr_scheduler_type="{schedule}",
        warmup_steps={round(config.warmup * config.steps)},
        weight_decay={config.weight_decay:g},
        max_grad_norm={config.max_grad_norm:g},
        max_length={config.max_length},
        bf16={run.facts.get("dtype") == "bfloat16"},
        seed={variant.seed},
    ),
)
trainer.train()
trainer.save_model("out")
'''


def model_argument(run: Run) -> tuple[str, str]:
    """What `from_pretrained` takes for the run's base model, and a comment where that is not plain."""
    origin = run.model_origin
    if origin is not None and origin.base_name is not None:
        return origin.base_name, ""
    base = run.model_source + (f" ({origin.named_again!r})" if origin is not None and origin.known else "")
    return "path/to/the/model", f"# The base of the run: {base}. Name its Hub id or folder below.\n"


def _rows_note(run: Run) -> str:
    """A comment that says where the rows of the run lie, where a name alone does not."""
    origin = run.task_origin
    if origin is None or origin.kind == "builtin":
        return ""
    shape = f", in the format {origin.format}" if origin.format else ""
    read = f", columns {origin.columns_named!r}" if origin.columns else ""
    read += f", system texts: {origin.system}" if origin.system != "keep" else ""
    return f"# The rows of the run: {origin.named_again!r}{shape}{read}.\n"
