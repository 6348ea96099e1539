"""From a path to numbered rows: what is read as rows, in which split, and what is one line instead."""

from __future__ import annotations

import bz2
import datetime
import decimal
import gzip
import io
import json
import logging
import lzma
import pickle

import datasets
import pandas
import pyarrow
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domlora.data import compression, containers
from domlora.data.files import read_rows
from domlora.data.tasks import load_task
from domlora.errors import TaskError
from tests.helpers.data_files import ROWS, arrow, lines, parquet, write, zipped, zstandard

TABLE = pyarrow.Table.from_pylist(ROWS)
JSONL = lines(ROWS).encode()
CSV = b"prompt,completion\n" + b"".join(f"{i}+{i}?,{2 * i}\n".encode() for i in range(5))


def contents(path):
    return [row.contents for row in read_rows(path)]


def read(folder, name, content):
    return contents(write(folder, name, content))


def refused(path):
    with pytest.raises(TaskError) as caught:
        list(read_rows(path))
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)
    return str(caught.value)


# --- one file ---

KINDS = {
    "a.jsonl": JSONL,
    "a.json": json.dumps(ROWS).encode(),
    "a.csv": CSV,
    "a.tsv": CSV.replace(b",", b"\t"),
    "semicolons.csv": CSV.replace(b",", b";"),
    "bars.csv": CSV.replace(b",", b"|"),
    "a.parquet": parquet(ROWS),
    "stream.arrow": arrow(TABLE),
    "file.arrow": arrow(TABLE, "file"),
}
PACKED = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstandard,
}


@pytest.mark.parametrize("suffix", PACKED)
@pytest.mark.parametrize("name", KINDS)
def test_every_kind_is_read_in_every_packing(tmp_path, name, suffix):
    task = load_task(write(tmp_path, name + suffix, PACKED[suffix](KINDS[name])))
    assert (task.name, len(task.samples), task.origin.kind) == (name.split(".")[0], 5, "file")
    assert read(tmp_path, name + suffix, PACKED[suffix](KINDS[name])) == ROWS


@pytest.mark.parametrize("suffix", [suffix for suffix in PACKED if suffix])
def test_packed_files_that_were_joined_are_read_to_the_end(tmp_path, suffix):
    pack = PACKED[suffix]
    assert read(tmp_path, f"a.jsonl{suffix}", pack(lines(ROWS[:2]).encode()) + pack(lines(ROWS[2:]).encode())) == ROWS


@pytest.mark.parametrize("name", ["stream.arrow", "file.arrow", "bars.csv", "a.tsv"])
def test_a_kind_is_known_without_its_suffix(tmp_path, name):
    assert read(tmp_path, "unknown", KINDS[name]) == ROWS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize("name", ["a.json", "a.csv"])
def test_text_in_another_encoding_is_the_same_text(tmp_path, name, encoding):
    text = {"a.json": '[{"prompt": "Größe – naïve?"}]', "a.csv": "prompt,b\nGröße – naïve?,1\n"}[name]
    assert read(tmp_path, name, text.encode(encoding))[0]["prompt"] == "Größe – naïve?"


def test_utf_16_without_a_mark_may_hold_any_text(tmp_path):
    assert read(tmp_path, "a.json", '[{"prompt": "日本語"}]'.encode("utf-16-le")) == [{"prompt": "日本語"}]


