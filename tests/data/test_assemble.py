"""Rows of one source together: each by its own form, and a reason for each that is not used."""

import json

import pytest

from domlora.data.remarks import too_many_lost
from domlora.data.samples import Message
from domlora.data.tasks import load_task
from domlora.errors import TaskError

EXCHANGE = {"prompt": "2+2?", "completion": "4"}
ALPACA = {"instruction": "3+3?", "input": "", "output": "6"}


def load(folder, *rows, **options):
    path = folder / "data.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return load_task(path, **options)


def words(task):
    return [remark.words for remark in task.remarks]


def test_forms_that_are_mixed_in_a_file_are_read_row_by_row(tmp_path):
    task = load(tmp_path, EXCHANGE, EXCHANGE, ALPACA)
    assert [s.messages[-1].content for s in task.samples] == ["4", "4", "6"]
    assert task.format == "prompt_completion"
    assert "1 row read as alpaca (row 3)" in words(task)


def test_rows_of_a_merged_table_are_all_read(tmp_path):
    rows = [{**dict.fromkeys(ALPACA), **EXCHANGE}] * 4 + [{**dict.fromkeys(EXCHANGE), **ALPACA}] * 6
    assert len(load(tmp_path, *rows).samples) == 10


def test_a_row_of_no_known_form_is_counted_and_said(tmp_path):
    task = load(tmp_path, EXCHANGE, {"body": "a"}, {"body": "b"})
    assert (task.rows, len(task.samples)) == (3, 1)
    assert words(task) == ["2 rows of no known form left out (such as row 2)"]
    assert task.warning == "2 of 3 rows are not used: look at the reasons before you trust the rest"


def test_a_loss_of_a_tenth_is_no_warning(tmp_path):
    task = load(tmp_path, *[EXCHANGE] * 9, {**EXCHANGE, "completion": None})
    assert too_many_lost(task.remarks, 10) is None
    assert too_many_lost(task.remarks, 9) is not None


def test_an_answer_that_is_not_a_number_is_missing(tmp_path):
    task = load(tmp_path, {"question": "a", "answer": float("nan")}, {"question": "b", "answer": "Rex"})
    assert words(task) == ["1 row without a response left out (row 1)"]


def test_rejected_answers_and_bad_labels_are_said(tmp_path):
    good = {"prompt": "a", "completion": "b", "label": True}
    assert words(load(tmp_path, good, {**good, "label": False})) == ["1 row with label false left out (row 2)"]
    pair = {"prompt": "a", "chosen": "b", "rejected": "c"}
    assert words(load(tmp_path, pair, pair)) == ["2 rejected answers not learned (such as row 1)"]


def test_a_conversation_ends_with_the_last_turn_that_is_learned(tmp_path):
    turns = [("user", 1, "a"), ("assistant", 1, "b"), ("user", 1, "c"), ("assistant", 0, "d")]
    row = {"messages": [{"role": r, "content": c, **({"weight": w} if r == "assistant" else {})} for r, w, c in turns]}
    task = load(tmp_path, row, {"messages": row["messages"][2:]})
    assert [m.content for m in task.samples[0].messages] == ["a", "b"]
    assert words(task) == [
        "2 turns after the last response left out (row 1)".replace("(row", "(such as row"),
        "1 row whose answers are all context left out (row 2)",
    ]


def test_neighbours_are_joined_only_if_they_are_plain(tmp_path):
    call = {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
    result = {"role": "tool", "content": "1"}
    ask, reply = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}
    task = load(tmp_path, {"messages": [ask, ask, call, result, result, {**reply, "weight": 0}, reply]})
    roles = [m.role for m in task.samples[0].messages]
    assert roles == ["user", "assistant", "tool", "tool", "assistant", "assistant"]


def test_an_empty_system_text_stays(tmp_path):
    row = {"messages": [{"role": "system", "content": ""}, {"role": "user", "content": "a"},
                        {"role": "assistant", "content": "b"}]}  # fmt: skip
    assert load(tmp_path, row).samples[0].messages[0] == Message("system", "")
    assert load(tmp_path, row).content_hash != load(tmp_path, {"messages": row["messages"][1:]}).content_hash


def test_system_texts_are_folded_or_dropped_as_asked(tmp_path):
    row = {"system": "Be brief.", **ALPACA}
    assert load(tmp_path, row, system="fold").samples[0].messages[0] == Message("user", "Be brief.\n\n3+3?")
    dropped = load(tmp_path, row, system="drop")
    assert [m.role for m in dropped.samples[0].messages] == ["user", "assistant"]
    assert words(dropped) == ["1 system text dropped as asked (row 1)"]
    assert (dropped.origin.system, load(tmp_path, row).origin.system) == ("drop", "keep")


def test_columns_that_no_reader_knows_are_named(tmp_path):
    assert load(tmp_path, {**EXCHANGE, "source": "web", "id": 3, "note": None}).unread == ("source", "id")
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "critique": "c"}]}
    assert load(tmp_path, row).unread == ("messages.critique",)


def test_extras_of_a_message_enter_the_hash(tmp_path):
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    thought = {"messages": [row["messages"][0], {**row["messages"][1], "reasoning_content": "c"}]}
    assert load(tmp_path, row).content_hash != load(tmp_path, thought).content_hash


# --- columns ---


def test_columns_are_what_a_user_says_they_are(tmp_path):
    row = {"frage": "2+2?", "antwort": "4", "quelle": "x"}
    task = load(tmp_path, row, columns={"frage": "prompt", "antwort": "completion"})
    assert task.content_hash == load(tmp_path, EXCHANGE).content_hash
    assert task.origin.columns == {"frage": "prompt", "antwort": "completion"}


def test_a_field_without_a_place_can_be_left_out_or_given_one(tmp_path):
    row = {"text": "The barn.", "context": "In 1893."}
    with pytest.raises(TaskError, match=r"has `context`.*--columns context=ignore"):
        load(tmp_path, row)
    assert load(tmp_path, row, columns={"context": "ignore"}).samples[0].whole


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"frage": "prompts"}, "no field 'prompts'.*choose from"),
        ({"frage": "prompt", "antwort": "prompt"}, "cannot both be prompt"),
        ({"question": "prompt"}, "no column 'question'.*its columns are antwort, frage"),
    ],
)
def test_columns_that_cannot_be_are_one_line(tmp_path, columns, complaint):
    with pytest.raises(TaskError, match=complaint):
        load(tmp_path, {"frage": "2+2?", "antwort": "4"}, columns=columns)


def test_a_dataset_info_beside_the_file_says_what_its_columns_are(tmp_path):
    info = {
        "mine": {
            "file_name": "data.jsonl",
            "formatting": "sharegpt",
            "columns": {"messages": "talk", "system": "sys"},
            "tags": {"role_tag": "who", "content_tag": "what", "user_tag": "me", "assistant_tag": "you"},
        }
    }
    (tmp_path / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    row = {"talk": [{"who": "me", "what": "2+2?"}, {"who": "you", "what": "4"}], "sys": "Be brief."}
    assert load(tmp_path, row).samples[0].messages == (
        Message("system", "Be brief."), Message("user", "2+2?"), Message("assistant", "4"),
    )  # fmt: skip
    info["mine"]["columns"]["nonsense"] = "x"
    (tmp_path / "dataset_info.json").write_text(json.dumps(info), encoding="utf-8")
    with pytest.raises(TaskError, match="the column 'nonsense' is unknown"):
        load(tmp_path, row)
