"""What `from_pretrained` says of the weights it read: a model whose weights are not all the files' own is refused.

In: a model and the report of `output_loading_info`. Out: nothing, or one line. transformers itself makes up weights
that are missing or have another shape, and leaves out those that its class does not know, with no more than a warning.
Tied and computed weights are not in its report.

Weights that the class does not know are fine where all who load such a model leave them out, and only there:

1. what its class says (`_keys_to_ignore_on_load_unexpected`; transformers takes these out of the report);
2. buffers that are computed anew, and scales of quantised key-value caches (`COMPUTED`);
3. a part beside the language model as a whole, such as a pooler or a vision tower, by the name of that part, which
   the class does not have (`BESIDE`);
4. the layers that predict further tokens and are numbered after the blocks, as many as the configuration counts.

All others are refused: a further block, bias or scale inside of what the class has would change what the model says.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn
from transformers import PreTrainedModel

from domlora.errors import ModelError

log = logging.getLogger(__name__)

COMPUTED = re.compile(
    r"(^|[._])(inv_freq|masked_bias|causal_mask|position_ids|token_type_ids|cos_cached|sin_cached|float_tensor|version)$"
    r"|(^|\.)(attn|attention|crossattention)\.bias$"  # the causal mask of GPT-2 and its kin, which is no bias
    r"|embed_positions\.weights$"  # sinusoids
    r"|\.(k_scale|v_scale|kv_scale)$"
)
BESIDE = re.compile(
    r"(\w+_)?(pooler|classifier|seq_relationship|score|qa_outputs|v_head|value_head|reward_head"
    r"|mtp|nextn|projector|connector|aligner|resampler|talker|token2wav|code2wav)(_\w+)?"
    r"|(\w+_)?(vision|visual|image|vit|audio|speech)(_\w+)?"
)
LORA = re.compile(r"(^|[._])lora_(A|B|a|b|down|up|embedding_A|embedding_B|magnitude_vector)(\.|$)")
SCALE = re.compile(r"(^|\.)(weight_scale|weight_scale_inv|weight_scale_2|input_scale|scale_inv|scales|qzeros|absmax)$")
MORE_TOKENS = re.compile(r"(nextn|mtp)")  # in the names of settings that count such layers


def check_report(model: PreTrainedModel, report: Mapping[str, Any], name: str) -> None:
    """Refuses a model with weights that its files do not have, or have and the model does not.

    Args:
        report: what `from_pretrained` gives with `output_loading_info` and `ignore_mismatched_sizes`.
        name: how the user named the model.

    Raises:
        ModelError: weights that are missing, have another shape, or are unknown to the class where that matters.
    """
    unexpected = sorted(report["unexpected_keys"])
    lora = [key for key in unexpected if LORA.search(key)]
    if lora:
        raise ModelError(
            f"{name}: its weights hold {len(lora)} LoRA tensors beside the model's own (such as {lora[0]}): merge the "
            "adapter into it first (`merge_and_unload` of PEFT), or name the base model"
        )
    if report["mismatched_keys"]:
        raise ModelError(_mismatched(model, sorted(report["mismatched_keys"]), name))
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(
            f"{name}: {len(missing)} weights are missing (such as {missing[0]}) and would be random: "
            "complete its files, or name the class it was saved from in config.json"
        )
    skipped = getattr(model.config, "quantization_config", None)
    if isinstance(skipped, dict) and not hasattr(model, "hf_quantizer"):
        method = skipped.get("quant_method", "an unnamed method")
        raise ModelError(
            f"{name}: its weights are quantised with {method}, which transformers does not know and skips: give the "
            "model in its original weights"
        )
    unknown = [key for key in unexpected if not _harmless(model, key)]
    if unknown:
        raise ModelError(_unknown(model, unknown, name))
    if unexpected:
        log.info("%s: %d weights are left out, such as %s", name, len(unexpected), unexpected[0])


@contextmanager
def without_table() -> Iterator[None]:
    """Keeps the table of transformers off the terminal: what matters of it is said in one line."""
    logger = logging.getLogger("transformers.modeling_utils")

    def not_the_table(record: logging.LogRecord) -> bool:
        return "LOAD REPORT" not in record.getMessage()

    logger.addFilter(not_the_table)
    try:
        yield
    finally:
        logger.removeFilter(not_the_table)


def _mismatched(model: PreTrainedModel, found: list[tuple[str, Any, Any]], name: str) -> str:
    key, there, expected = found[0]
    embedding = model.get_input_embeddings().weight
    for one in found:
        if model.get_parameter_or_buffer(one[0]) is embedding:
            return (
                f"{name}: its embedding has {one[1][0]} rows and its config.json says vocab_size {one[2][0]}: bring "
                "the config.json that was saved with these weights"
            )
    return (
        f"{name}: {len(found)} weights have another shape than config.json says (such as {key}: {tuple(there)} instead "
        f"of {tuple(expected)}): bring the config.json that was saved with them"
    )


def _unknown(model: PreTrainedModel, keys: list[str], name: str) -> str:
    scales = [key for key in keys if SCALE.search(key)]
    if scales:
        return (
            f"{name}: {len(scales)} scales of quantised weights (such as {scales[0]}) and no quantization_config that "
            "uses them, so that the weights would be read unscaled: bring the config.json that was saved with them"
        )
    return (
        f"{name}: {len(keys)} of its weights (such as {keys[0]}) have no place in {type(model).__name__} as "
        "config.json describes it: bring the config.json that was saved with them"
    )


def _harmless(model: PreTrainedModel, key: str) -> bool:
    if COMPUTED.search(key):
        return True
    owner, rest = _owner(model, key.split("."))
    if BESIDE.fullmatch(rest[0]):
        return True
    if isinstance(owner, nn.ModuleList) and rest[0].isdigit():
        return int(rest[0]) < len(owner) + _further(model)
    # What a quantiser keeps beside a weight is its own affair.
    return getattr(model, "hf_quantizer", None) is not None and len(rest) == 1 and not isinstance(owner, nn.ModuleList)


def _owner(model: PreTrainedModel, path: list[str]) -> tuple[nn.Module, list[str]]:
    """The innermost module of the model on the way to a weight, and the rest of the way.

    Weights that were saved without their head are named from the base model on.
    """
    found = []
    for start in (model, model.base_model):
        owner, rest = start, path
        while len(rest) > 1 and (inner := owner._modules.get(rest[0])) is not None:
            owner, rest = inner, rest[1:]
        found.append((owner, rest))
    return min(found, key=lambda pair: len(pair[1]))


def _further(model: PreTrainedModel) -> int:
    """How many layers after the blocks predict further tokens."""
    settings = model.config.get_text_config().to_dict().items()
    counts = [value for key, value in settings if MORE_TOKENS.search(key) and isinstance(value, int)]
    return max(counts, default=0)
