"""Which model is meant: a built-in or reference name, a Hub id, a folder or a .gguf file becomes a ModelRef.

Cheap and offline: no torch, no network, so that the dashboard can check a request before it is queued.
`fetch` brings the files, `loading` makes a model of them.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from domlora.errors import ModelError
from domlora.models.catalogue import known_models
from domlora.models.files import check_files, check_no_pointer, read_config
from domlora.models.gguf import parts_of, whole_name

GGUF_MAGIC = b"GGUF"
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
LONGEST_HUB_ID = 96  # characters, by the Hub's own rule
SHOWN = 100  # characters of a name that are repeated in an error

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
        if self.kind == "folder":
            return os.path.basename(os.path.abspath(self.path))
        return whole_name(self.path.resolve()) if self.kind == "gguf" else self.source.split("/")[-1]


def resolve(source: str, revision: str | None = None) -> ModelRef:
    """Says what `source` names and checks what can be checked without network.

    Raises:
        ModelError: nothing of that name, a folder without usable weights, or a file that is no GGUF.
    """
    source = source.strip()
    if source in known_models():
        ref = ModelRef(source=source, kind="builtin")
    elif (found := _on_disk(source)) == "folder":
        ref = _in_folder(source)
    elif found == "file":
        ref = ModelRef(source=source, kind="gguf")
        _check_gguf(ref.path)
    elif HUB_ID.fullmatch(source) and not source.endswith(".gguf") and len(source) <= LONGEST_HUB_ID:
        return ModelRef(source=source, kind="hub", revision=revision)
    else:
        shown = repr(source if len(source) <= SHOWN else f"{source[:SHOWN]}…")
        raise ModelError(
            f"no model {shown}: give a built-in name ({', '.join(known_models())}), a Hub id such as "
            "org/name, a folder with safetensors, or a .gguf file that exists"
        )
    if revision is not None:
        raise ModelError(f"a revision belongs to a Hub id, and {source!r} is a {ref.kind}: leave the revision out")
    return ref


def _on_disk(source: str) -> Literal["folder", "file"] | None:
    """What lies at a path, None if nothing does or no path can be called so."""
    try:
        mode = Path(source).expanduser().stat().st_mode if source else 0
    except (RuntimeError, ValueError):  # a user without a home, a NUL character
        return None
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP):
            return None
        raise ModelError(f"cannot read {source}: {error.strerror}") from error
    return "folder" if stat.S_ISDIR(mode) else "file" if stat.S_ISREG(mode) else None


def _in_folder(source: str) -> ModelRef:
    """A folder, or the split GGUF that it holds and nothing else."""
    ref = ModelRef(source=source, kind="folder")
    try:
        names = set(os.listdir(ref.path))
    except OSError as error:
        raise ModelError(f"cannot read {source}: {error.strerror}") from error
    ggufs = sorted(name for name in names if name.endswith(".gguf"))
    wholes = {whole_name(Path(name)) for name in ggufs}
    if "config.json" in names or len(wholes) != 1 or ggufs[0] == f"{wholes.pop()}.gguf":
        check_folder(ref.path)
        return ref
    first = ModelRef(source=os.path.join(source, ggufs[0]), kind="gguf")
    _check_gguf(first.path)
    return first


def check_folder(folder: Path) -> None:
    """Refuses a folder that `loading` could not or would not load.

    Raises:
        ModelError: as `check_files` and `objective_of`.
    """
    check_files(folder)
    objective_of(folder)


def objective_of(folder: Path) -> Objective | None:
    """What the model in a folder predicts, by the class it was saved from; None if its config.json names none.

    Raises:
        ModelError: a class without a language head, such as a classifier, or a config.json that is no JSON.
    """
    config = read_config(folder)
    classes = config.get("architectures") or []
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise ModelError(f"{folder / 'config.json'} names {classes!r} as `architectures`: make it a list of names")
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
    for part in parts_of(path):
        try:
            check_no_pointer(part)
            with part.open("rb") as file:
                magic = file.read(len(GGUF_MAGIC))
        except OSError as error:
            raise ModelError(f"cannot read {part}: {error.strerror}") from error
        if magic != GGUF_MAGIC:
            raise ModelError(f"{part} is not a GGUF file: give a .gguf file, or the folder of a transformers model")
