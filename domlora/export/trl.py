"""A TRL script that trains a recipe: text from plain data."""

from __future__ import annotations

from domlora.export.recipe import Recipe
from domlora.quoting import comment, literal

SCRIPT = "train_with_trl.py"


def script(recipe: Recipe) -> str:
    """A TRL script that trains the same placement with the same settings on the user's own rows."""
    imports, _, snippet = recipe.placement.snippet(recipe.method).partition("\n")
    note = _base_note(recipe)
    if recipe.info.faster_up:
        ratio = f"{recipe.loraplus_ratio:g}"
        note += f"# LoRA+: B learns at {ratio} times the rate below (peft.optimizers.create_loraplus_optimizer).\n"
    note += _rows_note(recipe)
    revision = f'        model_init_kwargs={{"revision": {literal(recipe.revision)}}},\n' if recipe.revision else ""
    return f'''"""Trains an adapter with TRL: pip install trl."""
# {comment(recipe.title)}

from datasets import load_dataset
{imports}
from trl import SFTConfig, SFTTrainer
{snippet}
{note}rows = load_dataset("json", data_files="train.jsonl", split="train")  # {{"prompt": [...], "completion": [...]}}
trainer = SFTTrainer(
    model={literal(recipe.model_argument)},
    train_dataset=rows,
    peft_config=config,
    args=SFTConfig(
        output_dir="out",
{revision}        learning_rate={recipe.learning_rate!r},
        max_steps={recipe.steps},
        per_device_train_batch_size={recipe.batch_size},
        gradient_accumulation_steps={recipe.accumulation},
        lr_scheduler_type="{recipe.schedule}",
        warmup_steps={recipe.warmup_steps},
        weight_decay={recipe.weight_decay!r},
        max_grad_norm={recipe.max_grad_norm!r},
        max_length={recipe.max_length},
        bf16={recipe.dtype == "bfloat16"},
        seed={recipe.seed},
    ),
)
trainer.train()
trainer.save_model("out")
'''


def _base_note(recipe: Recipe) -> str:
    if recipe.model is not None:
        return ""
    return f"# The base of the run: {comment(recipe.model_words)}. Name its Hub id or folder below.\n"


def _rows_note(recipe: Recipe) -> str:
    """A comment that says where the rows lie, where a name alone does not."""
    origin = recipe.task_origin
    if origin is None or origin.kind == "builtin":
        return ""
    shape = f", in the format {origin.format}" if origin.format else ""
    read = f", columns {origin.columns_named!r}" if origin.columns else ""
    read += f", system texts: {origin.system}" if origin.system != "keep" else ""
    return f"# {comment(f'The rows of the run: {origin.named_again!r}{shape}{read}.')}\n"
