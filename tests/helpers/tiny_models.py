"""One small random model of every covered class, by name, with the kinds that a block of it must show.

`docs/architectures.md` is written from these tables (`python -m tests.helpers.architectures`).
"""

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


MIXED = {**COMMON, "num_local_experts": 4, "num_experts_per_tok": 2}
QWEN_MOE = {
    **COMMON, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "decoder_sparse_step": 1,
    "shared_expert_intermediate_size": 40,
}  # fmt: skip
LLAMA4 = {
    **MIXED, "intermediate_size": 24, "intermediate_size_mlp": 48, "num_experts_per_tok": 1, "head_dim": 8,
    "moe_layers": [1], "attention_chunk_size": 16,
}  # fmt: skip
MLA = {
    **PLAIN, "num_key_value_heads": 4, "q_lora_rank": 12, "kv_lora_rank": 16, "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 4, "v_head_dim": 8, "n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 2,
    "moe_intermediate_size": 24, "first_k_dense_replace": 1, "n_group": 2, "topk_group": 1,
}  # fmt: skip
FALCON = {**PLAIN, "ffn_hidden_size": 48}
BLOOM = {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 97, "bos_token_id": 1, "eos_token_id": 2}
MAMBA = {
    "hidden_size": 32, "num_hidden_layers": 2, "state_size": 8, "vocab_size": 97, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "time_step_rank": 8,
}  # fmt: skip
MAMBA2 = {**MAMBA, "num_heads": 8, "head_dim": 8, "n_groups": 2, "chunk_size": 8}
JAMBA = {
    **COMMON, "num_experts": 4, "num_experts_per_tok": 2, "attn_layer_period": 2, "attn_layer_offset": 1,
    "expert_layer_period": 2, "expert_layer_offset": 1, "mamba_d_state": 8, "mamba_dt_rank": 8,
}  # fmt: skip
LLAVA = {
    "text_config": {**COMMON, "model_type": "llama"},
    "vision_config": {
        "model_type": "clip_vision_model", "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2,
        "num_attention_heads": 4, "image_size": 8, "patch_size": 4, "projection_dim": 16,
    },
    "image_token_index": 96,
}  # fmt: skip
ZAMBA2 = {
    **PLAIN, "num_hidden_layers": 3, "layers_block_type": ["hybrid", "mamba", "hybrid"], "mamba_d_state": 8,
    "n_mamba_heads": 8, "chunk_size": 8, "adapter_rank": 8,
}  # fmt: skip
NEMOTRON = {
    **COMMON, "layers_block_type": ["mamba", "moe", "attention"], "head_dim": 8, "ssm_state_size": 8,
    "mamba_num_heads": 8, "mamba_head_dim": 8, "n_groups": 1, "chunk_size": 8, "n_routed_experts": 4,
    "moe_intermediate_size": 24, "moe_shared_expert_intermediate_size": 24,
}  # fmt: skip

ATTENTION = ("q", "k", "v", "o")
MLP = ("gate", "up", "down")
ROUTED = ("router", "expert.gate_up", "expert.down")
SHARED = ("shared.gate", "shared.up", "shared.down")
LATENT = ("q_a", "q_b", "kv_a", "kv_b", "o")
SSM = ("ssm.in", "ssm.x", "ssm.dt", "ssm.out")
SIMPLE = ("qkv", "o", "up", "down")

