"""One GGUF file becomes a folder of safetensors that transformers, PEFT and trainers take as any other model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from domlora.errors import ModelError


def convert_gguf(path: Path, folder: Path) -> None:
    """De-quantises a GGUF file into `folder` as float32 safetensors with tokenizer and chat template.

    Raises:
        ModelError: a truncated or damaged file, or an architecture that transformers does not read from GGUF.
    """
    from gguf import GGUFReader
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    try:
        GGUFReader(path)  # maps every tensor: a truncated file ends here and not in the middle of a conversion
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is truncated or damaged ({short(error)}): download it again") from error
    source = {"pretrained_model_name_or_path": str(path.parent), "gguf_file": path.name}
    try:
        tokenizer = AutoTokenizer.from_pretrained(**source)
        model: Any = AutoModelForCausalLM.from_pretrained(**source, dtype="float32")
    except (ValueError, KeyError, OSError, NotImplementedError, RuntimeError) as error:
        raise ModelError(
            f"transformers cannot read {path.name} ({short(error)}): give the safetensors folder of this model instead"
        ) from error
    # from_pretrained marks the model as quantised, and save_pretrained refuses it as long as it is.
    model.hf_quantizer, model.is_quantized, model.quantization_method = None, False, None
    del model.config.quantization_config
    try:
        model.save_pretrained(folder)
    except SafetensorError as error:  # how its writer reports a full disk
        raise ModelError(
            f"cannot write {path.name} as safetensors into {folder.parent} ({short(error)}): "
            "free some space, or set DOMLORA_HOME to another place"
        ) from error
    tokenizer.save_pretrained(folder)


def short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
