"""What a user takes away: the training script trains with the settings of the run."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest

from domlora.export.recipe import Recipe
from domlora.export.trl import script
from domlora.placements.methods import METHODS
from tests.helpers.runs import CONFIG, a_run


def recipe(**settings) -> Recipe:
    run = a_run(config=CONFIG.model_copy(update=settings))
    return Recipe.of_run(run, run.variants[0])


def arguments(text: str) -> dict[str, object]:
    """What the script gives to TRL's `SFTConfig`, where it is written out."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    (call,) = [call for call in calls if getattr(call.func, "id", "") == "SFTConfig"]
    return {k.arg: ast.literal_eval(k.value) for k in call.keywords if not isinstance(k.value, ast.Call)}


def test_the_training_script_has_every_setting_of_the_run():
    settings = {
        "steps": 60, "warmup": 0.25, "schedule": "cosine", "batch_size": 6, "accumulation": 3, "weight_decay": 0.02,
        "max_grad_norm": 0.7, "max_length": 384,
    }  # fmt: skip
    found = arguments(script(recipe(**settings)))
    wanted = {
        "learning_rate": 1e-3, "max_steps": 60, "per_device_train_batch_size": 6, "gradient_accumulation_steps": 3,
        "lr_scheduler_type": "cosine", "warmup_steps": 15, "weight_decay": 0.02, "max_grad_norm": 0.7,
        "max_length": 384, "bf16": False, "seed": 0, "train_sampling_strategy": "sequential",
    }  # fmt: skip
    assert found.items() >= wanted.items()


@pytest.mark.parametrize(("warmup", "steps"), [(0.0, 0), (0.1, 6), (0.5, 30)])
def test_a_constant_rate_is_warmed_up_as_in_the_run(warmup, steps):
    found = arguments(script(recipe(warmup=warmup, schedule="constant")))
    assert (found["lr_scheduler_type"], found["warmup_steps"]) == ("constant_with_warmup", steps)


def test_a_warm_up_that_would_leave_no_step_is_written_as_it_took_effect():
    assert arguments(script(recipe(steps=1, warmup=0.9)))["warmup_steps"] == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_script_holds_what_its_method_needs_and_nothing_else(method):
    text = script(replace(recipe(), method=method))
    ast.parse(text)
    assert ("create_loraplus_optimizer" in text) == (method == "lora+")
    assert ("get_eva_state_dict" in text) == ("eva.jsonl" in text) == (method == "eva")
    assert ("path_initial_model_for_weight_conversion" in text) == (method in ("pissa", "olora"))
    assert ("use_dora=True" in text, "use_rslora=True" in text) == (method == "dora", method == "rslora")


def test_the_mean_of_tokens_is_trls_own_and_the_mean_of_samples_is_written_out():
    assert "class SampleMean(SFTTrainer)" in script(recipe(loss_mean="sample"))
    assert "SampleMean" not in script(recipe(loss_mean="tokens"))


def test_gradient_checkpointing_and_dropout_are_those_of_the_run():
    plain, asked = script(recipe()), script(recipe(gradient_checkpointing=True, dropout=0.1))
    assert "GradientCheckpointingLayer" in asked and "lora_dropout=0.1" in asked and "other masks" in asked
    assert "GradientCheckpointingLayer" not in plain and "lora_dropout=0.0" in plain


def test_a_base_that_from_pretrained_does_not_take_is_asked_for():
    text = script(replace(recipe(), model=None, model_words="GGUF 'a\nb', de-quantised"))
    assert "name the base" in text and "# The base is GGUF 'a\\nb', de-quantised" in text
    assert "name the base" not in script(replace(recipe(), model="owner/name"))
