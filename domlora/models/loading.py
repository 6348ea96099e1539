"""From a model's files to a frozen model and its tokenizer on a device. Safetensors only, no remote code.

What a model was trained to predict decides how it is loaded and how samples are put to it: the next token (causal), a
masked one (masked), or an answer that a decoder writes to what an encoder reads (seq2seq).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    AutoModelForMaskedLM,
    AutoModelForSeq2SeqLM,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from domlora.data.batches import LengthRule
from domlora.data.encoding import Encoding, encode
from domlora.data.objectives import encode_masked, encode_pairs
from domlora.data.samples import Sample
from domlora.errors import ModelError
from domlora.models.device import Dtype, choose_device, choose_dtype
from domlora.models.fetch import LocalModel, localise
from domlora.models.files import holds_adapter, read_config
from domlora.models.origin import base_of
from domlora.models.positions import longest
from domlora.models.reference import Objective, objective_of, resolve
from domlora.models.report import check_report, without_table
from domlora.models.rotary import forget_lengths, length_rule
from domlora.models.tokenizer import load_tokenizer

log = logging.getLogger(__name__)

# transformers loads an adapter that it finds beside a model; it is told to look where there is none.
NO_FOLDER = "no-adapter"


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
    def base_revision(self) -> str | None:
        """The commit of a base from the Hub, for adapters too."""
        return base_of(self.local.origin, self.local.source, self.local.revision)[1]

    @property
    def device(self) -> torch.device:
        return self.model.device

    @property
    def dtype(self) -> str:
        return str(self.model.dtype).removeprefix("torch.")

    @property
    def architecture(self) -> str:
        return type(self.model).__name__

    @property
    def longest(self) -> int | None:
        """Tokens of a sample that the model has places for; None if its positions have no end."""
        return longest(self.model)

    @property
    def length_rule(self) -> LengthRule | None:
        """Which lengths may share a batch; None if all may."""
        return length_rule(self.model)

    @property
    def embedding_rows(self) -> int:
        """Token ids that the model has an embedding for, counted from 0; a tokenizer may know more."""
        embedding: Any = self.model.get_input_embeddings()
        return embedding.weight.shape[0]

    def encode(self, samples: Sequence[Sample], max_length: int, seed: int = 0) -> Encoding:
        """Token ids of samples, in the form that this model learns from.

        Args:
            max_length: in tokens; a model that has no positions for so many gets fewer.
            seed: of what is drawn at random: the tokens that a masked model has to tell.

        Raises:
            TaskError: none of the samples can be used.
            ModelError: a sample has a token that the model has no embedding for.
        """
        length = max_length if self.longest is None else min(max_length, self.longest)
        if self.objective == "causal":
            encoding = encode(samples, self.tokenizer, length)
        elif self.objective == "masked":
            encoding = encode_masked(samples, self.tokenizer, length, seed)
        else:
            encoding = encode_pairs(samples, self.tokenizer, length, self.decoder_inputs)
        self._check_known(encoding)
        return encoding

    def _check_known(self, encoding: Encoding) -> None:
        """Raises ModelError if the tokenizer wrote a token that the model has no embedding for."""
        rows = self.embedding_rows
        for sample in encoding.samples:
            if (highest := max(sample.ids)) >= rows:
                raise ModelError(
                    f"{self.name} has {rows} embeddings, and its tokenizer writes token {highest} "
                    f"({self.tokenizer.convert_ids_to_tokens(highest)!r}) in row {sample.row}: resize the embeddings "
                    "and save the model again, or bring the tokenizer that belongs to it"
                )

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


def load_model(
    source: str | Path | LoadedModel, *, revision: str | None = None, dtype: Dtype = "auto", device: str = "auto"
) -> LoadedModel:
    """Loads a model and its tokenizer.

    Args:
        source: built-in name, Hub id, folder or .gguf file; what was loaded already comes back as it is.
        revision: branch, tag or commit of a Hub id.
        dtype: `auto` is bfloat16 on a GPU that has it, else float32.
        device: `auto` is CUDA, else MPS, else the CPU.

    Raises:
        ModelError: it cannot be found, fetched or loaded, or has no loss over the tokens of a text.
    """
    if isinstance(source, LoadedModel):
        return source
    if not isinstance(source, (str, Path)):
        raise ModelError(
            f"a model is given by its folder, .gguf file, Hub id or built-in name, this is a {type(source).__name__}: "
            "save it with save_pretrained, its tokenizer too, and give that folder"
        )
    return load_local(localise(resolve(str(source), revision)), dtype=dtype, device=device)


def load_local(local: LocalModel, *, dtype: Dtype = "auto", device: str = "auto") -> LoadedModel:
    """Loads what `fetch.localise` brought; arguments and errors as `load_model`."""
    place = choose_device(device)
    number_type = choose_dtype(dtype, place)
    name, folder = local.ref.source, local.folder
    _check_code(name, folder)
    options: dict[str, Any] = {
        "dtype": number_type, "use_safetensors": True, "output_loading_info": True, "ignore_mismatched_sizes": True,
        "trust_remote_code": False,
    }  # fmt: skip
    if holds_adapter(folder):
        log.info("%s holds an adapter beside the model: the model is loaded without it", name)
        options["adapter_kwargs"] = {"subfolder": NO_FOLDER}
    try:
        _, objective, auto = _described(folder)
        tokenizer = load_tokenizer(folder)
        with without_table():
            loaded: Any = auto.from_pretrained(folder, **options)
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # whatever a class of transformers stumbles over in files that do not fit it
        raise ModelError(_cannot_load(name, folder, error)) from error
    model, report = loaded
    check_report(model, report, name)
    forget_lengths(model)
    try:
        model = model.to(place).eval()
    except torch.OutOfMemoryError as error:
        raise ModelError(f"{name} does not fit on {place} in {number_type}: try bfloat16 or the CPU") from error
    loaded_model = LoadedModel(model, tokenizer, local, objective)
    if objective == "seq2seq":
        loaded_model.decoder_inputs([0])
    return loaded_model


def load_skeleton(local: LocalModel) -> LoadedModel:
    """A model without its weights, on the `meta` device: it can encode samples and nothing else.

    Raises:
        ModelError: as `load_local`, but for what only weights show.
    """
    model = empty_model(local)
    try:
        tokenizer = load_tokenizer(local.folder)
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # as in `load_local`
        raise ModelError(_cannot_load(local.ref.source, local.folder, error)) from error
    return LoadedModel(model, tokenizer, local, _described(local.folder)[1])


def empty_model(local: LocalModel) -> PreTrainedModel:
    """The modules of a model, without weights and tokenizer, on the `meta` device. Errors as `load_skeleton`."""
    name, folder = local.ref.source, local.folder
    _check_code(name, folder)
    try:
        config, _, auto = _described(folder)
        with torch.device("meta"):
            return auto.from_config(config)
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # as in `load_local`
        raise ModelError(_cannot_load(name, folder, error)) from error


def _described(folder: Path) -> tuple[PretrainedConfig, Objective, Any]:
    """The configuration of a model, what it predicts, and the class of transformers that brings it."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    objective = objective_of(folder) or _by_type(config)
    if getattr(config, "is_encoder_decoder", False):  # by its class, where config.json does not say so
        objective = "seq2seq"
    return config, objective, _auto_class(config, objective, folder)


def _check_code(name: str, folder: Path) -> None:
    """Raises ModelError for a model whose class is not one of transformers but comes as code beside its weights."""
    config = read_config(folder)
    if "auto_map" in config and config.get("model_type") not in CONFIG_MAPPING:
        raise ModelError(
            f"{name} needs Python code of its own (`auto_map` in config.json, trust_remote_code), which is not run: "
            "give a model of a class that transformers has"
        )


def _cannot_load(name: str, folder: Path, error: Exception) -> str:
    reason = (str(error) or type(error).__name__).strip().splitlines()[0][:300]
    quantised = read_config(folder).get("quantization_config")
    if isinstance(quantised, dict):
        method = quantised.get("quant_method", "an unnamed method")
        return (
            f"cannot load {name}, whose weights are quantised with {method} ({reason}): install what that needs, or "
            "give the model in its original weights"
        )
    return f"cannot load {name}: {reason}"


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
