"""`domlora matrix` as a user meets it: two real small models, real files, the store, the queue, failures."""

import csv
import json
import shutil

import pytest

from domlora.energy import files as energy_files
from domlora.errors import UsageError
from domlora.jobs.matrix import matrix_of, plan, submit_missing
from domlora.jobs.queue import Queue
from domlora.models.catalogue import BUILTIN_MODELS
from domlora.paths import sample_data_path
from domlora.probes.config import ProbeConfig
from domlora.store.store import Store
from tests.helpers.command import run

SETTINGS = ("--samples", 4, "--rank", 4)
CONFIG = ProbeConfig(samples=4, rank=4)


@pytest.fixture(scope="session")
def other_folder(tokenizer, tmp_path_factory):
    """A random GPT-2 of three blocks: another architecture, with a fused qkv and another depth."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(1)
    config = GPT2Config(n_embd=32, n_layer=3, n_head=4, vocab_size=len(tokenizer), n_positions=256)
    folder = tmp_path_factory.mktemp("models") / "tiny-gpt2"
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def other_task(tmp_path, task_file):
    """The same rows in another order with other answers: another task."""
    path = tmp_path / "letters.jsonl"
    path.write_text(
        "\n".join(task_file.read_text(encoding="utf-8").replace("lazy", "quick").splitlines()[::-1]), encoding="utf-8"
    )
    return path


@pytest.fixture
def command(tiny_folder, other_folder, task_file, other_task):
    return ("matrix", tiny_folder, other_folder, "--tasks", f"{task_file}, {other_task}", *SETTINGS)


def test_json_has_the_keys_of_the_contract_and_the_second_call_measures_nothing(capsys, caplog, command, monkeypatch):
    caplog.set_level("INFO")
    status, out, _ = run(capsys, *command, "--json")
    found = json.loads(out)
    assert status == 0
    assert set(found) == {"cells", "between_tasks", "between_models", "winners", "sentences", "missing", "failed",
                          "claims", "differences", "remarks"}  # fmt: skip
    assert len(found["cells"]) == 2 * (14 + 12)
    assert [(row["model"], row["task"]) for row in found["winners"]] == [
        (model, task) for model in ("tiny-llama", "tiny-gpt2") for task in ("rows", "letters")
    ]
    assert found["between_tasks"]["tiny-llama"]["labels"] == ["rows", "letters"]
    assert found["between_models"]["rows"]["kinds"] == [[7, 3], [3, 4]]
    assert found["missing"] == found["failed"] == found["differences"] == []
    assert [claim["verdict"] for claim in found["claims"]]
    progress = [record.message for record in caplog.records if record.name == "domlora.cli.matrix"]
    assert [line.split(": ")[0] for line in progress] == [
        f"{model} on {task}" for model in ("tiny-llama", "tiny-gpt2") for task in ("rows", "letters")
    ]
    monkeypatch.setattr("domlora.jobs.matrix._load", None)  # would fail if it were called
    assert json.loads(run(capsys, *command, "--json")[1]) == found


def test_text_shows_winners_agreement_sentences_and_claims(capsys, command, tmp_path):
    status, out, _ = run(capsys, *command, "--curve", "--top-k", 3, "--out", tmp_path / "cells.csv")
    assert status == 0
    for words in ("tiny-llama, between tasks:", "letters, between models:", "top 3 shared", "of 3 kinds",
                  "How often n samples name the winner", "does not depend on the task. "):  # fmt: skip
        assert words in out
    with (tmp_path / "cells.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (14 + 12)
    assert {row["model"] for row in rows} == {"tiny-llama", "tiny-gpt2"}


def test_a_cell_agrees_with_the_probe_command(capsys, command, tiny_folder, task_file):
    found = json.loads(run(capsys, *command, "--json")[1])["cells"]
    alone = json.loads(run(capsys, "probe", tiny_folder, "--task", task_file, *SETTINGS, "--json", "--refresh")[1])
    energies = {row["module"]: row["energy"] for row in found if (row["model"], row["task"]) == ("tiny-llama", "rows")}
    assert energies == {row["module"]: row["energy"] for row in alone["modules"]}


def test_cells_that_fail_are_named_and_the_others_kept(
    capsys, tmp_path, tiny_folder, other_folder, task_file, other_task
):
    silent = shutil.copytree(tiny_folder, tmp_path / "mute", ignore=shutil.ignore_patterns("tokenizer*"))
    argv = ("matrix", "nonsense", silent, other_folder, "--tasks", f"{task_file},nothing.jsonl,{other_task}", *SETTINGS)
    status, out, err = run(capsys, *argv, "--json")
    found = json.loads(out)
    assert status == 1
    assert {row["model"] for row in found["winners"]} == {"tiny-gpt2"}
    assert {"model": "mute", "task": "rows"} in found["missing"]
    lines = [line for line in err.splitlines() if line.startswith("domlora: ")]
    assert len(found["failed"]) == 3 + 3 + 1
    assert any(line.startswith("domlora: nonsense on rows, nothing.jsonl and letters: no model") for line in lines)
    assert any("mute on rows and letters" in line and "no tokenizer" in line for line in lines)
    assert any("tiny-gpt2 on nothing.jsonl" in line for line in lines)
    assert "Traceback" not in err
    assert len(Store().maps.list()) == 2


def test_nothing_measured_is_status_1_with_the_reasons(capsys):
    status, out, err = run(capsys, "matrix", "nonsense", "--tasks", "math")
    assert (status, out) == (1, "")
    assert "domlora: nonsense on math: no model 'nonsense'" in err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (("--tasks", ","), "names no task"),
        (("--top-k", 0), "--top-k 0"),
        (("--samples", 0), "--samples"),
        (("--out", "cells.xlsx"), "written as .csv"),
        (("--probe", "interference"), "--against"),
    ],
)
def test_bad_usage_is_status_2(capsys, tiny_folder, more, words):
    status, out, err = run(capsys, "matrix", tiny_folder, *more)
    assert (status, out) == (2, "")
    assert words in err


def test_two_models_of_one_name_cannot_be_told_apart(capsys, tmp_path, tiny_folder, task_file):
    copy = shutil.copytree(tiny_folder, tmp_path / "copies" / tiny_folder.name)
    status, _, err = run(capsys, "matrix", tiny_folder, copy, "--tasks", task_file, *SETTINGS)
    assert status == 2
    assert "two of the models are called tiny-llama" in err


def test_a_copy_under_another_name_is_known_by_its_files(capsys, tmp_path, tiny_folder, task_file):
    run(capsys, "matrix", tiny_folder, "--tasks", task_file, *SETTINGS)
    copy = shutil.copytree(tiny_folder, tmp_path / "copy")
    cells = plan(Store(), [str(tiny_folder), str(copy)], [str(task_file)], CONFIG)
    assert [cell.energy.provenance.model for cell in cells] == ["tiny-llama", "copy"]
    assert matrix_of(cells).models == ("tiny-llama", "copy")
    assert not matrix_of(cells).missing


def test_shipped_maps_answer_for_models_that_are_not_on_this_machine(capsys):
    shipped = [energy_files.read(path).provenance for path in (sample_data_path() / "maps").glob("*.parquet")]
    models = sorted({p.model for p in shipped if p.model in BUILTIN_MODELS})
    status, out, _ = run(capsys, "matrix", *models, "--json")
    assert status == 0
    assert len(json.loads(out)["winners"]) == 4 * len(models) == len(shipped)
    assert len(Store().maps.list()) == len(shipped)  # the store keeps them


def test_refresh_measures_again(capsys, tiny_folder, task_file):
    argv = ("matrix", tiny_folder, "--tasks", task_file, *SETTINGS)
    run(capsys, *argv)
    (first,) = Store().maps.list()
    run(capsys, *argv, "--refresh")
    (second,) = Store().maps.list()
    assert second.seconds != first.seconds


def test_queue_submits_what_is_missing_once(capsys, command, tiny_folder, task_file, monkeypatch):
    monkeypatch.setattr("domlora.jobs.local.ensure_worker", lambda: None)
    run(capsys, "matrix", tiny_folder, "--tasks", task_file, *SETTINGS)
    jobs = json.loads(run(capsys, *command, "--queue", "--json")[1])["jobs"]
    assert len(jobs) == 3
    assert {job.request.config for job in Queue(Store()).list("queued")} == {CONFIG}
    status, out, err = run(capsys, *command, "--queue")
    assert (status, out) == (0, "")
    assert "every cell is known or queued" in err


def test_nothing_is_queued_where_one_cell_cannot_be_meant(tiny_folder, task_file):
    with pytest.raises(UsageError, match="no model 'nonsense'"):
        submit_missing(Store(), [str(tiny_folder), "nonsense"], [str(task_file)], CONFIG)
    assert not Queue(Store()).list()
