"""`domlora find` as a user meets it."""

from __future__ import annotations

import json

import pytest

from tests.helpers.command import run
from tests.helpers.sweeping import write_task

SMALL = (
    "--minutes", 1, "--steps", 8, "--samples", 4, "--rank", 2, "--batch-size", 2, "--validation-rows", 4,
    "--test-rows", 6, "--forgetting-rows", 0, "--max-length", 64,
)  # fmt: skip


@pytest.fixture
def rows(tmp_path):
    return write_task(tmp_path / "rows.jsonl", 40)


def test_a_plan_trains_nothing(capsys, tiny_folder, rows):
    status, out, err = run(capsys, "find", tiny_folder, "--task", rows, *SMALL, "--plan")
    assert status == 0, err
    assert "PAGE's first module (DomLoRA)" in out
    assert "rung 1" in out
    assert "finals" in out
    assert json.loads(run(capsys, "runs", "--json")[1]) == []
    made = json.loads(run(capsys, "find", tiny_folder, "--task", rows, *SMALL, "--plan", "--json")[1])
    assert made["candidates"][0]["placement"] == "dominant"
    assert made["plan"]["rungs"][0]["entries"] == 3 * len(made["candidates"])
    assert made["plan"]["seconds"] <= 60


def test_the_answer_its_json_and_its_adapter(capsys, tiny_folder, rows, tmp_path):
    command = ("find", tiny_folder, "--task", rows, *SMALL)
    status, out, err = run(capsys, *command, "--out", tmp_path / "best")
    assert status == 0, err
    assert out.startswith("Adapt ")
    assert "LoraConfig(" in out
    config = json.loads((tmp_path / "best" / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    made = json.loads(run(capsys, *command, "--json")[1])
    assert sorted(config["target_modules"]) == sorted(made["lora_config"]["target_modules"])
    assert made["status"] == "done"
    assert {"headline", "told", "chosen", "placement", "lora_config", "race", "final"} <= made.keys()
    shown = run(capsys, "runs", "show", made["id"])[1]
    assert shown.startswith(made["headline"])
    status, _, err = run(capsys, "runs", "export", made["id"], "--out", tmp_path / "again")
    assert status == 0, err
    again = json.loads((tmp_path / "again" / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert sorted(again["target_modules"]) == sorted(config["target_modules"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--minutes", "0.001"), "too little for one rung and its finals here"),
        (("--parameters", "3"), "above the 3 allowed"),
        (("--keep", "no-such-task"), "no-such-task"),
        (("--seeds", "1"), "--seeds: input should be greater than or equal to 3"),
        (("--steps", "2"), "--steps: input should be"),
        (("--validation-rows", "0"), "--validation-rows: input should be"),
        (("--plan", "--queue"), "leave out --plan and --out"),
    ],
)
def test_bad_input_is_one_line(capsys, tiny_folder, rows, arguments, words):
    settings = [word for word in SMALL if arguments[0] != word]
    if arguments[0] in SMALL:
        place = SMALL.index(arguments[0])
        settings = [*SMALL[:place], *SMALL[place + 2 :]]
    status, out, err = run(capsys, "find", tiny_folder, "--task", rows, *settings, *arguments)
    assert status in (1, 2)
    assert words in err
    assert out == ""
    assert len([line for line in err.splitlines() if line.startswith("domlora:")]) == 1
    assert "Traceback" not in err
