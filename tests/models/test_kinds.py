"""Kinds and stacks of modules: the same names for the same roles in every architecture."""

from collections import Counter

import pytest
from torch import nn
from transformers.pytorch_utils import Conv1D

from domlora.models.census import find_modules
from tests.helpers import encoder_models
from tests.helpers.tiny_models import MIXED_MODELS, MODELS, make


@pytest.mark.parametrize("name", MODELS)
def test_every_block_shows_its_canonical_kinds(name):
    modules = find_modules(make(name)).modules
    for layer in (0, 1):
        assert sorted(m.kind for m in modules if m.layer == layer) == sorted(MODELS[name][3])
    assert {m.stack for m in modules} == {"decoder"}


@pytest.mark.parametrize("name", MIXED_MODELS)
def test_blocks_that_differ_show_their_canonical_kinds(name):
    modules = find_modules(make(name)).modules
    for layer, kinds in enumerate(MIXED_MODELS[name][3]):
        assert sorted(m.kind for m in modules if (m.layer, m.stack) == (layer, "decoder")) == sorted(kinds)


@pytest.mark.parametrize("name", encoder_models.PAIRS)
def test_every_block_shows_its_kinds_and_a_decoder_block_its_cross_attention(name):
    modules = find_modules(encoder_models.make(name)).modules
    kinds = sorted(encoder_models.ENCODER_MODELS[name][3])
    for layer in (0, 1):
        assert sorted(m.kind for m in modules if (m.stack, m.layer) == ("encoder", layer)) == kinds
        assert sorted(m.kind for m in modules if (m.stack, m.layer) == ("decoder", layer)) == kinds
        assert sorted(m.kind for m in modules if (m.stack, m.layer) == ("cross", layer)) == ["k", "o", "q", "v"]
    assert max(Counter((m.stack, m.layer, m.kind) for m in modules).values()) == 1


@pytest.mark.parametrize("name", encoder_models.MASKED)
def test_blocks_of_a_masked_model_are_an_encoders(name):
    modules = find_modules(encoder_models.make(name)).modules
    for layer in (0, 1):
        assert sorted(m.kind for m in modules if m.layer == layer) == sorted(encoder_models.ENCODER_MODELS[name][3])
    assert {m.stack for m in modules} == {"encoder"}


class Unknown(nn.Module):
    """An architecture nobody has heard of: two `dense` in one block, one Conv1D."""

    def __init__(self):
        super().__init__()
        mix, out = nn.ModuleDict({"dense": nn.Linear(4, 6)}), nn.ModuleDict({"dense": nn.Linear(6, 4)})
        self.stages = nn.ModuleList([nn.ModuleDict({"mix": mix, "out": out, "twist": Conv1D(5, 4)})])


def test_unknown_architecture_is_named_after_its_modules_without_clashes():
    modules = find_modules(Unknown()).modules
    assert [(m.kind, m.in_features, m.out_features) for m in modules] == [
        ("mix.dense", 4, 6), ("out.dense", 6, 4), ("twist", 4, 5),
    ]  # fmt: skip
