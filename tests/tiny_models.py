"""One small random model of every covered class, by name, with the kinds that a block of it must show."""

from __future__ import annotations

import torch
import transformers as hf

SPLIT_KINDS = ("q", "k", "v", "o", "gate", "up", "down")
COMMON = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 97, "max_position_embeddings": 64, "pad_token_id": 0,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
GPT2 = {
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "vocab_size": 97,
    "n_positions": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
PLAIN = {key: value for key, value in COMMON.items() if key != "num_key_value_heads"}
OPT = {**PLAIN, "ffn_dim": 48, "word_embed_proj_dim": 32}
GEMMA = {**COMMON, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 8}

MODELS: dict[str, tuple[type, type, dict, tuple[str, ...]]] = {
    "llama": (hf.LlamaForCausalLM, hf.LlamaConfig, COMMON, SPLIT_KINDS),
    "mistral": (hf.MistralForCausalLM, hf.MistralConfig, COMMON, SPLIT_KINDS),
    "qwen2": (hf.Qwen2ForCausalLM, hf.Qwen2Config, COMMON, SPLIT_KINDS),
    "qwen3": (hf.Qwen3ForCausalLM, hf.Qwen3Config, {**COMMON, "head_dim": 8}, SPLIT_KINDS),
    "gemma2": (hf.Gemma2ForCausalLM, hf.Gemma2Config, GEMMA, SPLIT_KINDS),
    "gemma3": (hf.Gemma3ForCausalLM, hf.Gemma3TextConfig, GEMMA, SPLIT_KINDS),
    "phi3": (hf.Phi3ForCausalLM, hf.Phi3Config, COMMON, ("qkv", "o", "gate_up", "down")),
    "olmo2": (hf.Olmo2ForCausalLM, hf.Olmo2Config, COMMON, SPLIT_KINDS),
    "gpt2": (hf.GPT2LMHeadModel, hf.GPT2Config, GPT2, ("qkv", "o", "up", "down")),
    "gpt_neox": (hf.GPTNeoXForCausalLM, hf.GPTNeoXConfig, PLAIN, ("qkv", "o", "up", "down")),
    "opt": (hf.OPTForCausalLM, hf.OPTConfig, OPT, ("q", "k", "v", "o", "up", "down")),
}  # fmt: skip


def make(name: str) -> torch.nn.Module:
    """A model with seeded random weights, scaled up so that attention and logits are far from uniform."""
    model_class, config_class, settings, _ = MODELS[name]
    torch.manual_seed(1)
    model = model_class(config_class(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    return model
