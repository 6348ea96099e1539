"""A model with an adapter in its weights: a folder that loads like any other, and needs no PEFT.

    W' = round(float32(W) + s·B·A)      each adapted weight is rounded once, to the dtype that the base is stored in

In: the base as a run names it, and a PEFT adapter folder. Out: safetensors (in several files where transformers splits
them), configuration, tokenizer and chat template. What PEFT merges is merged: DoRA, rsLoRA, ranks that differ, experts.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from safetensors import SafetensorError
from torch import nn
from transformers import PreTrainedModel

from domlora.comparison.run import Run
from domlora.errors import SweepError
from domlora.export.saved import SavedAdapter, read_adapter
from domlora.models.fetch import LocalModel, localise
from domlora.models.files import read_config
from domlora.models.loading import load_local
from domlora.models.reference import resolve
from domlora.progress import Progress

NESTED = ".base_layer"  # PEFT's name for the first of two parameters of one module


def base_of(run: Run, progress: Progress | None = None) -> LocalModel:
    """The files of a run's base model on this disk, fetched where they are not here.

    Raises:
        SweepError: nothing says where it lies, or it is another one by now.
        ModelError: it cannot be found, fetched or read.
    """
    origin = run.model_origin
    if origin is None or not origin.known:
        raise SweepError(f"run {run.id} does not say where its model lies ({run.model_source}): compare again")
    local = localise(resolve(origin.named_again, origin.revision if origin.kind == "hub" else None), progress)
    if run.model_revision and local.revision != run.model_revision:
        raise SweepError(
            f"{origin.named_again} is not what run {run.id} was trained on: its files have changed since "
            f"({run.model_revision[:12]} then, {local.revision[:12]} now)"
        )
    return local


def write_merged(local: LocalModel, adapter_folder: Path, out: Path) -> str:
    """Writes the base model with the adapter merged into it, on the CPU.

    Args:
        out: a folder that is not there or is empty.

    Returns:
        The dtype of its weights.

    Raises:
        SweepError: a quantised base, an adapter of another model or with values that are not finite, no space.
        ModelError: the base cannot be loaded.
    """
    adapter = read_adapter(adapter_folder)
    stored = _stored_dtype(local)
    if adapter.residual:
        raise SweepError(
            f"the adapter in {adapter_folder} starts as {adapter.config['init_lora_weights']} and was saved without "
            "its first values: save it as plain LoRA (PEFT's path_initial_model_for_weight_conversion)"
        )
    loaded = load_local(local, dtype="bfloat16" if stored == torch.bfloat16 else "float32", device="cpu")
    model: Any = loaded.model
    _untie(model, adapter)
    adapted = set(_adapted(model, adapter))
    for module in adapted:
        _cast(module, torch.float32)
    model = _merged(model, adapter, adapter_folder)
    for module in adapted:
        _cast(module, stored)
    if stored == torch.float16:
        model = model.to(stored)
    try:
        model.save_pretrained(out)
        loaded.tokenizer.save_pretrained(out)
        for vocabulary in local.folder.glob("*.model"):  # SentencePiece's own file, which converters ask for
            shutil.copyfile(vocabulary, out / vocabulary.name)
    except (OSError, SafetensorError, ValueError) as error:
        shutil.rmtree(out, ignore_errors=True)
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise SweepError(f"cannot write the merged model into {out}: {reason}") from error
    return str(stored).removeprefix("torch.")


def _stored_dtype(local: LocalModel) -> torch.dtype:
    """What the base's weights are stored in; float32 where its configuration does not say."""
    config = read_config(local.folder)
    quantised = config.get("quantization_config")
    if isinstance(quantised, dict):
        raise SweepError(
            f"{local.ref.source} is quantised ({quantised.get('quant_method', 'an unnamed method')}), and nothing can "
            "be merged into quantised weights: serve the adapter beside it, or merge it into the original weights"
        )
    text = config.get("text_config")
    named = [where.get(key) for where in (config, text or {}) for key in ("dtype", "torch_dtype")]
    name = next((name for name in named if isinstance(name, str)), "float32")
    return {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(name, torch.float32)


def _untie(model: PreTrainedModel, adapter: SavedAdapter) -> None:
    """A head or an embedding that is adapted alone gets a weight of its own."""
    embedding: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()
    if embedding is None or head is None or head.weight is not embedding.weight:
        return
    names = {name: module for name, module in model.named_modules() if module in (embedding, head)}
    if not any(name in names for name in adapter.outside):
        return
    head.weight = nn.Parameter(head.weight.detach().clone())
    model.config.tie_word_embeddings = False
    model.config.get_text_config().tie_word_embeddings = False
    model.all_tied_weights_keys = {}


def _adapted(model: PreTrainedModel, adapter: SavedAdapter) -> Iterator[nn.Module]:
    for module in adapter.modules:
        name = module.name.removesuffix(NESTED)
        try:
            yield model.get_submodule(name)
        except AttributeError as error:
            raise SweepError(f"{name} is not in {type(model).__name__}: the adapter is of another model") from error


def _cast(module: nn.Module, dtype: torch.dtype) -> None:
    for parameter in module.parameters(recurse=False):
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


def _merged(model: PreTrainedModel, adapter: SavedAdapter, folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PEFT on tied embeddings and on Conv1D, both of which are as they should be
        try:
            adapted: Any = PeftModel.from_pretrained(model, str(folder))
            attached = sum(isinstance(layer, LoraLayer) for layer in adapted.modules())
            if attached != len(adapter.modules):
                raise SweepError(
                    f"the adapter in {folder} has {len(adapter.modules)} modules, and {attached} of the model take it: "
                    "it is of another model"
                )
            return adapted.merge_and_unload(safe_merge=True)
        except (ValueError, RuntimeError, KeyError) as error:
            raise SweepError(f"cannot merge the adapter in {folder}: {str(error).splitlines()[0]}") from error
