"""What a user may bring, what becomes of it, and what they are told when it cannot be read."""

import gzip
import json
import sys
import types
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domlora.data.samples import Message, Sample
from domlora.data.tasks import Task, builtin_tasks, load_task
from domlora.errors import TaskError
from tests.helpers.data_files import ROWS, lines, parquet, write

SHARED = Path(__file__).parents[3] / "shared" / "data"
FIRST_DRAW = [13, 14, 2, 9, 16, 7]
EXPECTED = [(Message("user", f"{i}+{i}?"), Message("assistant", str(2 * i))) for i in range(5)]


def chat(*turns):
    return {"conversations": [{"from": role, "value": text} for role, text in turns]}


def load(folder, *rows):
    return load_task(write(folder, "data.jsonl", lines(rows)))


# --- files of every kind ---


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", lambda: lines(ROWS)),
        ("a.ndjson", lambda: "\n\n" + lines(ROWS).replace("\n", "\r\n\r\n")),
        ("a.json", lambda: json.dumps(ROWS, indent=2)),
        ("a.json", lambda: lines(ROWS)),
        ("a.jsonl", lambda: json.dumps(ROWS)),
        ("a.json", lambda: json.dumps({"version": 1, "data": ROWS}, indent=1)),
        ("a.json", lambda: json.dumps({"rows": ROWS})),
        ("a.json", lambda: json.dumps({"train": ROWS})),
        ("a.jsonl", lambda: "\ufeff" + lines(ROWS)),
        ("a.jsonl", lambda: lines(ROWS).encode("utf-16")),
        ("a.jsonl.gz", lambda: gzip.compress(lines(ROWS).encode())),
        ("a.json.gz", lambda: gzip.compress(json.dumps(ROWS).encode())),
        ("a.csv", lambda: "prompt,completion\n" + "".join(f"{i}+{i}?,{2 * i}\n" for i in range(5))),
        ("a.csv", lambda: "prompt;completion\r\n" + "".join(f"{i}+{i}?;{2 * i}\r\n" for i in range(5))),
        ("a.csv.gz", lambda: gzip.compress(b"prompt,completion\n0+0?,0\n1+1?,2\n2+2?,4\n3+3?,6\n4+4?,8\n")),
        ("a.parquet", lambda: parquet(ROWS)),
        ("unknown.suffix", lambda: lines(ROWS)),
        ("unknown", lambda: parquet(ROWS)),
        ("unknown", lambda: "prompt,completion\n0+0?,0\n1+1?,2\n2+2?,4\n3+3?,6\n4+4?,8\n"),
    ],
)
def test_equal_rows_in_any_kind_of_file_are_equal_samples(tmp_path, name, content):
    task = load_task(write(tmp_path, name, content()))
    assert [sample.messages for sample in task.samples] == EXPECTED
    assert task.name == name.split(".")[0] or name == "unknown.suffix"
    assert task.content_hash == load(tmp_path, *ROWS).content_hash


def test_a_single_object_is_a_row(tmp_path):
    assert load_task(write(tmp_path, "one.jsonl", json.dumps(ROWS[1]))).samples[0].messages == EXPECTED[1]
    assert load_task(write(tmp_path, "one.json", json.dumps(ROWS[1], indent=2))).samples[0].messages == EXPECTED[1]


def test_csv_texts_may_hold_commas_breaks_and_the_word_NA(tmp_path):
    path = write(tmp_path, "a.csv", 'prompt,completion\n"a, ""b""\nc",NA\n')
    assert load_task(path).samples[0].messages == (Message("user", 'a, "b"\nc'), Message("assistant", "NA"))


def test_conversations_in_parquet_are_read(tmp_path):
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    task = load_task(write(tmp_path, "a.parquet", parquet([row])))
    assert task.samples[0].messages == (Message("user", "a"), Message("assistant", "b"))


def test_a_row_number_is_the_line(tmp_path):
    task = load_task(write(tmp_path, "a.jsonl", "\n" + lines(ROWS[:1]) + "\n" + lines(ROWS[1:2])))
    assert [sample.row for sample in task.samples] == [2, 4]


