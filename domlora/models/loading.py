"""From a model's files to a frozen model and its tokenizer on a device. Safetensors only, no remote code.

What a model was trained to predict decides how it is loaded and how samples are put to it: the next token (causal), a
masked one (masked), or an answer that a decoder writes to what an encoder reads (seq2seq).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from domlora.data.encoding import Encoding, encode
from domlora.data.objectives import encode_masked, encode_pairs
from domlora.data.samples import Sample
from domlora.errors import ModelError
from domlora.models.device import Dtype, choose_device, choose_dtype
from domlora.models.fetch import LocalModel, localise
from domlora.models.reference import Objective, objective_of, resolve

TOKENIZER_PATTERNS = ("tokenizer*", "vocab*", "merges*", "*.model")
LOAD_ERRORS = (OSError, ValueError, KeyError, ImportError, RuntimeError, SafetensorError)


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A language model ready to be probed: eval mode, so that no dropout enters a measurement."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    local: LocalModel
    objective: Objective = "causal"

    @property
    def name(self) -> str:
        return self.local.ref.name

    @property
    def base_name(self) -> str:
        """How an adapter names its base: what `from_pretrained` takes, or the GGUF file it was converted from."""
        return self.local.origin.base_name or str(self.local.ref.path.resolve())

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> str:
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def architecture(self) -> str:
        return type(self.model).__name__

    def encode(self, samples: Sequence[Sample], max_length: int, seed: int = 0) -> Encoding:
        """Token ids of samples, in the form that this model learns from.

        Args:
            max_length: in tokens; a model that has no positions for so many gets fewer.
            seed: of what is drawn at random: the tokens that a masked model has to tell.

        Raises:
            TaskError: none of the samples can be used.
        """
        if self.objective == "causal":
            return encode(samples, self.tokenizer, max_length)
        length = min([max_length, *_positions(self.model)])
        if self.objective == "masked":
            return encode_masked(samples, self.tokenizer, length, seed)
        return encode_pairs(samples, self.tokenizer, length, self.decoder_inputs)

    def decoder_inputs(self, labels: Sequence[int]) -> Sequence[int]:
        """What an encoder-decoder reads to predict labels: those shifted right by its own rule.

        Raises:
            ModelError: nothing says how an answer begins.
        """
        shift = getattr(self.model, "prepare_decoder_input_ids_from_labels", None)
        start = getattr(self.model.config, "decoder_start_token_id", None)
        try:
            if shift is not None:
                return shift(labels=torch.tensor([labels]))[0].tolist()
        except (ValueError, TypeError) as error:
            raise self._no_start() from error
        if start is None:
            raise self._no_start()
        return [start, *labels[:-1]]

    def _no_start(self) -> ModelError:
        return ModelError(
            f"{self.name}: its config.json names no decoder_start_token_id, so that nothing says how an answer begins: "
            "add it (T5 takes its padding token's)"
        )


def _positions(model: PreTrainedModel) -> list[int]:
    """How many tokens each table of absolute positions has room for."""
    tables = [
        m for name, m in model.named_modules() if "position" in name.split(".")[-1] and isinstance(m, nn.Embedding)
    ]
    # RoBERTa begins to count after the padding token's id, BART two rows into the table.
    before = [getattr(m, "offset", 0 if m.padding_idx is None else m.padding_idx + 1) for m in tables]
    return [table.num_embeddings - skipped for table, skipped in zip(tables, before, strict=True)]


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
        ModelError: it cannot be found, fetched or loaded, or has no loss over the tokens of a text.
    """
    return load_local(localise(resolve(str(source), revision)), dtype=dtype, device=device)


def load_local(local: LocalModel, *, dtype: Dtype = "auto", device: str = "auto") -> LoadedModel:
    """Loads what `fetch.localise` brought; arguments and errors as `load_model`."""
    place = choose_device(device)
    number_type = choose_dtype(dtype, place)
    folder = local.folder
    try:
        _, objective, auto = _described(folder)
        tokenizer = _tokenizer(folder)
        loaded: Any = auto.from_pretrained(folder, dtype=number_type, use_safetensors=True, output_loading_info=True)
    except LOAD_ERRORS as error:
        raise _cannot_load(local, error) from error
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
    loaded_model = LoadedModel(model, tokenizer, local, objective)
    if objective == "seq2seq":
        loaded_model.decoder_inputs([0])
    return loaded_model


def load_skeleton(local: LocalModel) -> LoadedModel:
    """A model without its weights, on the `meta` device: it can encode samples and nothing else.

    Raises:
        ModelError: as `load_local`, but for what only weights show.
    """
    try:
        config, objective, auto = _described(local.folder)
        tokenizer = _tokenizer(local.folder)
        with torch.device("meta"):
            model = auto.from_config(config)
    except LOAD_ERRORS as error:
        raise _cannot_load(local, error) from error
    return LoadedModel(model, tokenizer, local, objective)


def _described(folder: Path) -> tuple[PretrainedConfig, Objective, Any]:
    """The configuration of a model, what it predicts, and the class of transformers that brings it."""
    config = AutoConfig.from_pretrained(folder)
    objective = objective_of(folder) or _by_type(config)
    if getattr(config, "is_encoder_decoder", False):  # by its class, where config.json does not say so
        objective = "seq2seq"
    return config, objective, _auto_class(config, objective, folder)


def _cannot_load(local: LocalModel, error: Exception) -> ModelError:
    reason = (str(error) or type(error).__name__).strip().splitlines()[0][:300]
    return ModelError(f"cannot load {local.ref.source}: {reason}")


def _tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    # Looked for by hand: without a file, some classes (GPT-2's) start with an empty vocabulary and say nothing.
    if not any(any(folder.glob(pattern)) for pattern in TOKENIZER_PATTERNS):
        raise ModelError(f"{folder} has no tokenizer: put the tokenizer.json of this model beside its weights")
    return AutoTokenizer.from_pretrained(folder)


def _by_type(config: PretrainedConfig) -> Objective:
    """The objective of a model whose config.json names no class."""
    if getattr(config, "is_encoder_decoder", False):
        return "seq2seq"
    # BERT and its kin have a causal form too, which is marked.
    masked = type(config) in AutoModelForMaskedLM._model_mapping and not getattr(config, "is_decoder", False)
    return "masked" if masked else "causal"


def _auto_class(config: PretrainedConfig, objective: Objective, folder: Path) -> Any:
    """The class of transformers that brings this model with its language head.

    Raises:
        ModelError: none has a loss over the tokens of a text for it.
    """
    choices: dict[Objective, tuple[Any, ...]] = {
        "causal": (AutoModelForCausalLM, AutoModelForImageTextToText),
        "seq2seq": (AutoModelForSeq2SeqLM,),
        "masked": (AutoModelForMaskedLM,),
    }
    autos = choices[objective]
    if any("ForConditionalGeneration" in name for name in config.architectures or ()):
        autos = autos[::-1]  # with its vision tower, which its weights name; text runs through the rest alone
    for auto in autos:
        if type(config) in auto._model_mapping:
            return auto
    raise ModelError(
        f"{folder.name} is a {config.model_type} model, which has no loss over the tokens of a text alone: "
        "name a causal, masked or encoder-decoder language model"
    )
