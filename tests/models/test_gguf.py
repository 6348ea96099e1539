"""GGUF files, whole and split: the same weights as the folder they were written from, or one line."""

import hashlib
import json
import shutil

import gguf
import numpy as np
import pytest
import torch

import domlora
from domlora.data.tasks import load_task
from domlora.errors import ModelError
from domlora.jobs.matrix import revision_if_known
from domlora.models.fetch import RECORD, localise
from domlora.models.gguf import CONVERSION
from domlora.models.reference import resolve
from tests.helpers.gguf_files import write


@pytest.fixture
def whole(tiny_folder, tmp_path):
    folder = tmp_path / "whole"
    folder.mkdir()
    (path,) = write(tiny_folder, folder / "tiny.gguf")
    return path


@pytest.fixture
def parts(tiny_folder, tmp_path):
    folder = tmp_path / "split"
    folder.mkdir()
    paths = write(tiny_folder, folder / "tiny.gguf", tensors_a_part=6)
    assert [path.name for path in paths] == [f"tiny-0000{i}-of-00004.gguf" for i in (1, 2, 3, 4)]
    return paths


def weights(source):
    return domlora.load_model(source, device="cpu", dtype="float32").model.state_dict()


def equal(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_gguf_has_the_weights_that_it_was_written_from(whole, tiny_folder):
    assert equal(weights(whole), weights(tiny_folder))


def test_a_split_gguf_is_joined_whichever_part_or_folder_is_named(parts, whole, tiny_folder, task_file):
    for source in (parts[0], parts[2], parts[0].parent):
        assert equal(weights(source), weights(tiny_folder))
    maps = [
        domlora.probe(domlora.load_model(source, device="cpu", dtype="float32"), load_task(task_file), samples=4)
        for source in (parts[3], whole)
    ]
    assert maps[0].modules["energy"].tolist() == maps[1].modules["energy"].tolist()
    assert maps[0].provenance.model == maps[1].provenance.model == "tiny"


def test_a_split_gguf_is_known_by_all_its_parts(parts):
    local = localise(resolve(str(parts[1])))
    content = b"".join(path.read_bytes() for path in parts)
    assert local.revision == hashlib.sha256(content).hexdigest() == revision_if_known(resolve(str(parts[0].parent)))
    assert not list(local.folder.glob("joined-*")), "the joined file is no longer needed"


def test_a_missing_part_is_named(parts):
    parts[2].unlink()
    for source in (parts[0], parts[0].parent):
        with pytest.raises(ModelError, match=r"^[^\n]*tiny-00003-of-00004.gguf is missing[^\n]*$"):
            resolve(str(source))


def test_a_part_under_another_name_is_refused(parts, tmp_path):
    path = tmp_path / "model.gguf"
    shutil.copy(parts[0], path)
    with pytest.raises(ModelError, match=r"model.gguf is one of 4 files of a model, which its name does not say"):
        localise(resolve(str(path)))


def test_parts_of_two_models_are_refused(parts, tiny_folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(write(tiny_folder, other / "tiny.gguf", 6, leave_out=("output_norm.weight",))[3], parts[3])
    with pytest.raises(ModelError, match=r"hold 20 of 21 tensors"):
        localise(resolve(str(parts[0])))


def test_a_gguf_that_lacks_a_weight_is_refused_and_leaves_nothing_behind(home, tiny_folder, tmp_path):
    (path,) = write(tiny_folder, tmp_path / "lacking.gguf", leave_out=("blk.1.ffn_up.weight",))
    with pytest.raises(ModelError, match=r"1 weights are missing \(such as model.layers.1.mlp.up_proj.weight\)"):
        localise(resolve(str(path)))
    assert list((home / "cache" / "gguf").iterdir()) == []


@pytest.mark.parametrize(
    ("name", "extra"),
    [
        ("rope_freqs.weight", {"more": {"rope_freqs.weight": np.array([1, 1, 2, 8], np.float32)}}),
        ("rope_factors_long.weight", {"more": {"rope_factors_long.weight": np.array([1, 4, 20, 40], np.float32)}}),
        ("llama.rope.scaling.type", {"scaling": gguf.RopeScalingType.LINEAR}),
    ],
)
def test_scaled_rotations_that_would_be_left_out_are_refused(tiny_folder, tmp_path, name, extra):
    (path,) = write(tiny_folder, tmp_path / "scaled.gguf", **extra)
    with pytest.raises(
        ModelError, match=rf"scaled.gguf scales its rotations \({name}\), which transformers leaves out"
    ):
        localise(resolve(str(path)))


@pytest.mark.parametrize(
    "extra",
    [
        {"more": {"rope_freqs.weight": np.array([1, 0.5, 0.2, 0.1], np.float32)}},
        {"scaling": gguf.RopeScalingType.NONE},
    ],
    ids=["frequencies", "none"],
)
def test_rotations_that_are_not_scaled_do_no_harm(tiny_folder, tmp_path, extra):
    (path,) = write(tiny_folder, tmp_path / "plain.gguf", **extra)
    assert equal(weights(path), weights(tiny_folder))


@pytest.mark.parametrize("record", [None, {"conversion": CONVERSION - 1}])
def test_a_copy_that_an_earlier_version_made_is_made_again(whole, tiny_folder, record):
    folder = localise(resolve(str(whole))).folder
    marker = folder / RECORD
    assert json.loads(marker.read_text(encoding="utf-8")) == {"conversion": CONVERSION}
    marker.unlink() if record is None else marker.write_text(json.dumps(record), encoding="utf-8")
    (folder / "model.safetensors").write_bytes(b"bad")
    assert equal(weights(whole), weights(tiny_folder))
    assert json.loads(marker.read_text(encoding="utf-8")) == {"conversion": CONVERSION}
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_copy_of_this_version_is_used_again(whole, monkeypatch):
    first = localise(resolve(str(whole)))
    monkeypatch.setattr("domlora.models.fetch.convert_gguf", None)
    assert localise(resolve(str(whole))) == first


def test_a_built_in_model_that_is_there_is_not_fetched_again(home):
    folder = home / "models" / "smollm2-135m"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}", encoding="utf-8")
    (folder / RECORD).write_text(
        json.dumps({"revision": "abc", "origin": "package, GGUF de-quantised"}), encoding="utf-8"
    )
    assert localise(resolve("smollm2-135m")).revision == "abc"
