"""Which model is meant: a built-in or reference name, a Hub id, a folder or a .gguf file becomes a ModelRef.

Cheap and offline: no torch, no network, so that the dashboard can check a request before it is queued.
`fetch` brings the files, `loading` makes a model of them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domlora.errors import ModelError
from domlora.models.catalogue import (
    known_models,
)

GGUF_MAGIC = b"GGUF"
PICKLE_PATTERNS = ("*.bin", "*.pt", "*.pth", "*.ckpt")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")

# What a language model was trained to predict: the next token, an answer to what an encoder reads, a masked token.
Objective = Literal["causal", "seq2seq", "masked"]
LANGUAGE_HEADS = ("CausalLM", "LMHead", "ForConditional", "MaskedLM", "ForPreTraining", "MTModel", "EncoderDecoder")
UNTRAINABLE = (
    "{name} is {what}, and comparisons train causal language models so far: probe this model and take the placement "
    "with `domlora place`"
)


class ModelRef(BaseModel):
    """Which model is meant, before anything is loaded.

    Attributes:
        source: as the user named it.
        kind: what that turned out to be.
        revision: branch, tag or commit of a Hub id; None is the default branch.
    """

    model_config = ConfigDict(frozen=True)

    source: str
    kind: Literal["builtin", "hub", "folder", "gguf"]
    revision: str | None = None

    @property
    def path(self) -> Path:
        """Of a folder or a .gguf file."""
        return Path(self.source).expanduser()

    @property
    def name(self) -> str:
        """Short name for tables and titles."""
        if self.kind == "builtin":
            return self.source
        return self.path.resolve().stem if self.kind == "gguf" else self.source.rstrip("/").split("/")[-1]


def resolve(source: str, revision: str | None = None) -> ModelRef:
    """Says what `source` names and checks what can be checked without network.

    Raises:
        ModelError: nothing of that name, a folder without usable weights, or a file that is no GGUF.
    """
    source = source.strip()
    if source in known_models():
        ref = ModelRef(source=source, kind="builtin")
    elif Path(source).expanduser().is_dir():
        ref = ModelRef(source=source, kind="folder")
        check_folder(ref.path)
    elif Path(source).expanduser().is_file() or source.endswith(".gguf"):
        ref = ModelRef(source=source, kind="gguf")
        _check_gguf(ref.path)
    elif HUB_ID.fullmatch(source):
        return ModelRef(source=source, kind="hub", revision=revision)
    else:
        raise ModelError(
            f"no model {source!r}: give a built-in name ({', '.join(known_models())}), a Hub id such as "
            "org/name, a folder with safetensors, or a .gguf file that exists"
        )
    if revision is not None:
        raise ModelError(f"a revision belongs to a Hub id, and {source!r} is a {ref.kind}: leave the revision out")
    return ref


def check_folder(folder: Path) -> None:
    """Refuses a folder that `loading` could not or would not load.

    Raises:
        ModelError: no configuration, no weights, pickle weights only, no language head, or an adapter instead of a
            model.
    """
    if (folder / "adapter_config.json").exists():
        raise ModelError(f"{folder} holds a PEFT adapter, not a model: name the base model it was trained on")
    if not (folder / "config.json").exists():
        ggufs = sorted(path.name for path in folder.glob("*.gguf"))
        hint = f"name the file itself: {folder / ggufs[0]}" if ggufs else "save a model there with save_pretrained"
        raise ModelError(f"{folder} has no config.json, so it holds no transformers model: {hint}")
    if not any(folder.glob("*.safetensors")):
        if any(any(folder.glob(pattern)) for pattern in PICKLE_PATTERNS):
            raise ModelError(
                f"{folder} holds pickle weights only, which can run code when loaded and are refused: "
                "save them again with save_pretrained (safetensors)"
            )
        raise ModelError(f"{folder} has a config.json but no weights: put its *.safetensors beside it")
    objective_of(folder)


def objective_of(folder: Path) -> Objective | None:
    """What the model in a folder predicts, by the class it was saved from; None if its config.json names none.

    Raises:
        ModelError: a class without a language head, such as a classifier, or a config.json that is no JSON.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise ModelError(f"{folder / 'config.json'} cannot be read ({error}): bring it again") from error
    classes = config.get("architectures") or []
    if not classes:
        return None
    if not any(head in name for name in classes for head in LANGUAGE_HEADS):
        raise ModelError(
            f"{folder.name} is a {classes[0]}, which has no loss over the tokens of a text: name the language model "
            "it was made from (causal, masked or encoder-decoder)"
        )
    if config.get("is_encoder_decoder", False):
        return "seq2seq"
    return "masked" if any("MaskedLM" in name or "ForPreTraining" in name for name in classes) else "causal"


def check_comparable(source: str, revision: str | None = None) -> None:
    """Raises ModelError if it is known already, without fetching anything, that comparisons cannot train this model."""
    ref = resolve(source, revision)
    if ref.kind == "folder":
        check_trainable(ref.name, objective_of(ref.path))


def check_trainable(name: str, objective: Objective | None) -> None:
    """Raises ModelError if comparisons cannot train such a model."""
    what = {"seq2seq": "an encoder-decoder", "masked": "a masked language model"}.get(objective or "causal")
    if what is not None:
        raise ModelError(UNTRAINABLE.format(name=name, what=what))


def _check_gguf(path: Path) -> None:
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}") from error
    if magic != GGUF_MAGIC:
        raise ModelError(f"{path} is not a GGUF file: give a .gguf file, or the folder of a transformers model")
