"""Which rows are trained on, in which order, and which are held out."""

from __future__ import annotations

import json

import pytest

from domlora.comparison.config import SweepConfig
from domlora.data.tasks import load_task
from domlora.errors import TaskError
from domlora.training.rows import choose_rows, encode_rows, micro_batches, step_rows
from tests.helpers.sweeping import encoder, write_task

FEW = {"batch_size": 4, "validation_rows": 6, "test_rows": 8}


@pytest.fixture
def whole(tmp_path):
    """Sixty rows without a split: all are training rows."""
    return load_task(str(write_task(tmp_path / "whole.jsonl")))


@pytest.fixture
def split(tmp_path):
    return load_task(str(write_task(tmp_path / "split.jsonl", splits=("train", "validation", "test"))))


def encoded(task, tokenizer, config):
    return encode_rows(task, choose_rows(task, config), encoder(tokenizer), config)


def contents(samples):
    return [sample.messages for sample in samples]


def counts(chosen):
    return {name: len(rows) for name, rows in chosen.splits.items()}


def test_splits_of_the_task_are_kept(split):
    found = choose_rows(split, SweepConfig(**FEW))
    assert counts(found) == {"train": 20, "validation": 6, "test": 8}
    assert found.warnings == () and found.remarks == ()
    for name, rows in found.splits.items():
        assert all(sample.split == name for sample in rows)


def test_missing_splits_are_held_out_of_the_training_rows_and_said(whole):
    found = choose_rows(whole, SweepConfig(**FEW))
    assert counts(found) == {"train": 46, "validation": 6, "test": 8}
    rows = [row for part in found.splits.values() for row in contents(part)]
    assert len(rows) == 60 and all(rows.count(row) == 1 for row in rows), "no row is in two parts, none is lost"
    first, second = found.warnings
    assert "no validation rows: 6 of its training rows were held out" in first and "no test rows: 8 of" in second


def test_no_missing_split_takes_more_than_a_fifth(whole):
    found = choose_rows(whole, SweepConfig(validation_rows=1000, test_rows=1000))
    assert counts(found) == {"train": 36, "validation": 12, "test": 12}


def test_too_few_rows_to_hold_any_out(tmp_path):
    task = load_task(str(write_task(tmp_path / "few.jsonl", count=4)))
    with pytest.raises(TaskError, match=r"no validation rows, and its 4 training rows are too few .* `split`"):
        choose_rows(task, SweepConfig(**FEW | {"batch_size": 1}))


@pytest.mark.parametrize("asked", [3, 7])
def test_fewer_rows_than_a_step_reads(tmp_path, asked, whole):
    task = load_task(str(write_task(tmp_path / "few.jsonl", count=10)))  # 6 are left to train on
    with pytest.raises(TaskError, match=r"6 training rows, fewer than one step reads .*4 × 2"):
        choose_rows(task, SweepConfig(**FEW | {"accumulation": 2}))
    with pytest.raises(TaskError, match="fewer than one step reads"):
        choose_rows(whole, SweepConfig(**FEW | {"accumulation": 2}, train_rows=asked))


def test_train_rows_limits_the_training_rows_alone(whole):
    limited = choose_rows(whole, SweepConfig(**FEW, train_rows=16)).splits
    full = choose_rows(whole, SweepConfig(**FEW)).splits
    assert contents(limited["train"]) == contents(full["train"])[:16]
    assert limited["test"] == full["test"] and limited["validation"] == full["validation"]
    with pytest.raises(TaskError, match="47 training rows asked for, but whole has 46 that are not held out"):
        choose_rows(whole, SweepConfig(**FEW, train_rows=47))


def test_the_data_seed_decides_and_nothing_else(whole):
    one = choose_rows(whole, SweepConfig(**FEW, data_seed=1))
    assert one == choose_rows(whole, SweepConfig(**FEW, data_seed=1, seeds=5, learning_rates=(1e-4,), steps=3))
    assert one != choose_rows(whole, SweepConfig(**FEW, data_seed=2))


def test_every_row_is_read_before_any_comes_again():
    config = SweepConfig(steps=30, batch_size=3, accumulation=2)
    steps = step_rows(50, config, 0)
    assert len(steps) == 30 and all(len(rows) == 6 for rows in steps)
    read = [row for rows in steps for row in rows]
    for start in range(0, len(read) - 50 + 1, 50):
        assert sorted(read[start : start + 50]) == list(range(50))
    assert read[:50] != read[50:100], "in another order each time"
    assert step_rows(50, config, 0) == steps
    assert step_rows(50, config.model_copy(update={"data_seed": 1}), 0) != steps
    assert step_rows(50, config, 1) != steps
    assert step_rows(50, config.model_copy(update={"order": "fixed"}), 1) == step_rows(50, config, 0)


def test_accumulation_reads_the_rows_of_a_larger_batch():
    small, large = SweepConfig(batch_size=2, accumulation=2, steps=9), SweepConfig(batch_size=4, steps=9)
    assert step_rows(20, small, 1) == step_rows(20, large, 1)
    assert [list(part) for part in micro_batches([5, 6, 7, 8, 9], 2)] == [[5, 6], [7, 8], [9]]


def test_rows_are_encoded_with_their_responses_marked(whole, tokenizer):
    config = SweepConfig(**FEW, answers=3)
    rows = encoded(whole, tokenizer, config)
    assert (len(rows.train), len(rows.validation), len(rows.test)) == (46, 6, 8)
    first = rows.train[0]
    said = tokenizer.decode([i for i, counts in zip(first.ids, first.response, strict=True) if counts])
    assert said.startswith("four, the lazy dog") and said.rstrip().endswith("<|end|>")
    chosen = choose_rows(whole, config).splits
    assert rows.answered == chosen["test"][:3]
    assert [row.row for row in rows.test] == [sample.row for sample in chosen["test"]]


def test_rows_that_do_not_fit_are_left_out_or_cut_and_both_are_said(tmp_path, tokenizer):
    path = write_task(tmp_path / "long.jsonl")
    long = {"messages": [{"role": "user", "content": "fox " * 90}, {"role": "assistant", "content": "dog"}]}
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" + "\n".join([json.dumps(long)] * 12))
    rows = encoded(load_task(str(path)), tokenizer, SweepConfig(**FEW, max_length=64))
    assert any("rows were left out" in warning for warning in rows.warnings)
    assert any("were cut at 64 tokens" in warning for warning in rows.warnings)
    assert all(len(row.ids) <= 64 for row in rows.train)


def test_a_part_of_which_no_row_fits_is_an_error(whole, tokenizer):
    with pytest.raises(TaskError, match="raise --max-length"):
        encoded(whole, tokenizer, SweepConfig(**FEW, max_length=4))


def test_what_is_not_used_of_the_rows_is_said(tmp_path, tokenizer):
    path = tmp_path / "rows.jsonl"
    rows = [{"prompt": f"what is {i}?", "completion": "the fox", "label": i % 4 > 0} for i in range(80)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task, config = load_task(path), SweepConfig(**FEW, max_length=100)
    found = encode_rows(task, choose_rows(task, config), lambda samples, _: encoder(tokenizer)(samples, 40), config)
    assert [remark.words for remark in found.remarks] == ["20 rows with label false left out (such as row 1)"]
    assert "20 of 80 rows are not used: look at the reasons before you trust the rest." in found.warnings
    assert "The model has places for 40 tokens: rows are cut there." in found.warnings
