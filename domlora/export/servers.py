"""What PEFT, vLLM, llama.cpp, TGI and SGLang accept of a LoRA adapter: facts as data, each with what it was read in.

A fact holds for the version that stands beside it. Where something was not found out, it says "not known".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Name = Literal["PEFT", "vLLM", "llama.cpp", "TGI", "SGLang"]
Question = Literal[
    "ranks that differ", "alphas that differ", "rsLoRA", "DoRA", "single modules", "embeddings and head",
    "experts as parameters", "largest rank",
]  # fmt: skip
NOT_KNOWN = "not known"
VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what --max-lora-rank takes
TGI_KINDS = (
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "qkv_proj", "c_proj", "c_fc",
)  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """One answer.

    Attributes:
        source: file or issue that it was read in, at the server's version.
    """

    answer: str
    source: str


@dataclass(frozen=True)
class Server:
    """One program that runs adapters, as of a version."""

    name: Name
    version: str
    facts: dict[Question, Fact]


SERVERS: tuple[Server, ...] = (
    Server("PEFT", "0.21.2", {
        "ranks that differ": Fact("yes", "peft/tuners/lora/model.py, _create_and_replace"),
        "alphas that differ": Fact("yes", "peft/tuners/lora/model.py, _create_and_replace"),
        "rsLoRA": Fact("yes", "peft/tuners/lora/layer.py, update_layer"),
        "DoRA": Fact("yes", "peft/tuners/lora/dora.py"),
        "single modules": Fact("yes", "peft/tuners/tuners_utils.py, check_target_module_exists"),
        "embeddings and head": Fact("yes", "peft/tuners/lora/layer.py, Embedding and Linear"),
        "experts as parameters": Fact("yes (target_parameters)", "peft/tuners/lora/layer.py, ParamWrapper"),
        "largest rank": Fact("any", "peft/tuners/lora/layer.py, update_layer"),
    }),
    Server("vLLM", "0.33.0", {
        "ranks that differ": Fact(
            "yes, from 0.32.0 on; 0.31.0 and earlier scale every module by alpha / r of the whole adapter",
            "vllm/lora/peft_helper.py, get_rank_and_scaling (0.31.0 has no rank_pattern)",
        ),
        "alphas that differ": Fact("yes, from 0.32.0 on", "vllm/lora/peft_helper.py, get_rank_and_scaling"),
        "rsLoRA": Fact("yes", "vllm/lora/peft_helper.py, _scaling; pull request 6909"),
        "DoRA": Fact("refused", "vllm/lora/peft_helper.py, _validate_features"),
        "single modules": Fact("yes", "vllm/lora/lora_model.py, from_local_checkpoint"),
        "embeddings and head": Fact(
            "where the model's class names them (embedding_modules)", "vllm/lora/utils.py, get_supported_lora_modules"
        ),
        "experts as parameters": Fact(
            "read for some models of experts; for which of them rightly: not known",
            "vllm/lora/model_manager.py, the fallback for 3-D weights",
        ),
        "largest rank": Fact(
            "--max-lora-rank, 16 unless given: 1, 8, 16, 32, 64, 128, 256, 320 or 512",
            "vllm/config/lora.py, MaxLoRARanks; issue 2847",
        ),
    }),
    Server("llama.cpp", "commit 0c1e570 of 2026-10-01", {
        "ranks that differ": Fact(
            "loaded, with one alpha for all: each module is scaled by lora_alpha / its rank",
            "src/llama-adapter.h, get_scale; convert_lora_to_gguf.py, set_gguf_parameters",
        ),
        "alphas that differ": Fact("ignored", "convert_lora_to_gguf.py reads lora_alpha alone"),
        "rsLoRA": Fact("ignored: scaled by alpha / rank", "src/llama-adapter.h, get_scale"),
        "DoRA": Fact("refused by the converter", "convert_lora_to_gguf.py, get_tensors"),
        "single modules": Fact("yes", "src/llama-adapter.cpp, llama_adapter_lora_init_impl"),
        "embeddings and head": Fact(
            "yes; a head that shares the embedding's weight is no tensor of the GGUF, and is refused",
            "src/llama-adapter.cpp; convert_lora_to_gguf.py, modify_tensors",
        ),
        "experts as parameters": Fact(
            "refused by the converter (tried on a Qwen 3 mixture of experts)", "conversion/qwen.py"
        ),
        "largest rank": Fact("no limit found", "src/llama-adapter.cpp"),
    }),
    Server("TGI", "3.3.7 (commit db931fc; in maintenance mode)", {
        "ranks that differ": Fact(
            "no: layers of one kind are stacked, which needs equal ranks, and all are scaled alike",
            "server/text_generation_server/adapters/lora.py, LoraWeights",
        ),
        "alphas that differ": Fact("ignored", "adapters/lora.py, LoraConfig"),
        "rsLoRA": Fact(
            "read; but after the first kind of module the scale is that of the rank it was padded to, 8 or a multiple "
            "of 16: this holds for plain LoRA too",
            "adapters/lora.py, prepare_weights (config.r); pad_rank of the punica kernels",
        ),
        "DoRA": Fact("magnitudes are ignored without an error", "adapters/lora.py, map_weights_for_model"),
        "single modules": Fact(
            "no: a kind of module that any layer lacks is ignored with a warning", "adapters/lora.py, prepare_weights"
        ),
        "embeddings and head": Fact("ignored", "models/__init__.py, adapter_layers"),
        "experts as parameters": Fact("ignored", "models/__init__.py, adapter_layers"),
        "largest rank": Fact(
            "128 for each GPU with the fast kernels; beyond: not known", "adapters/lora.py, can_vectorize"
        ),
    }),
    Server("SGLang", "0.5.23", {
        "ranks that differ": Fact("no: a rank other than r does not fit its buffer", "srt/lora/mem_pool.py"),
        "alphas that differ": Fact("ignored", "srt/lora/lora.py, scaling"),
        "rsLoRA": Fact("ignored: scaled by alpha / r", "srt/lora/lora.py, scaling"),
        "DoRA": Fact("refused", "srt/lora/lora_manager.py, validate_new_adapter"),
        "single modules": Fact(
            "layers may lack them; within a layer q needs v, k and v need q, up needs gate",
            "srt/lora/lora.py, normalize_qkv_proj and normalize_gate_up_proj",
        ),
        "embeddings and head": Fact("embed_tokens and lm_head", "srt/lora/lora.py, _process_weight"),
        "experts as parameters": Fact(NOT_KNOWN, "srt/lora does not name target_parameters"),
        "largest rank": Fact(
            "--max-lora-rank, unless given the largest r of the adapters named at the start",
            "srt/lora/lora_manager.py, init_lora_shapes",
        ),
    }),
)  # fmt: skip


def vllm_rank(rank: int) -> int | None:
    """The smallest --max-lora-rank that holds a rank; None where none does."""
    return next((allowed for allowed in VLLM_RANKS if allowed >= rank), None)
