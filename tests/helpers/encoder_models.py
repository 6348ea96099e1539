"""Small random models that do not only read from left to right, in a table of the same shape as `tiny_models`'."""

from __future__ import annotations

import copy

import numpy as np
import torch
import transformers as hf

from domlora.data.encoding import IGNORED, EncodedSample

T5 = {
    "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": 97, "pad_token_id": 0,
    "eos_token_id": 1, "decoder_start_token_id": 0,
}  # fmt: skip
GATED = {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False, "num_decoder_layers": 3}
BART = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "vocab_size": 97, "max_position_embeddings": 64, "pad_token_id": 1,
    "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2,
}  # fmt: skip
BERT = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 97,
    "max_position_embeddings": 64, "pad_token_id": 0,
}  # fmt: skip
ROBERTA = {**BERT, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
DISTILBERT = {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4, "vocab_size": 97, "max_position_embeddings": 64}
MODERNBERT = {**BERT, "global_attn_every_n_layers": 2, "local_attention": 8, "bos_token_id": 0, "eos_token_id": 2,
              "cls_token_id": 0, "sep_token_id": 2}  # fmt: skip

T5GEMMA_BLOCKS = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 97, "sliding_window": 8, "query_pre_attn_scalar": 8,
}  # fmt: skip
T5GEMMA = {"encoder": T5GEMMA_BLOCKS, "decoder": T5GEMMA_BLOCKS, "vocab_size": 97}

ATTENTION = ("q", "k", "v", "o")
PLAIN_BLOCK = (*ATTENTION, "up", "down")
PAIRS: dict[str, tuple[type, type, dict, tuple[str, ...]]] = {
    # Kinds of an encoder block; a decoder block has them too, and a cross-attention besides.
    "t5": (hf.T5ForConditionalGeneration, hf.T5Config, T5, PLAIN_BLOCK),
    "t5-gated": (hf.T5ForConditionalGeneration, hf.T5Config, GATED, (*ATTENTION, "gate", "up", "down")),
    "t5gemma": (hf.T5GemmaForConditionalGeneration, hf.T5GemmaConfig, T5GEMMA, (*ATTENTION, "gate", "up", "down")),
    "bart": (hf.BartForConditionalGeneration, hf.BartConfig, BART, PLAIN_BLOCK),
}  # fmt: skip
MASKED: dict[str, tuple[type, type, dict, tuple[str, ...]]] = {
    "bert": (hf.BertForMaskedLM, hf.BertConfig, BERT, PLAIN_BLOCK),
    "roberta": (hf.RobertaForMaskedLM, hf.RobertaConfig, ROBERTA, PLAIN_BLOCK),
    "distilbert": (hf.DistilBertForMaskedLM, hf.DistilBertConfig, DISTILBERT, PLAIN_BLOCK),
    "deberta-v2": (hf.DebertaV2ForMaskedLM, hf.DebertaV2Config, BERT, PLAIN_BLOCK),
    "modernbert": (hf.ModernBertForMaskedLM, hf.ModernBertConfig, MODERNBERT, ("qkv", "o", "gate_up", "down")),
}
ENCODER_MODELS = {**PAIRS, **MASKED}


def make(name: str) -> torch.nn.Module:
    """A model with seeded random weights, scaled up so that attention and logits are far from uniform."""
    model_class, config_class, settings, _ = ENCODER_MODELS[name]
    torch.manual_seed(1)
    model = model_class(config_class(**copy.deepcopy(settings))).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    return model


def make_samples(name: str, count: int = 5, seed: int = 0) -> list[EncodedSample]:
    """Ragged samples in the form that the model learns from."""
    generator = np.random.default_rng(seed)
    return [(pair if name in PAIRS else masked)(generator, i + 1) for i in range(count)]


def pair(generator: np.random.Generator, row: int) -> EncodedSample:
    """A prompt for the encoder, and an answer that the decoder is to write after its start token."""
    source = [*generator.integers(3, 97, int(generator.integers(3, 14))).tolist(), 1]
    answer = [*generator.integers(3, 97, int(generator.integers(1, 14))).tolist(), 1]
    ids = (*source, 2, *answer[:-1])
    response = (False,) * len(source) + (True,) * len(answer)
    labels = (*[IGNORED] * len(source), *answer)
    return EncodedSample(ids, response, row, source=len(source), labels=labels)


def masked(generator: np.random.Generator, row: int) -> EncodedSample:
    """A text with some tokens behind a mask."""
    length = int(generator.integers(6, 20))
    text = generator.integers(5, 97, length).tolist()
    chosen = set(generator.choice(length, int(generator.integers(1, 4)), replace=False).tolist())
    ids = tuple(4 if i in chosen else token for i, token in enumerate(text))
    labels = tuple(token if i in chosen else IGNORED for i, token in enumerate(text))
    return EncodedSample(ids, tuple(i in chosen for i in range(length)), row, labels=labels)


def loss_of(model: torch.nn.Module, sample: EncodedSample) -> torch.Tensor:
    """The model's own loss of one unpadded sample."""
    assert sample.labels is not None
    labels = torch.tensor([sample.labels[sample.source :]])
    if sample.source:
        read, written = torch.tensor([sample.ids[: sample.source]]), torch.tensor([sample.ids[sample.source :]])
        return model(input_ids=read, decoder_input_ids=written, labels=labels).loss
    return model(input_ids=torch.tensor([sample.ids]), labels=labels).loss
