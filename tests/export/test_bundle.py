"""What is taken away is whole: the adapter, its rows in the order of its steps, what trains it again, the evidence."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import save_file

from domlora.comparison.analysis import compare_run
from domlora.data.encoding import EncodedSample
from domlora.data.samples import Message, Sample
from domlora.errors import SweepError
from domlora.export import bundle, saved
from domlora.models.origin import ModelOrigin
from domlora.training.kept_rows import keep
from domlora.training.lock import run_folder
from domlora.training.rows import step_rows
from tests.helpers.runs import CONFIG, a_run

RECIPES = {
    "lora_config.py", "train_with_trl.py", "train_with_unsloth.py", "axolotl.yaml", "llama_factory.yaml",
    "dataset_info.json",
}  # fmt: skip
EVIDENCE = {"README.md", "where_it_runs.md", "settings.json", "comparison.json", "comparison.csv"}
SAVED = {"peft_type": "LORA", "r": 8, "lora_alpha": 16, "revision": None}


@pytest.fixture
def run(tmp_path):
    """A run with an adapter of one variant, on a model of the Hub."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    name = "base_model.model.layers.0.down.lora_{}.weight"
    shapes = {name.format("A"): (8, 8), name.format("B"): (4, 8)}
    save_file({name: np.zeros(shape, np.float32) for name, shape in shapes.items()}, folder / saved.WEIGHTS)
    (folder / saved.CONFIG).write_text(json.dumps(SAVED), encoding="utf-8")
    origin = ModelOrigin(kind="hub", place="owner/name", revision="0123abc")
    made = a_run(model_origin=origin, config=CONFIG.model_copy(update={"steps": 5, "batch_size": 2, "accumulation": 2}))
    first = replace(made.variants[0], adapter=str(folder), status="done")
    return replace(made, variants=(first, *made.variants[1:]))


def files(run, variant=0):
    return bundle.files(run, compare_run(run, ()), run.variants[variant])


def keep_rows(run, count=7):
    rows = [EncodedSample((10 + i, 3, 4), (False, False, True), row=i) for i in range(count)]
    samples = [Sample((Message("user", f"q{i}"), Message("assistant", f"a{i}")), row=i) for i in range(count)]
    run_folder(run.id).mkdir(parents=True)
    assert keep(run.id, rows, samples) is None


def test_a_bundle_holds_the_adapter_the_recipes_and_the_evidence(run):
    found = files(run)
    assert set(found) == RECIPES | EVIDENCE | {"adapter/adapter_model.safetensors", "adapter/adapter_config.json"}
    assert all(name.encode() in found["README.md"] for name in RECIPES | {"settings.json"})
    assert b"not on the machine" in found["README.md"]


def test_an_adapter_of_an_earlier_version_names_the_commit_of_its_base_too(run):
    found = files(run)
    assert json.loads(found["adapter/adapter_config.json"]) == SAVED | {"revision": "0123abc"}
    for name in ("README.md", "train_with_trl.py", "train_with_unsloth.py", "axolotl.yaml", "llama_factory.yaml"):
        assert b"0123abc" in found[name], name


def test_rows_come_in_the_order_in_which_the_steps_of_that_seed_read_them(run):
    keep_rows(run)
    found = files(run)
    order = [row for step in step_rows(7, run.config, run.variants[0].seed) for row in step]
    assert len(order) == 20
    tokens = [json.loads(line) for line in found["train.jsonl"].splitlines()]
    assert [row["input_ids"][0] - 10 for row in tokens] == order
    assert tokens[0]["labels"] == [-100, -100, 4] and tokens[0]["attention_mask"] == [1, 1, 1]
    said = [json.loads(line)["messages"] for line in found["conversations.jsonl"].splitlines()]
    assert [messages[1]["content"] for messages in said] == [f"a{row}" for row in order]
    assert b"train.jsonl" in found["README.md"] and b"not on the machine" not in found["README.md"]
    assert "eva.jsonl" not in found


def test_another_seed_reads_in_another_order(run):
    keep_rows(run)
    other = replace(run.variants[0], seed=1)
    again = bundle.texts(run, compare_run(run, ()), other)
    assert files(run)["train.jsonl"] != again["train.jsonl"]
    assert sorted(set(files(run)["train.jsonl"].splitlines())) == sorted(set(again["train.jsonl"].splitlines()))


def test_eva_has_the_rows_that_it_starts_from(run):
    keep_rows(run, 40)
    found = bundle.texts(run, compare_run(run, ()), replace(run.variants[0], method="eva"))
    first = [json.loads(line)["input_ids"][0] - 10 for line in found["eva.jsonl"].splitlines()]
    assert first == list(range(32))


def test_what_has_no_adapter_is_one_line_and_its_recipes_can_be_had(run):
    with pytest.raises(SweepError, match="has no adapter: it is queued"):
        files(run, variant=1)
    assert not bundle.has_adapter(run.variants[1]) and bundle.has_adapter(run.variants[0])
    assert set(bundle.texts(run, compare_run(run, ()), run.variants[1])) >= RECIPES
    elsewhere = replace(run.variants[0], adapter="/elsewhere/adapter")
    with pytest.raises(SweepError, match="not on this machine: it was saved in /elsewhere/adapter"):
        bundle.files(run, compare_run(run, ()), elsewhere)


def test_a_folder_and_an_archive_hold_the_same(run, tmp_path):
    found = files(run)
    bundle.write(found, tmp_path / "out")
    with zipfile.ZipFile(io.BytesIO(bundle.archive(found))) as archive:
        assert sorted(archive.namelist()) == sorted(found)
        for name, content in found.items():
            assert archive.read(name) == (tmp_path / "out" / name).read_bytes() == content


def test_a_folder_that_cannot_be_written_is_one_line(run, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(SweepError, match="cannot write into"):
        bundle.write(files(run), tmp_path / "file")
