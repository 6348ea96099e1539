"""No row is on both sides of the split, whatever rows there are and whoever made the split."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domlora.comparison.config import SweepConfig
from domlora.data.duplicates import alike, plain_text
from domlora.data.samples import Message, Sample
from domlora.data.tasks import Task, load_task
from domlora.errors import TaskError
from domlora.training import rows as choosing
from domlora.training.rows import choose_rows, near_duplicates_of, training_task
from tests.helpers.sweeping import write_task

FEW = {"batch_size": 2, "validation_rows": 6, "test_rows": 8}
PARTS = ("train", "validation", "test")


def sample(text, split="train", row=0):
    return Sample((Message("user", text), Message("assistant", "the fox")), split, row)


def task_of(samples):
    return Task("made", "in memory", "messages", tuple(samples))


def texts(samples):
    return [tuple(plain_text(message.content) for message in sample.messages) for sample in samples]


def write_rows(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return load_task(str(path))


def pair(text, split=None):
    row = {"prompt": text, "completion": f"the fox says {text}"}
    return row if split is None else row | {"split": split}


ROWS = st.lists(
    st.builds(
        sample,
        st.sampled_from(["a", "A ", "b", "c", "d", "\uff45", "e", "f", "g", "h", "i", "j", "k", "l"]),
        st.sampled_from(["train"] * 6 + ["validation", "test"]),
        st.integers(0, 12),
    ),
    min_size=1, max_size=60,
)  # fmt: skip


@given(ROWS, st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 9))
def test_no_held_out_text_or_row_is_trained_on(samples, seed, validation, test):
    config = SweepConfig(batch_size=1, data_seed=seed, validation_rows=validation, test_rows=test)
    try:
        found = choose_rows(task_of(samples), config)
    except TaskError:
        return  # too few rows; what is said then is tested below
    said = {name: texts(rows) for name, rows in found.splits.items()}
    held_out = said["validation"] + said["test"]
    assert len(set(held_out)) == len(held_out), "each text once"
    assert not set(held_out) & set(texts(found.training)) and set(said["train"]) <= set(texts(found.training))
    families = dict(zip(map(id, samples), alike(samples).families, strict=True))
    sides = [{families[id(one)] for one in found.splits[name]} for name in PARTS]
    assert sum(map(len, sides)) == len(set.union(*sides)), "each family is on one side"
    assert 0 < len(held_out) <= validation + test and len(said["train"]) >= 1
    assert found == choose_rows(task_of(samples), config)


def test_copies_of_held_out_rows_do_not_train(tmp_path):
    """A third of the rows are copies, in other cases and spaces."""
    rows = [pair(f"what is {i}?") for i in range(40)] + [pair(f" What  is {i}? ") for i in range(20)]
    task = write_rows(tmp_path / "rows.jsonl", rows)
    found = choose_rows(task, SweepConfig(**FEW | {"test_rows": 6}))
    assert {name: len(part) for name, part in found.splits.items() if name != "train"} == {"validation": 6, "test": 6}
    assert not {*texts(found.splits["test"]), *texts(found.splits["validation"])} & {*texts(found.training)}
    (remark,) = found.remarks
    assert remark.count == 60 - 12 - len(found.training) > 0, "nothing goes without a word"
    assert "equal to a held-out row left out" in remark.words and remark.noun == "training row"


def test_instances_of_one_task_are_on_one_side(tmp_path):
    rows = [
        {"instruction": f"Name {i}.", "instances": [{"input": f"{i} {k}", "output": "fox"} for k in range(1 + i % 3)]}
        for i in range(60)
    ]
    task = write_rows(tmp_path / "seeds.jsonl", rows)
    for seed in range(5):
        found = choose_rows(task, SweepConfig(**FEW, data_seed=seed))
        sides = [{one.row for one in found.splits[name]} for name in PARTS]
        assert sum(map(len, sides)) == 60 == len(set.union(*sides)), "all instances of a task are on its side"
        assert sum(len(part) for part in found.splits.values()) == len(task.samples) and not found.remarks


def test_training_rows_that_are_in_the_own_test_rows_are_left_out_and_said(tmp_path):
    rows = [pair(f"what is {i}?") for i in range(30)]
    rows += [pair(f"what is {i}?", "test") for i in range(25, 40)]
    rows += [pair(f"what is {i}?", "validation") for i in range(50, 60)]
    task = write_rows(tmp_path / "rows.jsonl", rows)
    found = choose_rows(task, SweepConfig(**FEW | {"test_rows": 100, "validation_rows": 100}))
    assert {name: len(part) for name, part in found.splits.items()} == {"train": 25, "validation": 10, "test": 15}
    (warning,) = found.warnings
    assert warning.startswith("5 training rows are among the validation or test rows of rows too (such as row 26)")


def test_rows_of_the_own_test_split_that_are_not_chosen_do_not_train_either(tmp_path):
    rows = [pair(f"what is {i}?") for i in range(30)] + [pair(f"what is {i}?", "test") for i in range(25, 40)]
    task = write_rows(tmp_path / "rows.jsonl", rows)
    for seed in range(4):
        found = choose_rows(task, SweepConfig(**FEW | {"test_rows": 2}, data_seed=seed))
        assert len(found.training) == 20 and not set(texts(found.training)) & set(texts(task.split("test")))


def test_validation_rows_that_are_test_rows_are_left_out_of_validation(tmp_path):
    rows = [pair(f"what is {i}?") for i in range(30)]
    rows += [pair(f"what is {i}?", "validation") for i in range(30, 40)]
    rows += [pair(f"what is {i}?", "test") for i in range(36, 50)]
    found = choose_rows(write_rows(tmp_path / "rows.jsonl", rows), SweepConfig(**FEW | {"test_rows": 100}))
    assert {name: len(part) for name, part in found.splits.items()} == {"train": 30, "validation": 6, "test": 14}
    assert [one.words for one in found.remarks] == ["4 validation rows equal to a test row left out (such as row 37)"]


def test_one_file_for_validation_and_test_takes_validation_rows_from_training(tmp_path):
    rows = [pair(f"what is {i}?") for i in range(40)]
    rows += [pair(f"what is {i}?", split) for split in ("validation", "test") for i in range(50, 60)]
    found = choose_rows(write_rows(tmp_path / "rows.jsonl", rows), SweepConfig(**FEW | {"test_rows": 100}))
    assert {name: len(part) for name, part in found.splits.items()} == {"train": 34, "validation": 6, "test": 10}
    assert "has no validation rows that are not test rows too: 6 of its training rows" in found.warnings[0]


def test_equal_held_out_rows_count_once(tmp_path):
    rows = [pair(f"what is {i}?") for i in range(30)]
    rows += [pair(f"what is {i}?", split) for split, first in (("validation", 40), ("test", 60)) for i in
             [*range(first, first + 5)] * 3]  # fmt: skip
    found = choose_rows(write_rows(tmp_path / "rows.jsonl", rows), SweepConfig(**FEW))
    assert {name: len(part) for name, part in found.splits.items()} == {"train": 30, "validation": 5, "test": 5}
    test, validation = (one.words for one in found.remarks)
    assert test.startswith("10 test rows equal to another test row left out (such as row ")
    assert validation.startswith("10 validation rows equal to another validation row left out (such as row ")


def test_a_file_of_one_row_over_and_over_says_why_it_cannot_be_split(tmp_path):
    task = write_rows(tmp_path / "same.jsonl", [pair("what?")] * 50)
    with pytest.raises(TaskError, match=r"50 training rows \(1 without equal ones and those of one source row\) are"):
        choose_rows(task, SweepConfig(**FEW))


def test_a_family_that_is_too_large_to_be_held_out_trains(tmp_path):
    rows = [pair("what?")] * 30 + [pair(f"what is {i}?") for i in range(30)]
    found = choose_rows(write_rows(tmp_path / "rows.jsonl", rows), SweepConfig(**FEW))
    assert Counter(texts(found.training)).most_common(1)[0][1] == 30
    assert {name: len(part) for name, part in found.splits.items()} == {"train": 46, "validation": 6, "test": 8}


def test_training_rows_that_are_all_test_rows_say_so(tmp_path):
    rows = [pair(f"what is {i}?", split) for split in ("train", "test") for i in range(20)]
    rows += [pair(f"who is {i}?", "validation") for i in range(20)]
    task = write_rows(tmp_path / "rows.jsonl", rows)
    with pytest.raises(TaskError, match=r"has 0 training rows \(20 more are held-out rows too\), fewer than one step"):
        choose_rows(task, SweepConfig(**FEW))


def test_what_a_comparison_may_look_at_is_the_task_itself_unless_rows_are_held_out(tmp_path):
    split = load_task(str(write_task(tmp_path / "split.jsonl", splits=("train", "validation", "test"))))
    assert training_task(split, choose_rows(split, SweepConfig(**FEW))) is split
    whole = load_task(str(write_task(tmp_path / "whole.jsonl")))
    chosen = choose_rows(whole, SweepConfig(**FEW, train_rows=10))
    left = training_task(whole, chosen)
    assert left.splits == {"train": 46} and left.content_hash != whole.content_hash
    assert not {one.row for one in left.samples} & {one.row for part in PARTS[1:] for one in chosen.splits[part]}
    assert [one.row for one in left.samples] == sorted(one.row for one in left.samples), "in the order of the task"
    assert left.remarks[-1].words.startswith("14 rows held out by a comparison, and not read here")
    same = training_task(whole, choose_rows(whole, SweepConfig(**FEW)))
    assert same.content_hash == left.content_hash, "a limit of the training rows does not change it"


def test_rows_that_are_nearly_equal_to_training_rows_are_counted_with_an_example(tmp_path):
    animals = ("fox", "dog", "hen", "cow", "owl", "bee", "ant", "elk", "bat", "cat", "pig", "rat")
    story = [f"{a} {b} and {c} went home" for a, b, c in zip(animals, animals[3:], animals[5:], strict=False)]
    long = [" ".join(f"{line} {i + 7 * k}" for k, line in enumerate(story)) for i in range(30)]
    rows = [pair(text) for text in long] + [pair(f"{long[i]} so there", "test") for i in range(3)]
    rows += [pair(f"who is {i} of {i + 1}, or {i + 2}?", "validation") for i in range(9)]
    chosen = choose_rows(write_rows(tmp_path / "rows.jsonl", rows), SweepConfig(**FEW))
    warning = near_duplicates_of(chosen)
    assert warning.startswith("3 of 3 test rows are nearly equal to training rows: at least 80% of their word pairs")
    first = chosen.splits["test"][0].row
    assert f"such as in test row {first} and training row {first - 30}." in warning
    assert "fox" not in warning, "rows are named, not shown"


def test_rows_that_share_no_words_are_not_said_to_be_alike(tmp_path):
    task = load_task(str(write_task(tmp_path / "split.jsonl", splits=("train", "validation", "test"))))
    assert near_duplicates_of(choose_rows(task, SweepConfig(**FEW))) is None


def test_what_is_not_looked_at_in_a_large_file_is_said(tmp_path, monkeypatch):
    task = load_task(str(write_task(tmp_path / "split.jsonl", splits=("train", "validation", "test"))))
    chosen = choose_rows(task, SweepConfig(**FEW))
    monkeypatch.setattr(choosing, "MOST_COMPARED", 12)
    monkeypatch.setattr(choosing, "MOST_LOOKED_AT", 7)
    assert near_duplicates_of(chosen) == (
        "No held-out row is nearly equal to a training row. Only 12 of 20 training rows and 7 of 8 test rows were "
        "looked at."
    )
