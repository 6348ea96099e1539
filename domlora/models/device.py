"""Where a model runs and what fits there: devices, dtypes, free memory, token budgets, running out of memory."""

from __future__ import annotations

import resource
import sys
from typing import Literal

import psutil
import torch
from transformers import PretrainedConfig, PreTrainedModel

from domlora.errors import ModelError

CPU_TOKENS = 2048  # larger batches are no faster on a CPU, and padding grows with them
GPU_TOKENS = 16384
MEMORY_FRACTION = 0.5  # of what is free; the rest is for what the estimate below leaves out


Dtype = Literal["auto", "float32", "bfloat16"]


def token_budget(model: PreTrainedModel, longest: int, device: torch.device) -> int:
    """Tokens of a batch that fit into memory beside the model, by a generous count of what a token holds.

    A token keeps about 20 hidden-size and 6 intermediate-size activations a block for the backward, one row of each
    held Gram matrix, and three copies of its logits.
    """
    config = model.config.get_text_config()
    hidden = _size(config, "hidden_size", "d_model")
    blocks = _size(config, "num_hidden_layers", "num_layers")  # an encoder and a decoder each have so many, or fewer
    inner = _size(config, "intermediate_size", "d_ff", "encoder_ffn_dim", default=4 * hidden)
    size = model.dtype.itemsize
    per_token = blocks * ((20 * hidden + 6 * inner) * size + 4 * longest * 4) + 3 * 4 * config.vocab_size
    budget = int(MEMORY_FRACTION * free_memory(device) / per_token)
    return max(longest, min(budget, GPU_TOKENS if device.type == "cuda" else CPU_TOKENS))


def _size(config: PretrainedConfig, *names: str, default: int = 1024) -> int:
    """The first of a configuration's numbers that is there; names differ from family to family."""
    return next((value for name in names if isinstance(value := getattr(config, name, None), int) and value), default)


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on the device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    return psutil.virtual_memory().available


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory, on a GPU or (in other words) on a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def release(device: torch.device) -> None:
    """Gives cached memory back after a batch did not fit; slow, so never after one that did."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def peak_memory(device: torch.device) -> int:
    """On a GPU what this probe took at its peak, on a CPU the peak of the whole process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def choose_device(device: str = "auto") -> torch.device:
    """The device asked for, or the best one here.

    Raises:
        ModelError: no such device on this machine.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        place = torch.device(device)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"device {device!r} is not usable here: use auto or cpu ({str(error).splitlines()[0]})"
        ) from error
    return place


def choose_dtype(dtype: Dtype, device: torch.device) -> torch.dtype:
    """float16 is not offered: gradients of single samples underflow in it without loss scaling."""
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    if dtype not in ("float32", "bfloat16"):
        raise ModelError(f"dtype {dtype!r} is not supported: use auto, float32 or bfloat16")
    return getattr(torch, dtype)
