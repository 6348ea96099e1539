"""Bringing model files here: what a full disk and a damaged file leave behind."""

import os
from pathlib import Path

import pytest
from safetensors import SafetensorError

from domlora.errors import ModelError
from domlora.models import fetch
from domlora.models.reference import ModelRef


@pytest.fixture
def gguf(tmp_path, monkeypatch):
    """A file that converts, except that its weights never fit on the disk."""

    class Model:
        hf_quantizer, is_quantized, quantization_method = object(), True, "gguf"
        config = type("Config", (), {})()

        def save_pretrained(self, folder):
            (Path(folder) / "config.json").write_text("{}")
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")

    Model.config.quantization_config = {}
    monkeypatch.setattr("gguf.GGUFReader", lambda path: None)
    monkeypatch.setattr("transformers.AutoTokenizer.from_pretrained", lambda *args, **kwargs: None)
    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", lambda *args, **kwargs: Model())
    path = tmp_path / "model.gguf"
    path.write_bytes(b"GGUF and more")
    return path


def test_a_full_disk_ends_a_conversion_in_one_line_and_leaves_no_half_model(home, gguf):
    with pytest.raises(ModelError, match=r"No space left on device.*free some space, or set DOMLORA_HOME"):
        fetch.localise(ModelRef(source=str(gguf), kind="gguf"))
    assert list((home / "cache" / "gguf").iterdir()) == []


def test_a_fingerprint_that_could_not_be_written_is_not_believed_later(tiny_folder, monkeypatch):
    ref = ModelRef(source=str(tiny_folder), kind="folder")
    write = Path.write_text

    def full(path, text, *args, **kwargs):
        write(path, "", *args, **kwargs)
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(ModelError, match=r"No space left on device.*free some space"):
        fetch.localise(ref)
    monkeypatch.setattr(Path, "write_text", write)
    assert len(fetch.localise(ref).revision) == 64


def test_a_folder_is_hashed_anew_when_its_weights_change(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    weights = folder / "model.safetensors"
    weights.write_bytes(b"one")
    ref = ModelRef(source=str(folder), kind="folder")
    first = fetch.localise(ref).revision
    assert fetch.localise(ref).revision == first
    weights.write_bytes(b"two")
    os.utime(weights, ns=(1, 1))
    assert fetch.localise(ref).revision != first