def test_a_guess_at_the_encoding_is_said(tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        read(tmp_path, "a.csv", "a,b\ncafé,1\n".encode("cp1252"))
    assert "a.csv is not UTF-8: read as Windows-1252" in caplog.text


def test_damaged_utf_8_is_not_taken_for_windows_text(tmp_path):
    path = write(tmp_path, "a.csv", "a,b\ncafé,café\n".encode()[:-2] + b"\n")
    assert "is not UTF-8 text (byte 13)" in refused(path)


# --- rows of a table ---


def test_a_short_row_is_named_with_its_line(tmp_path):
    text = '\n\nquestion,answer\n"a\nb",c\n\nWhat is a list?,A list holds items\nin an order\n'
    path = write(tmp_path, "a.csv", text)
    assert "row 3: fewer fields (1) than the header names (2), on line 8" in refused(path)


def test_blank_lines_of_a_table_are_no_rows(tmp_path):
    assert read(tmp_path, "a.csv", "a,b\n\n1,2\n  \n,\n") == [{"a": "1", "b": "2"}, {"a": "", "b": ""}]


def test_the_index_of_pandas_is_no_column(tmp_path):
    assert read(tmp_path, "a.csv", pandas.DataFrame(ROWS).to_csv()) == ROWS


def test_empty_columns_at_the_end_are_none(tmp_path):
    assert read(tmp_path, "a.csv", "a,b,,\n1,2,,\n") == [{"a": "1", "b": "2"}]
    assert "row 1: more fields" in refused(write(tmp_path, "a.csv", "a,b,,\n1,2,3,\n"))


def test_a_delimiter_in_a_quoted_name_is_none(tmp_path):
    assert read(tmp_path, "a.csv", '"a, or b, or c";d\n1;2\n') == [{"a, or b, or c": "1", "d": "2"}]


SPACED = {" prompt ": "a", "completion\t": "b"}
TWICE = pyarrow.Table.from_arrays([pyarrow.array(["a"]), pyarrow.array(["b"])], names=["a", "a "])


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", " prompt ,completion\t\na,b\n"),
        ("a.json", json.dumps([SPACED])),
        ("a.jsonl", lines([SPACED])),
        ("one.json", json.dumps(SPACED)),
        ("a.parquet", parquet([SPACED])),
        ("a.arrow", arrow(pyarrow.Table.from_pylist([SPACED]))),
    ],
)
def test_names_are_read_without_the_space_around_them(tmp_path, name, content):
    assert read(tmp_path, name, content) == [{"prompt": "a", "completion": "b"}]


def test_keys_within_a_value_are_kept_to_the_letter(tmp_path):
    assert read(tmp_path, "a.jsonl", '{"a": {" b": 1}}') == [{"a": {" b": 1}}]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.csv", "a,b, a\n1,2,3\n", "two columns are named `a`"),
        ("a.json", '[{"a": 1, "b": 2, "a": 3}]', 'the key `a` stands twice in the object {"a": 3'),
        ("a.jsonl", '{"b": 1}\n{"b": {"a": 1, "a": 2}}\n', "line 2: the key `a` stands twice"),
        ("a.json", '{"a": 1, " a": 3}', "two columns are named `a`"),
        ("split.json", '{"columns": ["a", "a"], "data": [[1, 2]]}', "two columns are named `a`"),
        ("a.parquet", parquet(TWICE), "two columns are named `a`"),
        ("a.arrow", arrow(TWICE), "two columns are named `a`"),
    ],
)
def test_two_columns_of_one_name_are_an_error(tmp_path, name, content, complaint):
    assert complaint in refused(write(tmp_path, name, content))


def test_what_json_does_not_know_comes_out_as_text_or_nothing(tmp_path):
    row = {
        "nan": float("nan"),
        "time": datetime.datetime(2026, 1, 2, 3, 4),
        "day": datetime.date(2026, 1, 2),
        "price": decimal.Decimal("1.50"),
        "raw": "né".encode(),
        "deep": [{"nan": float("inf"), "day": datetime.date(2026, 1, 3)}],
        "number": 1.5,
    }
    expected = {
        "nan": None, "time": "2026-01-02T03:04:00", "day": "2026-01-02", "price": "1.50", "raw": "né",
        "deep": [{"nan": None, "day": "2026-01-03"}], "number": 1.5,
    }  # fmt: skip
    table = pyarrow.Table.from_pylist([row])
    assert read(tmp_path, "a.parquet", parquet(table)) == [expected]
    assert read(tmp_path, "a.arrow", arrow(table)) == [expected]
    datasets.Dataset(table).save_to_disk(tmp_path / "saved")
    assert contents(tmp_path / "saved") == [expected]


def test_no_number_in_json_is_none(tmp_path):
    text = '{"a": NaN, "b": [-Infinity, Infinity], "c": 1e999, "d": 1.5}\n'
    expected = {"a": None, "b": [None, None], "c": None, "d": 1.5}
    assert read(tmp_path, "a.jsonl", text * 2) == [expected] * 2
    assert read(tmp_path, "a.json", f"[{text}]") == [expected]


# --- columns in JSON ---


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]}),
        json.dumps({key: [row[key] for row in ROWS] for key in ROWS[0]}, indent=1),
        json.dumps({"data": {key: [row[key] for row in ROWS] for key in ROWS[0]}}),
        *(pandas.DataFrame(ROWS).to_json(orient=orient) for orient in ("columns", "split", "index", "table")),
        pandas.DataFrame(ROWS).to_json(orient="split", index=False),
    ],
)
def test_an_object_of_columns_is_rows(tmp_path, text):
    rows = read(tmp_path, "a.json", text)
    assert [{key: row[key] for key in ROWS[0]} for row in rows] == ROWS


