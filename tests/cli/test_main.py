"""The command line as a user meets it: real processes' entry point, real small model, real files."""

import json
import shutil

import pytest

from domlora.cli.main import main
from tests.helpers.command import run


def test_probe_prints_one_json_object_and_the_second_call_comes_from_the_store(capsys, tiny_folder, task_file):
    command = ("probe", tiny_folder, "--task", task_file, "--samples", 8, "--rank", 4, "--json")
    status, out, _ = run(capsys, *command)
    first = json.loads(out)
    assert status == 0
    assert len(first["modules"]) == 14
    assert sum(m["share"] for m in first["modules"]) == pytest.approx(1)
    again = json.loads(run(capsys, *command)[1])
    assert again["provenance"] == first["provenance"]  # measured once: even its seconds are the same
    fresh = json.loads(run(capsys, *command, "--refresh")[1])
    assert fresh["provenance"]["created"] >= first["provenance"]["created"]
    assert [m["energy"] for m in fresh["modules"]] == [m["energy"] for m in first["modules"]]


@pytest.mark.parametrize("suffix", ["parquet", "csv", "json"])
def test_map_can_be_listed_shown_exported_and_removed(capsys, tmp_path, tiny_folder, task_file, suffix):
    out = tmp_path / f"map.{suffix}"
    assert run(capsys, "probe", tiny_folder, "--task", task_file, "--samples", 4, "--rank", 4, "--out", out)[0] == 0
    assert out.exists()
    (listed,) = json.loads(run(capsys, "maps", "--json")[1])
    assert listed["model"] == "tiny-llama"
    shown = run(capsys, "maps", "show", listed["id"][:6])[1]
    assert "dominant in" in shown
    assert run(capsys, "maps", "export", listed["id"], tmp_path / f"again.{suffix}")[0] == 0
    assert (tmp_path / f"again.{suffix}").read_bytes() == out.read_bytes()
    assert run(capsys, "maps", "remove", listed["id"])[0] == 0
    assert "No energy maps yet" in run(capsys, "maps")[1]


def test_other_settings_are_another_measurement(capsys, tiny_folder, task_file):
    command = ("probe", tiny_folder, "--task", task_file, "--samples", 4, "--rank", 4, "--json")
    ids = {
        json.loads(run(capsys, *command, *more)[1])["id"]
        for more in ((), ("--seed", 1), ("--reduction", "mean_gradient"))
    }
    assert len(ids) == 3


def broken_folder(tmp_path, tiny_folder):
    folder = tmp_path / "no-weights"
    folder.mkdir()
    shutil.copy(tiny_folder / "config.json", folder)
    return folder


def silent_folder(tmp_path, tiny_folder):
    """A model without a tokenizer."""
    ignore = shutil.ignore_patterns("tokenizer*")
    return shutil.copytree(tiny_folder, tmp_path / "no-tokenizer", ignore=ignore)


def test_bad_input_is_one_line_with_a_way_out(capsys, tmp_path, tiny_folder, task_file):
    (tmp_path / "empty.jsonl").write_text("", encoding="utf-8")
    (tmp_path / "broken.jsonl").write_text('{"prompt": "a", "completion": "b"}\n{"prompt": \n', encoding="utf-8")
    (tmp_path / "words.txt").write_text("just words\n", encoding="utf-8")
    (tmp_path / "strange.jsonl").write_text('{"left": 1, "right": 2}\n', encoding="utf-8")
    (tmp_path / "silent.jsonl").write_text('{"messages": [{"role": "user", "content": "hello"}]}\n', encoding="utf-8")
    (tmp_path / "cut.gguf").write_bytes(b"GGUF\x03\x00\x00\x00" + b"\x01" * 20)
    (tmp_path / "text.gguf").write_text("not a model", encoding="utf-8")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text("{}", encoding="utf-8")
    (pickled / "pytorch_model.bin").write_bytes(b"x")
    cases = [
        (("probe", "nonsense", "--task", task_file, "--samples", 4), "no model 'nonsense'.*built-in name"),
        (
            ("probe", "someone/unknown-model", "--task", task_file, "--samples", 4),
            "HF_HUB_OFFLINE=1 forbids to fetch it",
        ),
        (("probe", broken_folder(tmp_path, tiny_folder), "--task", task_file, "--samples", 4), "no weights"),
        (("probe", pickled, "--task", task_file, "--samples", 4), "pickle weights only.*refused"),
        (("probe", tmp_path / "cut.gguf", "--task", task_file, "--samples", 4), "truncated or damaged"),
        (("probe", tmp_path / "text.gguf", "--task", task_file, "--samples", 4), "is not a GGUF file"),
        (("probe", tiny_folder, "--task", "nothing.jsonl"), "nothing.jsonl"),
        (("probe", tiny_folder, "--task", tmp_path / "empty.jsonl"), "empty"),
        (("probe", tiny_folder, "--task", tmp_path / "broken.jsonl"), "line 2"),
        (("probe", tiny_folder, "--task", tmp_path / "strange.jsonl"), "left, right"),
        (("probe", tiny_folder, "--task", tmp_path / "silent.jsonl"), "response"),
        (("probe", tiny_folder, "--task", task_file, "--samples", 99), "99.*8"),
        (("probe", tiny_folder, "--task", task_file, "--samples", 4, "--rank", 64), "rank 64 is larger"),
        (("probe", tiny_folder, "--task", task_file, "--samples", 4, "--device", "cuda:77"), "not usable here"),
        (("probe", silent_folder(tmp_path, tiny_folder), "--task", task_file, "--samples", 4), "no tokenizer: put the"),
        (("probe", tiny_folder, "--task", tmp_path / "words.txt"), "line 1: not JSON .*bring JSON, JSON Lines, CSV"),
        (("maps", "show", "feedbeef"), "feedbeef"),
        (("jobs", "cancel", "feedbeef"), "feedbeef"),
    ]
    import re

    for argv, words in cases:
        status, out, err = run(capsys, *argv)
        lines = [line for line in err.splitlines() if line.startswith("domlora: ")]
        assert status == 1, (argv, err)
        assert out == ""
        assert len(lines) == 1, (argv, err)
        assert re.search(words, lines[0]), (words, lines)
        assert "Traceback" not in err


def test_bad_usage_is_status_2(capsys, tiny_folder, task_file):
    assert run(capsys, "probe", tiny_folder, "--task", task_file, "--samples", 0)[0] == 2
    status, _, err = run(capsys, "probe", tiny_folder, "--task", task_file, "--out", "a.xls")
    assert (status, "is written as .parquet, .csv, .json" in err) == (2, True)
    with pytest.raises(SystemExit) as caught:
        main(["probe"])
    assert caught.value.code == 2


def test_a_failed_probe_leaves_what_was_measured(capsys, tiny_folder, task_file):
    command = ("probe", tiny_folder, "--task", task_file, "--samples", 4)
    assert run(capsys, *command, "--rank", 4)[0] == 0
    assert run(capsys, *command, "--rank", 64)[0] == 1
    assert len(json.loads(run(capsys, "maps", "--json")[1])) == 1
