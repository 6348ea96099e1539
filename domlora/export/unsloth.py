"""An Unsloth script that trains a recipe: text from plain data (signatures of unsloth 2026.10).

Unsloth hands what it does not know to PEFT's `LoraConfig`, so that single modules, patterns and variants arrive as they
are. Its fused loss is over all tokens of a step, and its fused layers do not start EVA.
"""

from __future__ import annotations

from typing import Any

from domlora.export import notes
from domlora.export.recipe import MODEL_TO_NAME, Recipe
from domlora.export.rows import TRAIN
from domlora.export.trl import MISSING, sft_settings
from domlora.quoting import comment, literal

SCRIPT = "train_with_unsloth.py"
# Text models have layers of Unsloth's own; the rest goes through transformers' classes.
FAST = {"AutoModelForCausalLM": "FastLanguageModel"}


def script(recipe: Recipe) -> str:
    """The script; it lies beside the rows it reads.

    Raises:
        PlacementError: a method that PEFT does not have for a module of the placement.
    """
    fast = FAST.get(recipe.auto_class, "FastModel")
    head = "".join(f"# {comment(line)}\n" for line in [*notes.about(recipe), *_differences(recipe)])
    plus = "from peft.optimizers import create_loraplus_optimizer\n" if recipe.info.faster_up else ""
    unnamed = f'if MODEL == "{MODEL_TO_NAME}":\n    raise SystemExit("name the base of this adapter as MODEL")\n'
    adapter = "".join(f"    {name}={literal(value, 1)},\n" for name, value in _adapter(recipe).items())
    return f'''"""Trains one adapter with Unsloth, at the modules that domlora placed it at."""
{head}# pip install unsloth

from unsloth import {fast}  # before all others: it changes them

import json
from pathlib import Path

import torch
from datasets import Dataset
{plus}from trl import SFTConfig, SFTTrainer

HERE = Path(__file__).resolve().parent
OUT = HERE / "out-unsloth"
MODEL = {literal(recipe.model_argument)}
REVISION = {literal(recipe.revision)}

{unnamed if recipe.model is None else ""}if not (HERE / "{TRAIN}").exists():
    raise SystemExit("{TRAIN} is missing beside this script: {MISSING}")
with (HERE / "{TRAIN}").open(encoding="utf-8") as lines:
    rows = Dataset.from_list([json.loads(line) for line in lines])

model, tokenizer = {fast}.from_pretrained(
    MODEL,
    revision=REVISION,
    max_seq_length={recipe.max_length},
    dtype=torch.{recipe.dtype},
    load_in_4bit=False,
    trust_remote_code=False,
)
model = {fast}.get_peft_model(
    model,
{adapter})
{_optimizer(recipe)}
trainer = SFTTrainer(
    model=model,
    processing_class=tokenizer,
    train_dataset=rows,
{"    optimizers=(optimizer, None)," + chr(10) if recipe.info.faster_up else ""}    args=SFTConfig(
        output_dir=str(OUT),
{sft_settings(recipe)}        bf16={recipe.dtype == "bfloat16"},
        logging_steps=1,
        save_strategy="no",
        report_to="none",
        seed={recipe.seed},
    ),
)
trainer.train()
model.save_pretrained(str(OUT))
'''


def _adapter(recipe: Recipe) -> dict[str, Any]:
    """Arguments of `get_peft_model`; those that it does not name go to `LoraConfig`."""
    peft = recipe.placement.settings("lora" if recipe.info.from_data else recipe.method, recipe.dropout)
    peft.pop("task_type", None)  # it chooses that itself
    return {
        **peft,
        "target_parameters": peft.get("target_parameters", []),  # else it looks for experts by itself
        "use_gradient_checkpointing": recipe.gradient_checkpointing and "unsloth",
        "random_state": recipe.seed,
    }


def _differences(recipe: Recipe) -> list[str]:
    said = notes.other_schedule(recipe)
    if recipe.loss_mean == "sample":
        said.append(notes.SAMPLE_MEAN)
    if recipe.info.from_data:
        said.append(notes.plain_start(recipe, "FastLanguageModel"))
    if recipe.auto_class in ("AutoModelForMaskedLM", "AutoModelForSeq2SeqLM"):
        said.append("The rows are those of a causal model: Unsloth's trainer of this kind of model builds its own.")
    return said


def _optimizer(recipe: Recipe) -> str:
    if not recipe.info.faster_up:
        return ""
    return f"""optimizer = create_loraplus_optimizer(
    model,
    torch.optim.AdamW,
    lr={recipe.learning_rate!r},
    loraplus_lr_ratio={recipe.loraplus_ratio!r},
    loraplus_weight_decay={recipe.weight_decay!r},
    fused=True,
)
"""