def test_columns_of_conversations_are_rows(tmp_path):
    turns = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]] * 3
    assert len(read(tmp_path, "a.json", json.dumps({"messages": turns}))) == 3


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]},
        {"messages": [{"role": "user", "content": "a"}], "tools": [{"name": "f"}, {"name": "g"}]},
        {"messages": []},
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]},
        {"instruction": "x", "instances": [{"input": "", "output": "a"}, {"input": "", "output": "b"}]},
        {"prompt": {"0": "a"}, "completion": "b"},
        {"messages": [{"role": "user"}], "train": "x"},
    ],
)
def test_an_object_whose_lists_are_turns_is_one_row(tmp_path, row):
    assert read(tmp_path, "a.json", json.dumps(row)) == [row]


def test_columns_of_unequal_length_are_named_with_their_lengths(tmp_path):
    path = write(tmp_path, "a.json", '{"instruction": ["a", "b"], "output": ["c"]}')
    assert "unequal length (instruction 2, output 1)" in refused(path)
    path = write(tmp_path, "a.json", '{"columns": ["a", "b"], "data": [[1, 2], [3]]}')
    assert "row 2: not one value for each of its 2 columns" in refused(path)


# --- folders and archives ---

FILES = {
    "train.jsonl": lines(ROWS[:2]),
    "part-test-0.csv.gz": gzip.compress(b"prompt,completion\n2+2?,4\n"),
    "valid/0.jsonl.zst": zstandard(lines(ROWS[3:4]).encode()),
    "more/data.parquet": parquet(ROWS[4:]),
    ".hidden.jsonl": "broken",
    ".cache/a.jsonl": "broken",
    "dataset_info.json": "{}",
    "README.md": "# words",
}


def folder_of(path, files):
    for name, content in files.items():
        write(path, name, content)
    return path


def test_a_folder_and_a_zip_are_read_file_by_file(tmp_path):
    folder = folder_of(tmp_path / "v1.2", FILES)
    archive = write(tmp_path, "v1.2.zip", zipped(FILES | {"__MACOSX/a.jsonl": "broken"}))
    expected = [
        ("more/data.parquet, row 1", 1, "train", ROWS[4]),
        ("part-test-0.csv.gz, row 1", 2, "test", ROWS[2]),
        ("train.jsonl, row 1", 3, "train", ROWS[0]),
        ("train.jsonl, row 2", 4, "train", ROWS[1]),
        ("valid/0.jsonl.zst, row 1", 5, "validation", ROWS[3]),
    ]
    for path in (folder, archive):
        assert list(read_rows(path)) == [(f"{path}/{place}", *rest) for place, *rest in expected]
        task = load_task(path)
        assert (task.name, task.splits) == ("v1.2", {"train": 3, "validation": 1, "test": 1})
        assert (task.origin.kind, task.origin.place) == ("file", str(path))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["v1.2", "v1.2.zip"]


def test_members_that_point_elsewhere_are_read_where_they_are(tmp_path):
    path = write(tmp_path / "in", "a.zip", zipped({"../../up.jsonl": JSONL}))
    assert contents(path) == ROWS
    assert [file.name for file in tmp_path.rglob("*")] == ["in", "a.zip"]


def test_separators_of_windows_part_the_folders_of_an_archive(tmp_path):
    path = write(tmp_path, "a.zip", zipped({"set/test/0.jsonl": JSONL}).replace(b"set/test/0", rb"set\test\0"))
    assert {row.split for row in read_rows(path)} == {"test"}


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train-00000-of-00002", "train"), ("gsm8k_test", "test"), ("data.val", "validation"), ("Dev", "validation"),
        ("eval", "validation"), ("testing", "test"), ("latest", "train"), ("training_data", "train"),
        ("contest-entries", "train"), ("test_sft-0", "test"),
    ],
)  # fmt: skip
def test_a_whole_part_of_a_name_says_the_split_of_a_file_among_others(tmp_path, name, split):
    path = write(tmp_path / "set", f"{name}.jsonl", JSONL)
    assert {row.split for row in read_rows(path.parent)} == {split}
    assert {row.split for row in read_rows(path)} == {"train"}  # named alone


def test_a_row_says_its_split_louder_than_its_file(tmp_path):
    write(tmp_path, "test.jsonl", lines([ROWS[0], {**ROWS[1], "split": "train"}]))
    write(tmp_path, "more.json", json.dumps({"dev": ROWS[2:4]}))
    assert load_task(tmp_path).splits == {"train": 1, "validation": 2, "test": 1}


