"""From a model's files to a frozen model and its tokenizer on a device. Safetensors only, no remote code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from domlora.errors import ModelError
from domlora.fetch import LocalModel, localise
from domlora.models import base_name, resolve

TOKENIZER_PATTERNS = ("tokenizer*", "vocab*", "merges*", "*.model")
Dtype = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A causal language model ready to be probed: eval mode, so that no dropout enters a measurement."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    local: LocalModel

    @property
    def name(self) -> str:
        return self.local.ref.name

    @property
    def base_name(self) -> str:
        """How an adapter names its base: what `from_pretrained` takes, or the GGUF file it was converted from."""
        return base_name(self.name, self.local.origin) or str(self.local.ref.path.resolve())

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> str:
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def architecture(self) -> str:
        return type(self.model).__name__


def load_model(
    source: str | Path, *, revision: str | None = None, dtype: Dtype = "auto", device: str = "auto"
) -> LoadedModel:
    """Loads a model and its tokenizer.

    Args:
        source: built-in name, Hub id, folder or .gguf file.
        revision: branch, tag or commit of a Hub id.
        dtype: `auto` is bfloat16 on a GPU that has it, else float32.
        device: `auto` is CUDA, else MPS, else the CPU.

    Raises:
        ModelError: it cannot be found, fetched or loaded, or is no causal language model.
    """
    return load_local(localise(resolve(str(source), revision)), dtype=dtype, device=device)


def load_local(local: LocalModel, *, dtype: Dtype = "auto", device: str = "auto") -> LoadedModel:
    """Loads what `fetch.localise` brought; arguments and errors as `load_model`."""
    place = choose_device(device)
    number_type = choose_dtype(dtype, place)
    folder = local.folder
    try:
        config = AutoConfig.from_pretrained(folder)
        _check_config(config, folder)
        tokenizer = _tokenizer(folder)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=number_type, use_safetensors=True, output_loading_info=True
        )
    except (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError) as error:
        reason = (str(error) or type(error).__name__).strip().splitlines()[0][:300]
        raise ModelError(f"cannot load {local.ref.source}: {reason}") from error
    model, report = loaded
    if report["missing_keys"]:
        names = sorted(report["missing_keys"])
        raise ModelError(
            f"{local.ref.source}: {len(names)} weights are missing (such as {names[0]}) and would be random: "
            "complete the folder, or name the class it was saved from in config.json"
        )
    try:
        model = model.to(place).eval()
    except torch.OutOfMemoryError as error:
        raise ModelError(
            f"{local.ref.source} does not fit on {place} in {number_type}: try bfloat16 or the CPU"
        ) from error
    return LoadedModel(model, tokenizer, local)


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    try:
        return AutoTokenizer.from_pretrained(folder)
    except (OSError, ValueError, KeyError, ImportError) as error:
        if any(
            any(folder.glob(pattern)) for pattern in TOKENIZER_PATTERNS
        ):  # a file is there, and has a reason to fail
            raise
        raise ModelError(
            f"{folder} has no tokenizer: put the tokenizer.json of this model beside its weights"
        ) from error


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


def _check_config(config: object, folder: Path) -> None:
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"{folder.name} is an encoder-decoder: only causal language models can be probed so far")
    classes = json.loads((folder / "config.json").read_text()).get("architectures") or []
    if classes and not any("CausalLM" in name or "LMHead" in name or "ForConditional" in name for name in classes):
        raise ModelError(f"{folder.name} is a {classes[0]}: only causal language models can be probed so far")
