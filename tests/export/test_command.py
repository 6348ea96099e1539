"""The command line of a run asks for the run again."""

import argparse
import shlex
from typing import Any

import pytest

from domlora.cli.arguments import checked, given
from domlora.cli.main import build_parser
from domlora.comparison.config import SweepConfig
from domlora.data.origin import TaskOrigin
from domlora.export.command import compare_commands, shell
from domlora.models.origin import ModelOrigin
from tests.helpers.runs import a_run

OTHER: dict[str, Any] = {  # a value of each setting that is not its default
    "placements": ("top-share:0.5", "module:a.b+c.d"), "rank": 4, "alpha": 5.0, "budget": 5000, "allocation": "energy",
    "methods": ("rslora", "lora+"), "learning_rates": (1.5e-5, 0.1), "seeds": 4, "rate_seeds": 3, "order": "fixed",
    "steps": 7, "batch_size": 2, "accumulation": 3, "schedule": "cosine", "warmup": 0.25, "weight_decay": 0.01,
    "max_grad_norm": 0.5, "loss_mean": "tokens", "dropout": 0.05, "patience": 2, "gradient_checkpointing": True,
    "minutes": 2.5, "loraplus_ratio": 4.0, "max_length": 99, "train_rows": 50, "validation_rows": 20, "test_rows": 30,
    "evaluate_every": 3, "answers": 0, "answer_tokens": 9, "run_code": True, "forgetting_rows": 0,
    "checkpoint_every": 4, "own_rates": ("qv=0.004", "qv=0.016"), "keep": ("chat",),
    "data_seed": 9, "dtype": "bfloat16", "energy_every": 5, "energy_samples": 6,
}  # fmt: skip


def again(run):
    """What `domlora compare` reads from the line, shell and all."""
    words = shlex.split(shell(compare_commands(run)))
    assert words[0] == "domlora"
    return build_parser("compare").parse_args(words[1:]), checked_config(words)


def checked_config(words):
    """As `domlora compare` makes it of what was given."""
    arguments = build_parser("compare").parse_args(words[1:])
    return checked(SweepConfig, argparse.Namespace(**given(arguments, SweepConfig)))


def test_every_setting_has_another_value_here():
    assert {*OTHER, "legs", "race"} == SweepConfig.model_fields.keys()
    assert all(
        getattr(SweepConfig(**{name: value}), name) != getattr(SweepConfig(), name) for name, value in OTHER.items()
    )


def test_training_that_was_gone_on_with_is_a_line_for_each_leg():
    first, second, third = compare_commands(a_run(config=SweepConfig(steps=90, legs=(20, 50))))
    assert checked_config(first).steps == 20
    assert second == ["domlora", "compare", "--add-to", "RUN", "--steps", "50"]
    assert third[-1] == "90"
    assert build_parser("compare").parse_args(third[1:]).add_to == "RUN"


@pytest.mark.parametrize("name", list(OTHER))
def test_each_setting_comes_back(name):
    config = SweepConfig(**{name: OTHER[name]})
    assert again(a_run(config=config))[1] == config


def test_the_defaults_need_no_option_but_alpha_where_it_differs():
    (words,) = compare_commands(a_run(config=SweepConfig(), task_origin=TaskOrigin(kind="builtin", place="math")))
    assert words == ["domlora", "compare", "smollm2-135m", "--task", "math"]
    assert compare_commands(a_run(config=SweepConfig(rank=32, alpha=64)))[0][-2:] == ["--rank", "32"]


def test_model_and_task_are_named_as_they_were():
    model = ModelOrigin(kind="hub", place="org/my-model", revision="abc123")
    task = TaskOrigin(kind="file", place="/data/my rows'; rm.jsonl", columns={"a b": "prompt"}, system="fold")
    arguments, _ = again(a_run(model_origin=model, task_origin=task))
    assert (arguments.model, arguments.revision) == ("org/my-model", "abc123")
    assert (arguments.task, arguments.columns, arguments.system) == (task.place, task.columns_named, "fold")