def test_a_name_that_says_two_splits_is_an_error(tmp_path):
    path = write(tmp_path, "train_test.jsonl", JSONL)
    with pytest.raises(TaskError, match=r"train_test\.jsonl: its name says train and test: rename it"):
        list(read_rows(tmp_path))
    assert contents(path) == ROWS


def test_an_error_in_a_folder_names_the_file_and_its_own_row(tmp_path):
    write(tmp_path, "a.jsonl", JSONL)
    write(tmp_path, "b.jsonl", lines([ROWS[0], 7]))
    with pytest.raises(TaskError, match=r"b\.jsonl, line 2: a row must be an object"):
        load_task(tmp_path)
    write(tmp_path, "b.jsonl", lines([ROWS[0], {**ROWS[1], "split": "holdout"}]))
    with pytest.raises(TaskError, match=r"b\.jsonl, row 2 has the unknown split"):
        load_task(tmp_path)


def test_the_folder_one_stands_in_has_a_name(tmp_path, monkeypatch):
    monkeypatch.chdir(write(tmp_path / "here", "a.jsonl", JSONL).parent)
    assert load_task(".").name == "here"


@pytest.mark.parametrize("file", [None, "notes.txt", ".a.jsonl", "a/b/c.jsonl", "state.json", "cache-1.arrow"])
def test_a_folder_or_zip_without_data_files_is_named_as_one(tmp_path, file):
    folder = tmp_path / "empty"
    folder.mkdir()
    if file:
        write(folder, file, "words")
    assert "is a folder, two levels deep, without data files" in refused(folder)
    if file != "a/b/c.jsonl":
        assert "is a zip archive without data files" in refused(
            write(tmp_path, "empty.zip", zipped({file: "words"} if file else {}))
        )


# --- what `datasets` saved ---


def test_a_saved_data_set_is_read(tmp_path):
    data = datasets.Dataset.from_list(ROWS).select([4, 0, 2])
    data.save_to_disk(tmp_path / "one", num_shards=2)
    task = load_task(tmp_path / "one")
    assert (task.name, task.splits, [sample.row for sample in task.samples]) == ("one", {"train": 3}, [1, 2, 3])
    assert contents(tmp_path / "one") == [ROWS[4], ROWS[0], ROWS[2]]


def test_a_saved_data_set_has_its_splits(tmp_path, caplog):
    one = datasets.Dataset.from_list
    parts = {"train": one(ROWS[:3]), "validation": one(ROWS[3:4]), "test_sft": one(ROWS[4:]), "extra": one(ROWS)}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "all")
    with caplog.at_level(logging.INFO):
        task = load_task(tmp_path / "all")
    assert task.splits == {"train": 3, "validation": 1, "test": 1}
    assert "not read, as they are no known splits: extra" in caplog.text
    assert [row.place for row in read_rows(tmp_path / "all")][3] == f"{tmp_path / 'all'} (validation), row 1"


def test_saved_splits_that_mean_nothing_are_named(tmp_path):
    one = datasets.Dataset.from_list(ROWS)
    datasets.DatasetDict({"en": one, "de": one}).save_to_disk(tmp_path / "all")
    assert "none of its splits (en, de)" in refused(tmp_path / "all")


def test_a_damaged_saved_data_set_is_one_line(tmp_path):
    datasets.Dataset.from_list(ROWS).save_to_disk(tmp_path / "one")
    for shard in (tmp_path / "one").glob("*.arrow"):
        shard.unlink()
    assert "was saved by `datasets` and cannot be read" in refused(tmp_path / "one")


# --- what is no data ---


def encrypted():
    data = bytearray(zipped({"a.jsonl": JSONL}))
    for magic, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(magic) + flags] |= 1
    return bytes(data)


def tar():
    import tarfile

    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.jsonl"))
    return sink.getvalue()


