"""A recipe as Axolotl reads it, one YAML file (field names of axolotl 0.19: `axolotl/utils/schemas`)."""

from __future__ import annotations

from typing import Any

from domlora.export import notes
from domlora.export.recipe import Recipe
from domlora.export.rows import TRAIN
from domlora.export.task_rows import TaskRows, elsewhere
from domlora.export.yaml_text import document

NAME = "axolotl.yaml"
# Methods whose start is one of PEFT's `init_lora_weights`, and needs nothing beside the weights.
STARTS = ("pissa", "olora")
KERNELS = ("lora_mlp_kernel", "lora_qkv_kernel", "lora_o_kernel", "lora_embedding_kernel")


def config(recipe: Recipe) -> str:
    """The file, to be read from the folder that it lies in."""
    said: dict[str, list[str]] = {"datasets": []}
    settings = _base(recipe) | _adapter(recipe, said) | _data(recipe, said) | _training(recipe, said)
    about = ["axolotl train axolotl.yaml, in this folder", *notes.about(recipe)]
    return document(about, settings, said)


def _base(recipe: Recipe) -> dict[str, Any]:
    return {
        "base_model": recipe.model_argument,
        **({"revision_of_model": recipe.revision} if recipe.revision else {}),
        "model_type": recipe.auto_class,
        "trust_remote_code": False,
        "bf16": recipe.dtype == "bfloat16",
        "fp16": recipe.dtype == "float16",
        "tf32": False,
    }


def _adapter(recipe: Recipe, said: dict[str, list[str]]) -> dict[str, Any]:
    peft = recipe.placement.settings(recipe.method, recipe.dropout)
    found: dict[str, Any] = {
        "adapter": "lora",
        "lora_r": peft["r"],
        "lora_alpha": _whole(peft["lora_alpha"], "lora_alpha", said),
        "lora_dropout": peft["lora_dropout"],
        "lora_target_modules": peft["target_modules"],
    }
    if peft["target_modules"]:
        said["lora_target_modules"] = ["names of single modules, which PEFT matches whole or after a dot"]
    if "target_parameters" in peft:
        found["lora_target_parameters"] = peft["target_parameters"]
    if "rank_pattern" in peft:
        found["lora_rank_pattern"] = peft["rank_pattern"]
    if "alpha_pattern" in peft:
        found["lora_alpha_pattern"] = {
            name: _whole(alpha, "lora_alpha_pattern", said) for name, alpha in peft["alpha_pattern"].items()
        }
    if peft.get("fan_in_fan_out"):
        found["lora_fan_in_fan_out"] = True
    if peft.get("use_dora"):
        found["peft_use_dora"] = True
    if peft.get("use_rslora"):
        found["peft_use_rslora"] = True
    if recipe.method in STARTS:
        found["peft_init_lora_weights"] = peft["init_lora_weights"]
        said["peft_init_lora_weights"] = [
            "What is saved belongs to a base that this start has changed: train_with_trl.py saves a plain adapter of "
            "the base instead."
        ]
    elif recipe.info.from_data:
        said["adapter"] = [notes.plain_start(recipe, "Axolotl")]
    if recipe.info.faster_up:
        found["loraplus_lr_ratio"] = recipe.loraplus_ratio
    # Kernels of Axolotl's own, which it turns on by itself, are for adapters on whole blocks.
    return found | dict.fromkeys(KERNELS, False)


def _data(recipe: Recipe, said: dict[str, list[str]]) -> dict[str, Any]:
    if recipe.rows_beside:
        rows: dict[str, Any] = {"path": TRAIN, "ds_type": "json", "split": "train", "type": None}
        said["datasets"].append("the run's own tokens, in the order in which it read them")
    else:
        task = elsewhere(recipe)
        rows = _dataset(task)
        said["datasets"] += task.lost
        if task.form == "alpaca":
            said["datasets"].append("Axolotl writes Alpaca's own text around each row, not the chat template.")
        if task.form == "pairs":
            said["datasets"].append("Axolotl writes prompt and response as they are, without the chat template.")
    return {
        "datasets": [rows],
        "shuffle_merged_datasets": not recipe.rows_beside,
        "curriculum_sampling": recipe.rows_beside,
        "val_set_size": 0.0,
        "sequence_len": recipe.max_length,
        "sample_packing": False,
        "pad_to_sequence_len": False,
        "train_on_inputs": False,
    }


def _dataset(task: TaskRows) -> dict[str, Any]:
    rows: dict[str, Any] = {"path": task.path, "split": "train"}
    if task.config:
        rows["name"] = task.config
    if task.file_kind:
        rows["ds_type"] = task.file_kind
    if task.form in ("messages", "sharegpt"):
        rows |= {"type": "chat_template", "field_messages": task.columns["messages"], "roles_to_train": ["assistant"]}
        if task.form == "sharegpt":
            rows["message_property_mappings"] = {"role": "from", "content": "value"}
    elif task.form == "alpaca" and task.columns == {"prompt": "instruction", "query": "input", "response": "output"}:
        rows["type"] = "alpaca"
    elif task.form == "text":
        rows |= {"type": "completion", "field": task.columns["prompt"]}
    else:
        fields = {"prompt": "field_instruction", "query": "field_input", "response": "field_output"}
        form = "{instruction}\n\n{input}" if "query" in task.columns else "{instruction}"
        own = {fields[part]: column for part, column in task.columns.items()}
        rows["type"] = own | {"format": form, "no_input_format": "{instruction}"}
    return rows


def _training(recipe: Recipe, said: dict[str, list[str]]) -> dict[str, Any]:
    if recipe.loss_mean == "sample":
        said["micro_batch_size"] = [notes.SAMPLE_MEAN]
    said["lr_scheduler"] = notes.other_schedule(recipe)
    if recipe.warmup_steps == 1:
        said["warmup_steps"] = ["Axolotl makes 2 of a single step of warm-up."]
    return {
        "micro_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": recipe.accumulation,
        "max_steps": recipe.steps,
        "optimizer": "adamw_torch_fused",
        "learning_rate": recipe.learning_rate,
        "lr_scheduler": recipe.schedule,
        "warmup_steps": recipe.warmup_steps,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "logging_steps": 1,
        "save_strategy": "no",
        "seed": recipe.seed,
        "output_dir": "out-axolotl",
    }


def _whole(alpha: float, name: str, said: dict[str, list[str]]) -> int:
    """Axolotl takes whole numbers only."""
    if float(alpha).is_integer():
        return int(alpha)
    whole = max(1, round(alpha))
    said.setdefault(name, []).append(f"Axolotl takes whole numbers only: {whole} stands for {alpha:g}.")
    return whole
