"""Embedding and head are found by name and size, with and without a model's weights."""

from __future__ import annotations

import pytest
from transformers import BertConfig, BertForMaskedLM, T5Config, T5ForConditionalGeneration

from domlora.models.ends import ends_of, find_ends
from domlora.models.fetch import localise
from domlora.models.loading import load_local
from domlora.models.modules import End
from domlora.models.reference import resolve
from tests.helpers.tiny_models import MODELS, make


@pytest.mark.parametrize("name", MODELS)
def test_every_decoder_has_both_ends_with_the_sizes_of_their_weights(name):
    model = make(name)
    ends = find_ends(model)
    first, last = model.get_submodule(ends.embed.module).weight, model.get_submodule(ends.head.module).weight
    assert first is model.get_input_embeddings().weight and last is model.get_output_embeddings().weight
    assert tuple(first.shape) == (ends.embed.in_features, ends.embed.out_features)
    assert tuple(last.shape) == (ends.head.out_features, ends.head.in_features)
    assert (ends.embed.size, ends.tied) == (first.numel(), first.data_ptr() == last.data_ptr())


@pytest.mark.parametrize("name", ["ref-llama", "ref-neox", "ref-gpt2", "ref-gemma3"])
def test_the_files_say_the_same_as_the_loaded_model(name):
    local = localise(resolve(name))
    assert ends_of(local) == find_ends(load_local(local, dtype="float32", device="cpu").model)


def test_ties_are_seen():
    assert find_ends(make("gpt2")).tied and not find_ends(make("llama")).tied


def test_an_embedding_that_two_stacks_read_copies_of_is_left_out():
    config = T5Config(vocab_size=97, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4)
    ends = find_ends(T5ForConditionalGeneration(config))
    assert ends.embed is None and ends.head == End("lm_head", 32, 97)


def test_the_head_of_a_masked_model_is_its_decoder():
    config = BertConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
    ends = find_ends(BertForMaskedLM(config))
    assert ends.head == End("cls.predictions.decoder", 32, 97)
    assert ends.embed == End("bert.embeddings.word_embeddings", 97, 32)