def test_a_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path, "a.jsonl", lines(ROWS))
    assert len(load_task("~/a.jsonl").samples) == 5


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
def test_any_conversation_survives_a_file(tmp_path_factory, exchanges):
    turns = [turn for ask, reply in exchanges for turn in (("user", ask), ("assistant", reply))]
    row = {"messages": [{"role": role, "content": text} for role, text in turns]}
    path = tmp_path_factory.mktemp("any") / "a.jsonl"
    # Unescaped, so that line separators other than \n stand in the file themselves.
    path.write_text((json.dumps(row, ensure_ascii=False) + "\n") * 2, encoding="utf-8", newline="")
    assert [s.messages for s in load_task(path).samples] == [tuple(Message(*turn) for turn in turns)] * 2


# --- conversations as they are found ---


def test_turns_after_the_last_response_are_dropped_and_counted(tmp_path):
    task = load(tmp_path, chat(("human", "a"), ("gpt", "b"), ("human", "c")))
    assert task.samples[0].messages == (Message("user", "a"), Message("assistant", "b"))
    assert task.dropped_turns == 1


def test_a_leading_response_is_kept_unless_it_is_empty(tmp_path):
    task = load(tmp_path, chat(("gpt", "a"), ("human", "b"), ("gpt", "c")), chat(("gpt", " "), ("gpt", "d")))
    assert [m.content for m in task.samples[0].messages] == ["a", "b", "c"]
    assert task.samples[1].messages == (Message("assistant", "d"),)


def test_neighbours_of_one_role_are_joined_by_a_blank_line(tmp_path):
    task = load(tmp_path, chat(("human", "a"), ("human", "b"), ("gpt", ""), ("human", "c"), ("gpt", "d")))
    assert task.samples[0].messages == (Message("user", "a\n\nb\n\nc"), Message("assistant", "d"))
    assert [one.words for one in task.remarks] == ["1 turn without text left out (row 1)"]


def test_rows_without_a_response_are_counted_and_left_out(tmp_path):
    task = load(tmp_path, {"prompt": "a", "completion": "b"}, {"prompt": "a", "completion": None})
    assert (len(task.samples), task.without_response) == (1, 1)


def test_half_an_emoji_becomes_a_character_that_tokenizers_take(tmp_path):
    task = load_task(write(tmp_path, "a.jsonl", '{"prompt": "a \\ud83d", "completion": "b"}'))
    assert task.samples[0].messages[0].content == "a \ufffd"


# --- splits, draws, hashes ---


@pytest.mark.parametrize(
    ("value", "split"),
    [("train", "train"), ("validation", "validation"), ("valid", "validation"), ("val", "validation"),
     ("dev", "validation"), ("eval", "validation"), ("Test", "test"), (None, "train"), ("", "train")],
)  # fmt: skip
def test_a_row_names_its_split(tmp_path, value, split):
    assert load(tmp_path, {**ROWS[0], "split": value}).splits == {split: 1}


def test_a_file_may_hold_its_splits_as_lists(tmp_path):
    path = write(tmp_path, "a.json", json.dumps({"train": ROWS[:3], "test": ROWS[3:]}))
    assert load_task(path).splits == {"train": 3, "test": 2}


def test_another_column_may_name_the_split(tmp_path):
    path = write(tmp_path, "a.jsonl", lines([{**ROWS[0], "fold": "test"}]))
    assert load_task(path, split_column="fold").splits == {"test": 1}
    with pytest.raises(TaskError, match="no `part`"):
        load_task(path, split_column="part")


def test_an_unknown_split_is_not_trained_on_in_silence(tmp_path):
    with pytest.raises(TaskError, match=r"row 2 has the unknown split 'holdout'"):
        load(tmp_path, ROWS[0], {**ROWS[1], "split": "holdout"})


def sized(count):
    samples = [Sample((Message("user", "a"), Message("assistant", str(i))), row=i + 1) for i in range(count)]
    return Task("sized", "nowhere", "messages", tuple(samples))


def test_a_draw_is_the_same_everywhere():
    # Literal rows: an order that changed with a platform or a Python version would fail here.
    assert [sample.row for sample in sized(20).draw(6, seed=0)] == FIRST_DRAW


