"""Axolotl, LLaMA-Factory and Unsloth are told what was trained, in fields that they have, and what they cannot say is
said. The fields and their types are those of the released tools; where these are unpacked, their own parsers read the
files too.
"""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import peft
import pytest
import yaml
from trl import SFTConfig

from domlora.data.origin import TaskOrigin
from domlora.export import axolotl, llama_factory, unsloth
from domlora.export.rows import CONVERSATIONS
from domlora.placements.methods import METHODS
from tests.helpers.recipes import EQUAL, EXPERTS, SINGLE, UNEQUAL, recipe, tools

__all__ = ["tools"]
NUMBER = (int, float)
# axolotl 0.19.0, `axolotl/utils/schemas`
AXOLOTL = {
    "base_model": str, "revision_of_model": str, "model_type": str, "trust_remote_code": bool, "bf16": bool,
    "fp16": bool, "tf32": bool, "adapter": str, "lora_r": int, "lora_alpha": int, "lora_dropout": float,
    "lora_target_modules": list, "lora_target_parameters": list, "lora_rank_pattern": dict,
    "lora_alpha_pattern": dict, "lora_fan_in_fan_out": bool, "peft_use_dora": bool, "peft_use_rslora": bool,
    "peft_init_lora_weights": str, "loraplus_lr_ratio": float, "lora_mlp_kernel": bool, "lora_qkv_kernel": bool,
    "lora_o_kernel": bool, "lora_embedding_kernel": bool, "datasets": list, "shuffle_merged_datasets": bool,
    "curriculum_sampling": bool, "val_set_size": float, "sequence_len": int, "sample_packing": bool,
    "pad_to_sequence_len": bool, "train_on_inputs": bool, "micro_batch_size": int, "gradient_accumulation_steps": int,
    "max_steps": int, "optimizer": str, "learning_rate": float, "lr_scheduler": str, "warmup_steps": int,
    "weight_decay": float, "max_grad_norm": float, "gradient_checkpointing": bool, "logging_steps": int,
    "save_strategy": str, "seed": int, "output_dir": str,
}  # fmt: skip
# llamafactory 0.9.5, `llamafactory/hparams`
LLAMA_FACTORY = {
    "model_name_or_path": str, "model_revision": str, "trust_remote_code": bool, "flash_attn": str,
    "finetuning_type": str, "lora_rank": int, "lora_alpha": int, "lora_dropout": float, "lora_target": str,
    "use_rslora": bool, "use_dora": bool, "pissa_init": bool, "pissa_iter": int, "pissa_convert": bool,
    "loraplus_lr_ratio": float, "stage": str, "do_train": bool, "dataset": str, "dataset_dir": str, "cutoff_len": int,
    "packing": bool, "train_on_prompt": bool, "disable_shuffling": bool, "per_device_train_batch_size": int,
    "gradient_accumulation_steps": int, "max_steps": int, "optim": str, "learning_rate": float,
    "lr_scheduler_type": str, "warmup_steps": NUMBER, "weight_decay": float, "max_grad_norm": float, "bf16": bool,
    "fp16": bool, "disable_gradient_checkpointing": bool, "logging_steps": NUMBER, "save_strategy": str,
    "report_to": str, "seed": int, "output_dir": str,
}  # fmt: skip
# unsloth 2026.10.9, `unsloth/models/llama.py` and `vision.py`: what both `get_peft_model` name. They hand the rest to
# `LoraConfig`, the one as it comes and the other what that knows.
GET_PEFT_MODEL = {
    "model", "r", "target_modules", "lora_alpha", "lora_dropout", "bias", "layers_to_transform", "layers_pattern",
    "finetune_last_n_layers", "use_gradient_checkpointing", "random_state", "max_seq_length", "use_rslora",
    "modules_to_save", "init_lora_weights", "loftq_config", "temporary_location", "qat_scheme", "target_parameters",
    "ensure_weight_tying", "offload_layers", "checkpoint_skip_layers",
}  # fmt: skip
FROM_PRETRAINED = {"model_name", "max_seq_length", "dtype", "load_in_4bit", "trust_remote_code", "revision"}

PLACEMENTS = {"equal ranks": EQUAL, "one module": SINGLE, "ranks that differ": UNEQUAL}
CASES = [pytest.param(p, m, id=f"{name}, {m}") for name, p in PLACEMENTS.items() for m in METHODS]
CHANGES = {
    "plain": {}, "rows beside": {"rows_beside": True}, "revision": {"revision": "0123abc"},
    "others": {"loss_mean": "tokens", "dropout": 0.1, "gradient_checkpointing": True, "dtype": "bfloat16"},
}  # fmt: skip


