"""What the reference models are: one small configuration for each architecture, and the tokenizer that they share.

In: texts to learn the tokenizer from. Out: a tokenizer, and untrained models with it. `make_models` trains them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import transformers as hf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 2048
POSITIONS = 1024
LAYERS = 8
HIDDEN = 128
END_OF_TEXT, TURN_START, TURN_END = SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Ids as `train_tokenizer` gives them: special tokens come first.
IDS: dict[str, Any] = {"vocab_size": VOCABULARY, "bos_token_id": None, "eos_token_id": 2, "pad_token_id": 0}

# Grouped queries: 4 heads of 32 share 2 heads of keys and values.
GROUPED = {
    "hidden_size": HIDDEN, "intermediate_size": 256, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 32, "max_position_embeddings": POSITIONS, "tie_word_embeddings": True,
}  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """How one reference model is built.

    Attributes:
        model, config: transformers classes.
        arguments: of the configuration, beside the tokenizer's ids.
        shape: in words, for the model card.
        epochs: fewer for the larger ones, so that all six take about half an hour of one core.
    """

    model: type
    config: type
    arguments: dict[str, Any]
    shape: str
    epochs: int = 4

    def build(self) -> Any:
        """The untrained model; seed torch first."""
        return self.model(self.config(**IDS, **self.arguments))


RECIPES: dict[str, Recipe] = {
    "ref-llama": Recipe(
        hf.LlamaForCausalLM,
        hf.LlamaConfig,
        GROUPED,
        "4 query and 2 key-value heads of 32, rotary positions, SwiGLU of 256, RMS norms, tied embeddings",
    ),
    "ref-qwen3": Recipe(
        hf.Qwen3ForCausalLM,
        hf.Qwen3Config,
        GROUPED,
        "as ref-llama, with RMS norms on queries and keys",
    ),
    "ref-gemma3": Recipe(
        hf.Gemma3ForCausalLM,
        hf.Gemma3TextConfig,
        {**GROUPED, "num_key_value_heads": 1, "query_pre_attn_scalar": 32, "sliding_window": 128},
        "4 query heads and 1 key-value head of 32, norms before and after attention and MLP, GeGLU of 256, "
        "five layers with a window of 128 tokens for each that sees all, tied and scaled embeddings",
    ),
    "ref-gpt2": Recipe(
        hf.GPT2LMHeadModel,
        hf.GPT2Config,
        {
            "n_embd": HIDDEN, "n_layer": LAYERS, "n_head": 4, "n_inner": 384, "n_positions": POSITIONS,
            "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
        },
        "4 heads of 32, learned positions, GELU of 384, layer norms with biases, fused qkv, Conv1D weights, "
        "tied embeddings",
        epochs=3,
    ),
    "ref-neox": Recipe(
        hf.GPTNeoXForCausalLM,
        hf.GPTNeoXConfig,
        {
            "hidden_size": HIDDEN, "intermediate_size": 384, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
            "max_position_embeddings": POSITIONS,
        },
        "4 heads of 32, rotary positions on a quarter of each, attention and MLP in parallel, GELU of 384, "
        "layer norms with biases, fused qkv, embeddings not tied",
        epochs=3,
    ),
    "ref-moe": Recipe(
        hf.Qwen3MoeForCausalLM,
        hf.Qwen3MoeConfig,
        {
            **GROUPED, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 128,
            "norm_topk_prob": True, "router_aux_loss_coef": 0.01,
        },
        "attention as ref-qwen3, then 4 experts (SwiGLU of 128) in each layer, of which a token takes 2, "
        "tied embeddings",
        epochs=3,
    ),
}  # fmt: skip


def train_tokenizer(texts: Iterable[str]) -> hf.PreTrainedTokenizerFast:
    """A byte-level BPE of `VOCABULARY` tokens with a ChatML template; single digits make sums learnable."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=TURN_END,
        pad_token=END_OF_TEXT,
        additional_special_tokens=[TURN_START],
        chat_template=CHAT_TEMPLATE,
        model_max_length=POSITIONS,
        clean_up_tokenization_spaces=False,
    )