@given(st.integers(1, 40), st.integers(), st.data())
def test_a_draw_has_no_repeats(size, seed, data):
    count = data.draw(st.integers(1, size))
    assert len(set(sized(size).draw(count, seed))) == count


def test_seeds_draw_different_samples():
    assert len({sized(50).draw(5, seed) for seed in range(20)}) == 20


@pytest.mark.parametrize("count", [0, -1, 6])
def test_a_draw_of_what_is_not_there_names_both_numbers(count):
    with pytest.raises(TaskError, match=f"{count} samples asked for, but sized has 5 .* 1 to 5"):
        sized(5).draw(count, seed=0)


def test_a_draw_from_a_split_that_is_not_there_names_those_that_are():
    with pytest.raises(TaskError, match=r"no split 'test': choose from train \(5\)"):
        sized(5).draw(1, seed=0, split="test")


def test_the_hash_follows_messages_and_splits_and_nothing_else(tmp_path):
    base = load(tmp_path, *ROWS).content_hash
    assert len(base) == 64
    assert load_task(write(tmp_path, "other.json", json.dumps(ROWS))).content_hash == base
    assert load(tmp_path, *ROWS[::-1]).content_hash != base
    assert load(tmp_path, *ROWS[:4], {**ROWS[4], "completion": "9"}).content_hash != base
    assert load(tmp_path, *ROWS[:4], {**ROWS[4], "split": "test"}).content_hash != base


def test_tests_reach_the_sample_and_leave_the_hash_alone(tmp_path):
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    plain, tested = load(tmp_path, row), load(tmp_path, {**row, "test": "assert f() == 4"})
    assert (plain.samples[0].tests, tested.samples[0].tests) == (None, "assert f() == 4")
    assert plain.content_hash == tested.content_hash


# --- what cannot be read ---


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.jsonl", b"", "empty"),
        ("a.parquet", b"", "empty"),
        ("a.gz", gzip.compress(b" \n"), "empty"),
        ("a.json", b"[]", "no rows"),
        ("a.csv", b"prompt,completion\n", "no rows"),
        ("a.jsonl", lines(ROWS) + "{broken\n", r"line 6: not JSON \(.*column 2\)"),
        ("a.jsonl", '{"prompt": "a"\n' + lines(ROWS), "line 2: not JSON|line 1: not JSON"),
        ("a.json", '[{"prompt": "a"},\n{"prompt": }]', "line 2: not JSON"),
        ("a.json", '[{"prompt": "a"},', "line 1: not JSON"),
        ("a.json", '{\n"prompt": "a"\n}\n{\n"prompt": "b"\n}', "line 4: .*each object on one line"),
        ("a.jsonl", "hello there", "line 1: not JSON"),
        ("a.json", "[" * 100_000, "not JSON that can be read"),
        ("a.json", '"text"', "no list of objects"),
        ("a.json", "[1, 2]", "row 1: a row must be an object"),
        ("a.jsonl", lines([*ROWS, 7]), "line 6: a row must be an object"),
        ("a.gz", b"not gzip", "damaged gzip"),
        ("a.jsonl.gz", gzip.compress(lines(ROWS).encode())[:-12], "damaged gzip"),
        ("a.parquet", b"PAR1 and no more", "damaged Parquet"),
        ("a.parquet", b"{}", "damaged Parquet"),
        ("a.csv", b"0+0?,0\n1+1?,2\n", r"unknown format.*0\+0\?"),
        ("a.csv", b'prompt,completion\n"a,b\nc,d\n', "not CSV"),
        ("a.csv", b"prompt,completion\na,b,c\n", "row 1: more fields"),
        ("a.jsonl", "café, café".encode()[:-1], "not UTF-8 text"),
        ("a.bin", b"\x00\x01\x02", "binary"),
        (
            "a.jsonl",
            b'{"body": "a", "meta": {}}',
            r"row 1: unknown format.*body, meta.*--columns body=prompt,meta=completion.*alpaca \(instruction",
        ),
        (
            "a.jsonl",
            lines([chat(("human", "a"))]),
            "none of its 1 rows has a response to learn.*without a response left out",
        ),
    ],
)
def test_bad_input_is_one_line_with_the_place_and_a_way_out(tmp_path, name, content, complaint):
    path = write(tmp_path, name, content)
    with pytest.raises(TaskError, match=complaint) as caught:
        load_task(path)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    "source", ["poetry", "data/none.jsonl", "./none", "a/b/c", "", "x" * 5000, "~nobody/x", Path("m/x")]
)
def test_a_name_that_is_nothing_names_what_would_be_something(source):
    with pytest.raises(TaskError, match=r"instruction, math, code, chat, a file that exists .* Hub data set"):
        load_task(source)