def check_types(settings: dict, fields: dict) -> None:
    assert set(settings) <= set(fields)
    for name, value in settings.items():
        wanted = fields[name] if isinstance(fields[name], tuple) else (fields[name],)
        assert type(value) in wanted, (name, value)


def call(text: str, name: str) -> dict[str, ast.expr]:
    """The keyword arguments of the only call of that name in a script."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    (one,) = [c for c in calls if getattr(c.func, "attr", getattr(c.func, "id", "")) == name and c.keywords]
    return {str(keyword.arg): keyword.value for keyword in one.keywords}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize(("placement", "method"), CASES)
def test_files_have_fields_that_their_tools_have_with_their_types(placement, method, changes):
    made = recipe(placement, method, **changes)
    check_types(yaml.safe_load(axolotl.config(made)), AXOLOTL)
    check_types(yaml.safe_load(llama_factory.config(made)), LLAMA_FACTORY)
    text = unsloth.script(made)
    given = set(call(text, "get_peft_model"))
    assert given - GET_PEFT_MODEL <= set(inspect.signature(peft.LoraConfig).parameters)
    assert set(call(text, "from_pretrained")) <= FROM_PRETRAINED
    trained = {k: ast.literal_eval(v) for k, v in call(text, "SFTConfig").items() if k != "output_dir"}
    SFTConfig(**trained | {"bf16": False})  # which asks for a GPU that has it


@pytest.mark.parametrize(("placement", "method"), CASES)
def test_axolotl_builds_the_same_adapter(placement, method):
    """As `axolotl/loaders/adapter.py` makes a `LoraConfig` of these fields."""
    said = axolotl.config(recipe(placement, method))
    given = yaml.safe_load(said)
    settings = {
        "init_lora_weights": given.get("peft_init_lora_weights", True), "use_dora": given.get("peft_use_dora", False),
        "use_rslora": given.get("peft_use_rslora", False), "rank_pattern": given.get("lora_rank_pattern", {}),
        "alpha_pattern": given.get("lora_alpha_pattern", {}), "task_type": "CAUSAL_LM",
    }  # fmt: skip
    made = peft.LoraConfig(
        r=given["lora_r"], lora_alpha=given["lora_alpha"], target_modules=given["lora_target_modules"],
        lora_dropout=given["lora_dropout"], bias="none", **settings,
    )  # fmt: skip
    wanted = placement.lora_config("lora" if METHODS[method].from_data else method)
    assert made.to_dict() == wanted.to_dict()
    assert ("the adapter starts as plain LoRA here" in said) == (method == "eva")
    assert ("loraplus_lr_ratio" in given) == (method == "lora+")


@pytest.mark.parametrize(("placement", "method"), CASES)
def test_llama_factory_builds_the_same_adapter_or_says_what_it_leaves_out(placement, method):
    """As `llamafactory/model/adapter.py` makes a `LoraConfig` of these fields."""
    said = llama_factory.config(recipe(placement, method))
    given = yaml.safe_load(said)
    made = peft.LoraConfig(
        r=given["lora_rank"], lora_alpha=given["lora_alpha"], target_modules=given["lora_target"].split(","),
        lora_dropout=given["lora_dropout"], use_rslora=given.get("use_rslora", False), task_type="CAUSAL_LM",
        use_dora=given.get("use_dora", False), init_lora_weights="pissa" if given.get("pissa_init") else True,
    )  # fmt: skip
    plain = METHODS[method].from_data or method == "olora"
    wanted = placement.lora_config("lora" if plain else method)
    assert ("one rank for all modules" in said) == bool(wanted.rank_pattern)
    wanted.rank_pattern, wanted.alpha_pattern = {}, {}
    assert made.to_dict() == wanted.to_dict()
    assert ("the adapter starts as plain LoRA here" in said) == plain
    assert ("loraplus_lr_ratio" in given) == (method == "lora+")


def test_experts_are_named_to_those_that_can_adapt_them_and_their_absence_is_said():
    (name,) = [module.parameter for module in EXPERTS.modules if module.parameter]
    made = recipe(EXPERTS)
    assert yaml.safe_load(axolotl.config(made))["lora_target_parameters"] == [name]
    assert ast.literal_eval(call(unsloth.script(made), "get_peft_model")["target_parameters"]) == [name]
    said = llama_factory.config(made)
    assert name not in yaml.safe_load(said)["lora_target"] and f"left out: {name}" in said
    alone = EXPERTS.model_copy(update={"modules": EXPERTS.modules[1:]})
    assert yaml.safe_load(said := llama_factory.config(recipe(alone))) is None and "cannot train this" in said


def test_an_alpha_that_is_no_whole_number_is_rounded_and_said():
    made = recipe(EQUAL.model_copy(update={"alpha": 6.4}))
    for text, name in ((axolotl.config(made), "lora_alpha"), (llama_factory.config(made), "lora_alpha")):
        assert yaml.safe_load(text)[name] == 6 and "6 stands for 6.4" in text


def test_settings_of_the_training_arrive():
    made = recipe(
        revision="0123abc", learning_rate=2e-3, steps=7, batch_size=3, accumulation=5, schedule="cosine",
        warmup_steps=2, weight_decay=0.02, max_grad_norm=0.7, max_length=99, seed=1003, dropout=0.25,
    )  # fmt: skip
    first, second = yaml.safe_load(axolotl.config(made)), yaml.safe_load(llama_factory.config(made))
    for name, other, value in (
        ("revision_of_model", "model_revision", "0123abc"), ("learning_rate", "learning_rate", 2e-3),
        ("max_steps", "max_steps", 7), ("micro_batch_size", "per_device_train_batch_size", 3),
        ("gradient_accumulation_steps", "gradient_accumulation_steps", 5), ("seed", "seed", 1003),
        ("lr_scheduler", "lr_scheduler_type", "cosine"), ("warmup_steps", "warmup_steps", 2),
        ("weight_decay", "weight_decay", 0.02), ("max_grad_norm", "max_grad_norm", 0.7),
        ("sequence_len", "cutoff_len", 99), ("lora_dropout", "lora_dropout", 0.25),
    ):  # fmt: skip
        assert (first[name], second[other]) == (value, value)
    assert not first["train_on_inputs"] and not second["train_on_prompt"]
    given = {k: ast.unparse(v) for k, v in call(unsloth.script(made), "SFTConfig").items()}
    assert (given["learning_rate"], given["warmup_steps"], given["seed"]) == ("0.002", "2", "1003")
    assert "REVISION = '0123abc'" in ast.unparse(ast.parse(unsloth.script(made)))


def test_a_loss_that_is_not_the_comparisons_is_said():
    for make in (axolotl.config, llama_factory.config, unsloth.script):
        assert ("mean over all tokens of a step" in make(recipe())) and make(recipe()) != make(
            recipe(loss_mean="tokens")
        )
        assert "mean over all tokens of a step" not in make(recipe(loss_mean="tokens"))


# Rows


def rows_of(origin: TaskOrigin, **changes) -> tuple[dict, dict, str]:
    made = recipe(origin=origin, **changes)
    text = axolotl.config(made)
    (entry,) = json.loads(llama_factory.dataset_info(made)).values()
    return yaml.safe_load(text)["datasets"][0], entry, text


@pytest.mark.parametrize(
    ("form", "kind", "formatting", "columns"),
    [
        ("messages", "chat_template", "sharegpt", {"messages": "messages"}),
        ("sharegpt", "chat_template", "sharegpt", {"messages": "conversations"}),
        ("alpaca", "alpaca", "alpaca", {"prompt": "instruction", "query": "input", "response": "output"}),
        ("text", "completion", "alpaca", {"prompt": "text"}),
        ("gsm8k", {"field_instruction": "question", "field_output": "answer"}, "alpaca",
         {"prompt": "question", "response": "answer"}),
    ],
)  # fmt: skip
def test_rows_are_named_by_their_file_and_form(form, kind, formatting, columns):
    ours, theirs, text = rows_of(TaskOrigin(kind="file", place="/data/a.parquet", format=form))
    assert (ours["path"], ours["ds_type"], theirs["file_name"]) == ("/data/a.parquet", "parquet", "/data/a.parquet")
    assert ours["type"] == kind or ours["type"].items() >= kind.items()
    assert (theirs["formatting"], theirs["columns"]) == (formatting, columns)
    assert "All rows of all splits are read" in text


def test_rows_of_the_hub_are_named_by_their_id_and_configuration():
    ours, theirs, _ = rows_of(TaskOrigin(kind="hub", place="owner/rows:main", format="messages"))
    assert (ours["path"], ours["name"], theirs["hf_hub_url"], theirs["subset"]) == (
        "owner/rows", "main", "owner/rows", "main",
    )  # fmt: skip
    assert "ds_type" not in ours and "file_name" not in theirs


def test_columns_that_were_named_are_named_again():
    origin = TaskOrigin(
        kind="file", place="/d.csv", format="alpaca", columns={"frage": "instruction", "wort": "output"}
    )
    ours, theirs, _ = rows_of(origin)
    assert theirs["columns"] == {"prompt": "frage", "query": "input", "response": "wort"}
    assert ours["type"]["field_instruction"] == "frage" and ours["type"]["field_output"] == "wort"


@pytest.mark.parametrize("origin", [
    TaskOrigin(kind="file", place="/data/a.jsonl", format="preference"),
    TaskOrigin(kind="file", place="/data/a.zip", format="messages"),
])  # fmt: skip
def test_rows_that_such_tools_cannot_read_are_asked_for(origin):
    ours, theirs, text = rows_of(origin)
    assert ours["path"] == theirs["file_name"] == CONVERSATIONS
    assert "bring them as conversations" in text


def test_the_rows_of_a_run_are_taken_as_they_are_and_in_their_order():
    ours, theirs, text = rows_of(TaskOrigin(kind="file", place="/a.jsonl", format="preference"), rows_beside=True)
    assert ours == {"path": "train.jsonl", "ds_type": "json", "split": "train", "type": None}
    assert (theirs["file_name"], theirs["formatting"]) == (CONVERSATIONS, "sharegpt")
    settings = yaml.safe_load(text)
    assert settings["curriculum_sampling"] and not settings["shuffle_merged_datasets"]
    assert yaml.safe_load(llama_factory.config(recipe(rows_beside=True)))["disable_shuffling"]


# The tools' own parsers

AXOLOTL_PARSER = """
import json, sys, yaml
from axolotl.utils.schemas.config import AxolotlInputConfig
for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        read = AxolotlInputConfig(**yaml.safe_load(file))
    print(json.dumps(read.model_dump(mode="json", exclude_unset=True)))