# Models whose blocks differ, hold more than linear layers, or are more than one stack: the kinds of the decoder's first
# and second block.
MIXED_MODELS: dict[str, tuple[type, type, dict, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "phi": (hf.PhiForCausalLM, hf.PhiConfig, PLAIN, ((*ATTENTION, "up", "down"),) * 2),
    "falcon": (hf.FalconForCausalLM, hf.FalconConfig, FALCON, (SIMPLE,) * 2),
    "falcon_new": (
        hf.FalconForCausalLM, hf.FalconConfig, {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2},
        (SIMPLE,) * 2,
    ),
    "bloom": (hf.BloomForCausalLM, hf.BloomConfig, BLOOM, (SIMPLE,) * 2),
    "mixtral": (hf.MixtralForCausalLM, hf.MixtralConfig, MIXED, ((*ATTENTION, *ROUTED),) * 2),
    "qwen2_moe": (
        hf.Qwen2MoeForCausalLM, hf.Qwen2MoeConfig, QWEN_MOE, ((*ATTENTION, *ROUTED, *SHARED, "shared.router"),) * 2,
    ),
    "qwen3_moe": (
        hf.Qwen3MoeForCausalLM, hf.Qwen3MoeConfig, {**QWEN_MOE, "head_dim": 8, "mlp_only_layers": [0]},
        (SPLIT_KINDS, (*ATTENTION, *ROUTED)),
    ),
    "granitemoe": (hf.GraniteMoeForCausalLM, hf.GraniteMoeConfig, MIXED, ((*ATTENTION, *ROUTED),) * 2),
    "gpt_oss": (
        hf.GptOssForCausalLM, hf.GptOssConfig, {**MIXED, "head_dim": 8, "sliding_window": 8},
        ((*ATTENTION, *ROUTED),) * 2,
    ),
    "llama4": (
        hf.Llama4ForCausalLM, hf.Llama4TextConfig, LLAMA4, (SPLIT_KINDS, (*ATTENTION, *ROUTED, *SHARED)),
    ),
    "deepseek_v2": (
        hf.DeepseekV2ForCausalLM, hf.DeepseekV2Config, {**MLA, "topk_method": "greedy"},
        ((*LATENT, *MLP), (*LATENT, *ROUTED, *SHARED)),
    ),
    "deepseek_v3": (
        hf.DeepseekV3ForCausalLM, hf.DeepseekV3Config, MLA, ((*LATENT, *MLP), (*LATENT, *ROUTED, *SHARED)),
    ),
    "mamba": (hf.MambaForCausalLM, hf.MambaConfig, MAMBA, (SSM,) * 2),
    "mamba2": (hf.Mamba2ForCausalLM, hf.Mamba2Config, MAMBA2, (("ssm.in", "ssm.out"),) * 2),
    "jamba": (hf.JambaForCausalLM, hf.JambaConfig, JAMBA, ((*SSM, *MLP), (*ATTENTION, *ROUTED))),
    "nemotron_h": (
        hf.NemotronHForCausalLM, hf.NemotronHConfig, NEMOTRON,
        (("ssm.in", "ssm.out"), ("router", "expert.up", "expert.down", "shared.up", "shared.down")),
    ),
    "zamba2": (
        hf.Zamba2ForCausalLM, hf.Zamba2Config, ZAMBA2,
        (
            (*ATTENTION, "gate_up", "down", "linear", "ssm.in", "ssm.out",
             *(f"gate_up_proj_adapter_list.{i}.{j}" for i in (0, 1) for j in (0, 1))),
            ("ssm.in", "ssm.out"),
        ),
    ),
    "llava": (hf.LlavaForConditionalGeneration, hf.LlavaConfig, LLAVA, (SPLIT_KINDS,) * 2),
}  # fmt: skip
ALL_MODELS = {**MODELS, **MIXED_MODELS}
# Experts in a form of their own, which the census lists as skipped.
UNCOVERED_MODELS = {
    "jetmoe": (hf.JetMoeForCausalLM, hf.JetMoeConfig, {**MIXED, "kv_channels": 8}, (("router.layer", "kv_proj"),) * 2),
}


def make(name: str) -> torch.nn.Module:
    """A model with seeded random weights, scaled up so that attention and logits are far from uniform."""
    model_class, config_class, settings, _ = {**ALL_MODELS, **UNCOVERED_MODELS}[name]
    torch.manual_seed(1)
    model = model_class(config_class(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(4)
    return model
