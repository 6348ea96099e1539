"""Model folders as downloads leave them: what is not whole is named in one line, before anything is loaded."""

import json
import os
import shutil

import pytest
from safetensors.numpy import load_file, save_file

import domlora
from domlora.errors import ModelError
from domlora.models.reference import resolve

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 269060552\n"


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "model")


@pytest.fixture
def sharded(folder):
    """The same model in two files and their index."""
    weights = load_file(folder / "model.safetensors")
    places = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(weights)}
    for file in set(places.values()):
        save_file({n: w for n, w in weights.items() if places[n] == file}, folder / file, metadata={"format": "pt"})
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {}, "weight_map": places}), encoding="utf-8"
    )
    return folder


def refused(source, words):
    with pytest.raises(ModelError) as caught:
        resolve(str(source))
    assert "\n" not in str(caught.value)
    assert words in str(caught.value)


def test_a_sharded_model_loads(sharded):
    assert domlora.load_model(sharded, device="cpu").architecture == "LlamaForCausalLM"


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
def test_a_git_lfs_pointer_is_named(folder, name):
    (folder / name).write_text(POINTER, encoding="utf-8")
    refused(folder, f"{folder / name} is a Git LFS pointer, not the file itself: run `git lfs pull`")


def test_a_git_lfs_pointer_in_place_of_a_shard_an_index_or_a_gguf_is_named(sharded, tmp_path):
    for name in ("model-00002-of-00002.safetensors", "model.safetensors.index.json"):
        content = (sharded / name).read_bytes()
        (sharded / name).write_text(POINTER, encoding="utf-8")
        refused(sharded, f"{name} is a Git LFS pointer")
        (sharded / name).write_bytes(content)
    (tmp_path / "model.gguf").write_text(POINTER, encoding="utf-8")
    refused(tmp_path / "model.gguf", "model.gguf is a Git LFS pointer")


def test_a_pointer_that_no_load_would_read_does_no_harm(folder):
    for name in ("consolidated.safetensors", "model.onnx", "README.md"):
        (folder / name).write_text(POINTER, encoding="utf-8")
    assert resolve(str(folder)).kind == "folder"


@pytest.mark.parametrize("bytes_left", [0, 4, 100, 3000, -1])
def test_truncated_weights_are_named(folder, bytes_left):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:bytes_left])
    refused(folder, f"{path} is truncated")


def test_damaged_weights_are_named(folder):
    (folder / "model.safetensors").write_bytes(b"\x04\0\0\0\0\0\0\0nono" + bytes(100))
    refused(folder, "model.safetensors is damaged")


def test_a_shard_that_is_missing_is_named(sharded):
    (sharded / "model-00002-of-00002.safetensors").unlink()
    refused(sharded, "model-00002-of-00002.safetensors is missing")


def test_shards_without_their_index_are_told_from_a_folder_without_weights(sharded):
    (sharded / "model.safetensors.index.json").unlink()
    refused(sharded, "has model-00001-of-00002.safetensors but neither model.safetensors nor model.safetensors.index")


@pytest.mark.parametrize("content", ["[]", "{", "nul\0", "[" * 100_000])
def test_a_config_that_is_no_json_object_is_named(folder, content):
    (folder / "config.json").write_text(content, encoding="utf-8")
    refused(folder, "config.json")


def test_an_index_that_says_nothing_is_named(sharded):
    (sharded / "model.safetensors.index.json").write_text('{"weight_map": 3}', encoding="utf-8")
    refused(sharded, "model.safetensors.index.json does not say where the weights lie")


def test_a_folder_of_pickles_is_refused(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    refused(folder, "holds pickle weights only")


def test_a_folder_with_an_adapter_alone_is_refused(folder):
    (folder / "adapter_config.json").write_text("{}", encoding="utf-8")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    refused(folder, "holds a PEFT adapter, not a model")
    (folder / "config.json").unlink()
    refused(folder, "holds a PEFT adapter, not a model")


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "x" * 300, "x" * 5000, "org/" + "x" * 300, "org/" + "x" * 5000, "~nosuchuser/x", "~nosuchuser/x.gguf",
        "a\0b", "org/a\0b", "/no/such.gguf", "/dev/null", "a\nb",
    ],
)  # fmt: skip
def test_a_name_that_can_be_no_model_is_refused_in_one_short_line(name):
    refused(name, "no model ")
    with pytest.raises(ModelError) as caught:
        resolve(name)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize("name", [".", ".."])
def test_a_folder_named_by_dots_is_a_folder_like_others(folder, name, monkeypatch):
    inner = folder / "inner"
    inner.mkdir()
    monkeypatch.chdir(inner)
    refused(".", "has no config.json")
    monkeypatch.chdir(folder if name == "." else inner)
    assert resolve(name).name == "model"


def test_a_folder_that_may_not_be_read_is_refused(folder, monkeypatch):
    def denied(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "listdir", denied)
    refused(folder, f"cannot read {folder}: Permission denied")