"""
LLAMA_FACTORY_DATA = """
import contextlib, json, os, sys, types
import llamafactory
# The package of its data formats asks for audio libraries at its head; its modules do not.
data = types.ModuleType("llamafactory.data")
data.__path__ = [os.path.join(os.path.dirname(llamafactory.__file__), "data")]
sys.modules["llamafactory.data"] = data
"""
LLAMA_FACTORY_ROWS = """
from llamafactory.data.converter import get_dataset_converter
from llamafactory.data.parser import get_dataset_list
from llamafactory.hparams import DataArguments
for path in sys.argv[1:]:
    folder = os.path.dirname(path)
    (rows,) = get_dataset_list(["domlora_rows"], folder)
    with open(path, encoding="utf-8") as lines:
        row = json.loads(next(lines))
    found = get_dataset_converter(rows.formatting, rows, DataArguments(dataset_dir=folder))(row)
    turns = [turn["content"] for turn in [*found["_prompt"], *found["_response"]]]
    print(json.dumps({"system": found["_system"], "turns": turns}))
"""
LLAMA_FACTORY_PARSER = """
from llamafactory.hparams import get_train_args
from llamafactory.data.parser import get_dataset_list
paths = sys.argv[1:]
for path in paths:
    sys.argv = ["llamafactory-cli", path]
    os.chdir(os.path.dirname(path))
    with contextlib.redirect_stdout(sys.stderr):
        model, data, training, tuning, _ = get_train_args()
        (rows,) = get_dataset_list(data.dataset, data.dataset_dir)
    print(json.dumps({
        "model": model.model_name_or_path, "revision": model.model_revision, "target": tuning.lora_target,
        "rank": tuning.lora_rank, "alpha": tuning.lora_alpha, "pissa": tuning.pissa_init, "dora": tuning.use_dora,
        "steps": training.max_steps, "warmup": training.get_warmup_steps(training.max_steps),
        "rate": training.learning_rate, "rows": [rows.load_from, rows.dataset_name, rows.formatting],
    }))