def excel():
    return zipped({"[Content_Types].xml": "<Types/>", "xl/workbook.xml": "<workbook/>"})


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a.zip", zipped({"a.jsonl": JSONL})[:-30], "damaged zip archive"),
        ("a.zip", b"no zip", "damaged zip archive"),
        ("a.zip", zipped({"a.jsonl": JSONL})[:45] + b"zzzz" + zipped({"a.jsonl": JSONL})[49:], "a.jsonl is damaged"),
        ("a.zip", encrypted(), "a.jsonl is encrypted"),
        ("a.zip", zipped({"in.zip": zipped({"a.jsonl": JSONL}), "b.jsonl": JSONL}), "holds another archive (in.zip)"),
        ("a.zip", zipped({"a.jsonl": zipped({"a.jsonl": JSONL})}), "is an archive in another"),
        ("a.gz", gzip.compress(gzip.compress(JSONL)), "packed twice"),
        ("a.bz2", bz2.compress(JSONL)[:-9], "damaged bzip2 file"),
        ("a.xz", lzma.compress(JSONL)[:-9], "damaged xz file"),
        ("a.zst", zstandard(JSONL)[:-9], "damaged Zstandard file"),
        ("a.zst", b"plain", "damaged Zstandard file"),
        ("a.tar.gz", gzip.compress(tar()), "is a tar archive: unpack it"),
        ("a.jsonl", LFS, "pointer of Git LFS, its data were not fetched: run `git lfs pull`"),
        ("a.parquet", LFS, "git lfs pull"),
        ("a.jsonl.gz", LFS, "git lfs pull"),
        ("a.zip", LFS, "git lfs pull"),
        ("a.json", b"\n<!DOCTYPE html>\n<html><body>404</body></html>", "is an HTML page"),
        ("a.csv", b"<html><head><title>a,b</title>", "is an HTML page"),
        ("a.parquet", b"<!doctype html>", "is an HTML page"),
        ("a.json", pickle.dumps(ROWS), "is a Python pickle"),
        ("a.xlsx", excel(), "document of an office program"),
        ("a.csv", b"%PDF-1.7\n", "is a PDF document"),
        ("a.db", b"SQLite format 3\0", "is an SQLite database"),
        ("a.arrow", arrow(TABLE)[:-40], "damaged Arrow file"),
        ("a.arrow", arrow(TABLE, "file")[:-40], "damaged Arrow file"),
        ("a.arrow", b"words", "damaged Arrow file"),
        ("a.zip", b"", "is empty"),
    ],
)
def test_what_is_no_data_is_called_by_its_name(tmp_path, name, content, complaint):
    assert complaint in refused(write(tmp_path, name, content))


@pytest.mark.parametrize("suffix", [suffix for suffix in PACKED if suffix])
def test_a_small_file_does_not_unpack_to_more_than_fits(tmp_path, monkeypatch, suffix):
    path = write(tmp_path, f"a.jsonl{suffix}", PACKED[suffix](JSONL))
    monkeypatch.setattr(compression, "CHUNK", 16)
    monkeypatch.setattr(containers, "MOST_UNPACKED", len(JSONL))
    assert contents(path) == ROWS
    monkeypatch.setattr(containers, "MOST_UNPACKED", len(JSONL) - 1)
    assert f"unpacks to more than {len(JSONL) - 1}" in refused(path)


def test_an_archive_does_not_unpack_to_more_than_fits(tmp_path, monkeypatch):
    path = write(tmp_path, "a.zip", zipped({"a.jsonl": JSONL, "b.jsonl.gz": gzip.compress(JSONL)}))
    monkeypatch.setattr(containers, "MOST_UNPACKED", 3 * len(JSONL))
    assert len(contents(path)) == 10
    monkeypatch.setattr(containers, "MOST_UNPACKED", len(JSONL) + 100)
    assert "unpacks to more than" in refused(path)
    monkeypatch.setattr(containers, "MOST_MEMBERS", 1)
    assert "holds more than 1 files" in refused(path)


def test_the_size_that_an_archive_names_is_no_way_round_the_bound(tmp_path, monkeypatch):
    """What a member says it unpacks to is all that is unpacked of it."""
    data = zipped({"a.jsonl": b" " * 10**6})
    path = write(tmp_path, "a.zip", data.replace((10**6).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    assert "is damaged" in refused(path)


WHOLE = {
    **KINDS,
    **{f"a.jsonl{suffix}": pack(JSONL) for suffix, pack in PACKED.items()},
    "a.zip": zipped({"train.jsonl": JSONL, "b/test.csv": CSV}),
}


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.sampled_from(sorted(WHOLE)), st.integers(0, 2000), st.binary(max_size=4), st.booleans())
@example("a.zip", 27, b"\xff\xff", False)
def test_a_damaged_file_is_one_line_or_rows(tmp_path_factory, name, at, patch, cut):
    data = WHOLE[name]
    at %= len(data)
    damaged = data[:at] + patch + (b"" if cut else data[at + len(patch) :])
    path = write(tmp_path_factory.getbasetemp() / "damaged", name, damaged)
    try:
        assert all(isinstance(row.contents, dict) for row in read_rows(path))
    except TaskError as error:
        assert "\n" not in str(error)