# --- the Hub ---


@pytest.fixture
def hub(monkeypatch):
    """Stands in for `datasets`: returns what a test puts there, or raises it."""
    calls = []

    def load_dataset(*args):
        calls.append(args)
        if isinstance(module.answer, Exception):
            raise module.answer
        return module.answer

    module = types.ModuleType("datasets")
    module.load_dataset, module.calls = load_dataset, calls
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module


def test_a_hub_data_set_keeps_its_splits(hub):
    hub.answer = {"train": ROWS[:3], "test": ROWS[3:], "train_gen": [{"x": 1}]}
    task = load_task("owner/name:main")
    assert hub.calls == [("owner/name", "main")]
    assert (task.name, task.splits) == ("name", {"train": 3, "test": 2})


def test_no_number_on_the_hub_is_nothing(hub):
    hub.answer = {"train": [{"instruction": "a", "input": float("nan"), "output": "b"}]}
    assert load_task("owner/name").samples[0].messages == (Message("user", "a"), Message("assistant", "b"))


def test_the_only_split_of_a_hub_data_set_is_train(hub):
    hub.answer = {"everything": ROWS}
    assert load_task("owner/name").splits == {"train": 5}


def test_hub_splits_that_mean_nothing_are_named(hub):
    hub.answer = {"en": ROWS, "de": ROWS}
    with pytest.raises(TaskError, match="en, de"):
        load_task("owner/name")


@pytest.mark.parametrize(
    ("error", "way_out"),
    [
        (ConnectionError("Couldn't reach\nthe Hub"), "connect, or download"),
        (type("DatasetNotFoundError", (FileNotFoundError,), {})("does not exist"), "check the name"),
        (ValueError("Config name is missing.\nPick one: ['main']"), "owner/name:CONFIG"),
        (RuntimeError("Dataset scripts are no longer supported"), "download its"),
    ],
)
def test_a_hub_data_set_that_does_not_load_gives_one_line_with_a_way_out(hub, error, way_out):
    hub.answer = error
    with pytest.raises(TaskError, match=way_out) as caught:
        load_task("owner/name")
    assert "\n" not in str(caught.value)


# --- what is there ---


@pytest.mark.parametrize(
    ("name", "form", "count"),
    [
        ("gsm8k_train.jsonl", "gsm8k", 600),
        ("gsm8k_test.jsonl", "gsm8k", 200),
        ("human_eval.jsonl", "human_eval", 164),
        ("self_instruct_seed_tasks.jsonl", "self_instruct", 175),
        ("sharegpt_conversations.json", "sharegpt", 500),
    ],
)
def test_public_data_sets_load_as_they_are(name, form, count):
    if not SHARED.is_dir():
        pytest.skip(f"no public data sets in {SHARED}")
    task = load_task(SHARED / name)
    assert (task.format, len(task.samples), task.without_response) == (form, count, 0)
    assert all(sample.messages[-1].role == "assistant" for sample in task.samples)
    if form == "gsm8k":
        assert all(sample.answer.lstrip("-").replace(".", "").isdigit() for sample in task.samples)
        assert not any("<<" in sample.messages[-1].content for sample in task.samples)


@pytest.mark.parametrize("name", builtin_tasks())
def test_built_in_tasks_have_rows_enough_and_all_splits(name):
    task = load_task(name)
    assert len(task.samples) >= 400
    assert set(task.splits) == {"train", "validation", "test"}
