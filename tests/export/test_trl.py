"""What a user takes away: the training script trains with the settings of the run."""

import ast

import pytest

from domlora.export.recipe import Recipe
from domlora.export.trl import script
from tests.helpers.runs import CONFIG, a_run


def arguments(text: str) -> dict[str, object]:
    """What the script gives to TRL's `SFTConfig`."""
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    (call,) = [call for call in calls if getattr(call.func, "id", "") == "SFTConfig"]
    return {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}


def test_the_training_script_has_every_setting_of_the_run():
    settings = {
        "steps": 60, "warmup": 0.25, "schedule": "cosine", "batch_size": 6, "accumulation": 3, "weight_decay": 0.02,
        "max_grad_norm": 0.7, "max_length": 384,
    }  # fmt: skip
    run = a_run(config=CONFIG.model_copy(update=settings))
    assert arguments(script(Recipe.of_run(run, run.variants[0]))) == {
        "output_dir": "out", "learning_rate": 1e-3, "max_steps": 60, "per_device_train_batch_size": 6,
        "gradient_accumulation_steps": 3, "lr_scheduler_type": "cosine", "warmup_steps": 15, "weight_decay": 0.02,
        "max_grad_norm": 0.7, "max_length": 384, "bf16": False, "seed": 0,
    }  # fmt: skip


@pytest.mark.parametrize(("warmup", "steps"), [(0.0, 0), (0.1, 6), (0.5, 30)])
def test_a_constant_rate_is_warmed_up_as_in_the_run(warmup, steps):
    run = a_run(config=CONFIG.model_copy(update={"warmup": warmup, "schedule": "constant"}))
    found = arguments(script(Recipe.of_run(run, run.variants[0])))
    assert (found["lr_scheduler_type"], found["warmup_steps"]) == ("constant_with_warmup", steps)