"""


def parsed(code: str, paths: list[Path], tools: Path) -> list[dict]:
    environment = os.environ | {"PYTHONPATH": str(tools), "DISABLE_VERSION_CHECK": "1", "AXOLOTL_DO_NOT_TRACK": "1"}
    command = [sys.executable, "-c", code, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def written(folder: Path) -> dict[str, tuple]:
    """Recipes in folders of their own, by name."""
    made = {}
    for index, (placement, method) in enumerate((p, m) for p in PLACEMENTS.values() for m in METHODS):
        changes = list(CHANGES.values())[index % len(CHANGES)]
        # bfloat16 would ask for a GPU that has it
        own = {"model": f'owner/na"me {index}: #', "learning_rate": 1e-5, "dtype": "float32"}
        one = recipe(placement, method, **changes | own)
        path = folder / str(index)
        path.mkdir()
        (path / axolotl.NAME).write_text(axolotl.config(one), encoding="utf-8")
        (path / llama_factory.NAME).write_text(llama_factory.config(one), encoding="utf-8")
        (path / llama_factory.INFO).write_text(llama_factory.dataset_info(one), encoding="utf-8")
        made[str(index)] = one
    return made


@pytest.mark.slow
def test_axolotls_own_schema_reads_every_file(tools, tmp_path):
    made = written(tmp_path)
    found = parsed(AXOLOTL_PARSER, [tmp_path / name / axolotl.NAME for name in made], tools)
    assert len(found) == len(made)
    for one, read in zip(made.values(), found, strict=True):
        assert read["base_model"] == one.model and read["revision_of_model"] == one.revision if one.revision else True
        assert read["lora_target_modules"] == [module.module for module in one.placement.modules]
        assert read["learning_rate"] == 1e-5 and read["max_steps"] == one.steps
        assert read.get("lora_rank_pattern", {}) == one.placement.settings("lora").get("rank_pattern", {})


@pytest.mark.slow
def test_llama_factorys_own_parser_reads_every_file(tools, tmp_path):
    made = written(tmp_path)
    found = parsed(
        LLAMA_FACTORY_DATA + LLAMA_FACTORY_PARSER, [tmp_path / name / llama_factory.NAME for name in made], tools
    )
    assert len(found) == len(made)
    for one, read in zip(made.values(), found, strict=True):
        assert (read["model"], read["revision"]) == (one.model, one.revision or "main")
        assert read["target"] == [module.module for module in one.placement.modules]
        assert (read["rank"], read["pissa"], read["dora"]) == (
            one.placement.rank,
            one.method == "pissa",
            one.method == "dora",
        )
        assert (read["steps"], read["warmup"], read["rate"]) == (one.steps, one.warmup_steps, 1e-5)
        beside = ["file", CONVERSATIONS, "sharegpt"]
        assert read["rows"] == (beside if one.rows_beside else ["file", "/data/rows.jsonl", "sharegpt"])


@pytest.mark.slow
def test_llama_factory_reads_rows_of_each_form_as_they_are_meant(tools, tmp_path):
    turns = [("system", "be kind"), ("user", "2+2?"), ("assistant", "4"), ("user", "and 3?"), ("assistant", "7")]
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    rows = {
        "messages": {"messages": [{"role": role, "content": said} for role, said in turns]},
        "sharegpt": {"conversations": [{"from": names[role], "value": said} for role, said in turns]},
        "alpaca": {"instruction": "2+2?", "input": "", "output": "4"},
        "gsm8k": {"question": "2+2?", "answer": "#### 4"},
    }
    paths = []
    for form, row in rows.items():
        path = tmp_path / form / "rows.jsonl"
        path.parent.mkdir()
        path.write_text(json.dumps(row) + "\n", encoding="utf-8")
        made = recipe(origin=TaskOrigin(kind="file", place=str(path), format=form))
        (path.parent / llama_factory.INFO).write_text(llama_factory.dataset_info(made), encoding="utf-8")
        paths.append(path)
    found = parsed(LLAMA_FACTORY_DATA + LLAMA_FACTORY_ROWS, paths, tools)
    chat = ("be kind", ["2+2?", "4", "and 3?", "7"])
    wanted = [chat, chat, ("", ["2+2?", "4"]), ("", ["2+2?", "#### 4"])]
    assert [(row["system"], row["turns"]) for row in found] == wanted


def test_recipes_do_not_change_what_they_are_made_of():
    made = recipe(UNEQUAL, "lora")
    assert replace(made) == made
    before = made.placement.model_dump()
    axolotl.config(made), llama_factory.config(made), unsloth.script(made)
    assert made.placement.model_dump() == before
