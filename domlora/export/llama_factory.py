"""A recipe as LLaMA-Factory reads it: its YAML, and the `dataset_info.json` that names the rows.

Field names of llamafactory 0.9.5: `llamafactory/hparams` and `llamafactory/data/parser.py`. One rank and one alpha for
all modules is all that it can say of an adapter.
"""

from __future__ import annotations

import json
from typing import Any

from domlora.export import notes
from domlora.export.recipe import Recipe
from domlora.export.task_rows import TaskRows, conversations
from domlora.export.yaml_text import document

NAME = "llama_factory.yaml"
INFO = "dataset_info.json"
ROWS = "domlora_rows"  # what the data set is called between the two files


def config(recipe: Recipe) -> str:
    """The file, to be read from the folder that it lies in.

    Raises:
        PlacementError: a method that PEFT does not have for a module of the placement.
    """
    said: dict[str, list[str]] = {}
    task = conversations(recipe)
    if all(module.parameter for module in recipe.placement.modules):
        return document([recipe.title, "LLaMA-Factory adapts no parameters of experts: it cannot train this."], {}, {})
    settings = _base(recipe) | _adapter(recipe, said) | _data(recipe, task, said) | _training(recipe, said)
    about = ["llamafactory-cli train llama_factory.yaml, in this folder", *notes.about(recipe)]
    return document(about, settings, said)


def dataset_info(recipe: Recipe) -> str:
    """What the rows are called, for `dataset_dir: .`."""
    task = conversations(recipe)
    entry: dict[str, Any] = {"file_name": task.path} if task.file_kind else {"hf_hub_url": task.path}
    if task.config:
        entry["subset"] = task.config
    if task.form in ("messages", "sharegpt"):
        entry |= {"formatting": "sharegpt", "columns": dict(task.columns)}
        if task.form == "messages":  # its formatting `openai` would add a sentence to every system text
            entry["tags"] = {
                "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
                "observation_tag": "tool", "function_tag": "function_call", "system_tag": "system",
            }  # fmt: skip
    else:
        entry |= {"formatting": "alpaca", "columns": dict(task.columns)}
    return json.dumps({ROWS: entry}, indent=2) + "\n"


def _base(recipe: Recipe) -> dict[str, Any]:
    return {
        "model_name_or_path": recipe.model_argument,
        **({"model_revision": recipe.revision} if recipe.revision else {}),
        "trust_remote_code": False,
        "flash_attn": "sdpa",
    }


def _adapter(recipe: Recipe, said: dict[str, list[str]]) -> dict[str, Any]:
    peft = recipe.placement.settings(recipe.method, recipe.dropout)
    alpha = max(1, round(peft["lora_alpha"]))
    found: dict[str, Any] = {
        "finetuning_type": "lora",
        "lora_rank": peft["r"],
        "lora_alpha": alpha,
        "lora_dropout": peft["lora_dropout"],
        "lora_target": ",".join(peft["target_modules"]),
    }
    if alpha != peft["lora_alpha"]:
        said["lora_alpha"] = [f"LLaMA-Factory takes whole numbers only: {alpha} stands for {peft['lora_alpha']:g}."]
    if "rank_pattern" in peft:
        ranks = sorted({module.rank for module in recipe.placement.modules})
        said["lora_rank"] = [
            f"LLaMA-Factory knows one rank for all modules. They were given ranks of {ranks[0]} to {ranks[-1]}: "
            "axolotl.yaml, train_with_trl.py and train_with_unsloth.py have them."
        ]
    if "target_parameters" in peft:
        said["lora_target"] = [
            "LLaMA-Factory adapts no parameters of experts, so that these are left out: "
            + ", ".join(peft["target_parameters"])
        ]
    if peft.get("use_rslora"):
        found["use_rslora"] = True
    if peft.get("use_dora"):
        found["use_dora"] = True
    if peft.get("fan_in_fan_out"):
        said.setdefault("lora_target", []).append(
            "PEFT sets fan_in_fan_out for these layers by itself, with a warning."
        )
    if recipe.method == "pissa":
        # -1 is the exact decomposition; converted, the adapter loads on the base as it is.
        found |= {"pissa_init": True, "pissa_iter": -1, "pissa_convert": True}
    elif recipe.info.mutates or recipe.info.from_data:
        said["finetuning_type"] = [notes.plain_start(recipe, "LLaMA-Factory")]
    if recipe.info.faster_up:
        found["loraplus_lr_ratio"] = recipe.loraplus_ratio
    return found


def _data(recipe: Recipe, task: TaskRows, said: dict[str, list[str]]) -> dict[str, Any]:
    lost = list(task.lost)
    if recipe.rows_beside:
        lost.append("the run's own rows, in the order in which it read them; the prompts are built here")
    if task.form == "messages":
        lost.append("Calls of tools are not read: formatting openai does that, and adds a sentence to system texts.")
    lost.append(
        "Without a template the tokenizer's own is taken apart: name one (template: ...) where that does not fit it."
    )
    said["dataset"] = lost
    whole = task.form == "text"
    return {
        "stage": "pt" if whole else "sft",
        "do_train": True,
        "dataset": ROWS,
        "dataset_dir": ".",
        "cutoff_len": recipe.max_length,
        "packing": False,
        "train_on_prompt": False,
        "disable_shuffling": recipe.rows_beside,
    }


def _training(recipe: Recipe, said: dict[str, list[str]]) -> dict[str, Any]:
    if recipe.loss_mean == "sample":
        said["per_device_train_batch_size"] = [notes.SAMPLE_MEAN]
    said["lr_scheduler_type"] = notes.other_schedule(recipe)
    return {
        "per_device_train_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": recipe.accumulation,
        "max_steps": recipe.steps,
        "optim": "adamw_torch_fused",
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": recipe.schedule,
        "warmup_steps": recipe.warmup_steps,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "bf16": recipe.dtype == "bfloat16",
        "fp16": recipe.dtype == "float16",
        "disable_gradient_checkpointing": not recipe.gradient_checkpointing,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "seed": recipe.seed,
        "output_dir": "out-llama-factory",
    }
