"""`domlora tasks show`: a task alone, and as a model reads it."""

import json

import pytest

from domlora.cli.main import main
from domlora.models.shown import Shown
from tests.helpers.command import run

STRANGE = "<script>alert(1)</script> [red]x[/red] :smile: \x1b[31m"


@pytest.fixture
def strange_file(tmp_path):
    rows = [
        {"prompt": f"a {STRANGE}", "completion": f"b {STRANGE}"},
        {"prompt": "what is two and two? " * 200, "completion": "four"},
    ]
    path = tmp_path / "strange.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def terminal(monkeypatch):
    """stdout that shows styles."""
    for name, value in {"FORCE_COLOR": "1", "TERM": "xterm-256color"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)


def test_without_a_model_the_first_row_is_shown_as_it_is(capsys, task_file):
    status, out, _ = run(capsys, "tasks", "show", task_file)
    assert status == 0
    assert "[user] what is 0 and the fox?" in out
    assert json.loads(run(capsys, "tasks", "show", task_file, "--json")[1])["remarks"] == []


def test_remarks_of_the_task_are_said_with_and_without_a_model(capsys, tiny_folder, tmp_path):
    rows = [{"prompt": "what?", "completion": "the fox", "label": i not in (2, 3), "note": "n"} for i in range(12)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = ["2 rows with label false left out (such as row 3).", "Columns that are not read: note."]
    alone, beside = (run(capsys, "tasks", "show", path, *more) for more in ((), ("--model", tiny_folder)))
    for status, out, err in (alone, beside):
        assert status == 0, err
        assert all(f"{line}\n" in out for line in said)
        assert "2 of 12 rows are not used" in out
    found = json.loads(run(capsys, "tasks", "show", path, "--model", tiny_folder, "--json")[1])
    remark = {"noun": "row", "rest": "with label false left out", "count": 2, "row": 3, "lost": True}
    assert found["remarks"] == found["shown"]["task_remarks"] == [remark]
    assert found["unread"] == ["note"]


def test_columns_and_system_texts_are_what_the_flags_say(capsys, tiny_folder, tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({"frage": "what?", "antwort": "the fox", "system": "be nice"}) + "\n", encoding="utf-8")
    flags = ("--columns", "frage=prompt,antwort=completion", "--system", "fold")
    status, out, err = run(capsys, "tasks", "show", path, "--model", tiny_folder, *flags)
    assert status == 0, err
    assert "<|user|>be nice\n\nwhat?<|end|>" in out
    status, _, err = run(capsys, "tasks", "show", path)
    assert status == 1 and "--columns frage=prompt,antwort=completion" in err


def test_trained_text_stands_between_brackets_where_it_is_piped(capsys, tiny_folder, task_file):
    status, out, err = run(capsys, "tasks", "show", task_file, "--model", tiny_folder, "--rows", 2)
    assert status == 0, err
    lines = out.splitlines()
    assert lines[0] == "What tiny-llama learns of rows stands between ⟦ and ⟧."
    assert lines[lines.index("<|user|>what is 1 and the fox? please<|end|>") + 1] == (
        "<|assistant|>⟦four, the lazy dog over<|end|>⟧"
    )
    assert out.count("⟧") == 3
    assert lines[-1].startswith("In all 8 train rows: ")


def test_trained_text_is_coloured_on_a_terminal(capsys, terminal, tiny_folder, task_file):
    out = run(capsys, "tasks", "show", task_file, "--model", tiny_folder, "--rows", 1)[1]
    assert "is green and underlined." in out
    assert "<|assistant|>\x1b[4;32mfour, the lazy dog<|end|>\x1b[0m" in out
    assert "⟦" not in out


def test_brackets_mark_it_where_no_colours_are_wanted(capsys, terminal, monkeypatch, tiny_folder, task_file):
    monkeypatch.setenv("NO_COLOR", "1")
    out = run(capsys, "tasks", "show", task_file, "--model", tiny_folder, "--rows", 1)[1]
    assert "⟦four, the lazy dog<|end|>⟧" in out


def test_what_a_row_says_is_data_on_a_terminal(capsys, terminal, tiny_folder, strange_file):
    out = run(capsys, "tasks", "show", strange_file, "--model", tiny_folder)[1]
    assert f"a {STRANGE}".replace("\x1b", "\\x1b") in out
    assert "\x1b[31m" not in out


def test_counts_cuts_and_reasons_follow(capsys, tiny_folder, strange_file):
    out = run(capsys, "tasks", "show", strange_file, "--model", tiny_folder, "--max-length", 256)[1]
    assert "prompt tokens; 1 too long and cut.\n" in out
    assert "1 row left out: no response within the first 256 tokens (row 2).\n" in out


def test_json_is_one_object_with_the_facts_and_the_runs(capsys, tiny_folder, strange_file):
    command = ("tasks", "show", strange_file, "--model", tiny_folder, "--json", "--max-length", 256)
    status, out, _ = run(capsys, *command)
    found = json.loads(out)
    shown = Shown.model_validate(found["shown"])
    assert (status, found["task"], found["hash"]) == (0, "strange", shown.task_hash)
    assert "".join(r.text for r in shown.samples[0].runs if r.trained) == f"b {STRANGE}<|end|>"
    assert found["shown"]["left_out"][0]["rest"] == "left out: no response within the first 256 tokens"


@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        (("--rows", 2), 2, "--rows says how a model reads the task: name one with --model"),
        (("--no-fetch",), 2, "--no-fetch says how a model"),
        (("--model", "ref-llama", "--max-length", 1), 2, "--max-length: input should be greater than or equal to 2"),
        (("--model", "ref-llama", "--revision", "main"), 1, "a revision belongs to a Hub id"),
        (("--model", "ref-llama", "--split", "test"), 1, "has no split 'test': choose from train (8)"),
        (("--model", "nonsense"), 1, "no model 'nonsense'"),
        (("--model", "smollm2-135m", "--no-fetch"), 1, "smollm2-135m is not on this machine yet"),
    ],
)
def test_what_cannot_be_shown_is_one_line(capsys, task_file, options, status, words):
    found, out, err = run(capsys, "tasks", "show", task_file, *options)
    (line,) = [line for line in err.splitlines() if line.startswith("domlora: ")]
    assert (found, out) == (status, "")
    assert words in line


def test_a_number_of_rows_is_one_at_least(task_file):
    with pytest.raises(SystemExit) as caught:
        main(["tasks", "show", str(task_file), "--model", "ref-llama", "--rows", "0"])
    assert caught.value.code == 2
