"""Whether the files of a model folder are all there and whole, seen from outside: names, sizes and first bytes.

In: a folder. Out: the files that hold its weights, or one line on what is wrong. A Git LFS pointer stands in a file's
place where only `git clone` was run:

    version https://git-lfs.github.com/spec/v1
    oid sha256:...
    size 269060552

No torch, no network: the dashboard asks before anything is queued.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from domlora.data.text_files import LFS_POINTER
from domlora.errors import ModelError

PICKLE_PATTERNS = ("*.bin", "*.pt", "*.pth", "*.ckpt")
DESCRIBING_PATTERNS = (  # what is read besides the weights
    "*config.json", "tokenizer*", "vocab*", "merges*", "*.model", "chat_template*", "special_tokens_map.json",
    "added_tokens.json",
)  # fmt: skip
WEIGHTS, WEIGHTS_INDEX = "model.safetensors", "model.safetensors.index.json"  # as `save_pretrained` names them
ADAPTER_CONFIG = "adapter_config.json"
LONGEST_HEADER = 100_000_000  # bytes, the limit of safetensors itself


def check_files(folder: Path) -> None:
    """Refuses a folder whose files `loading` could not or would not load.

    Raises:
        ModelError: no access, no configuration, no weights, pickle weights only, an adapter instead of a model, or a
            file that is a Git LFS pointer, cut off or missing.
    """
    try:
        names = set(os.listdir(folder))
        _check_described(folder, names)
        files = weight_files(folder)
        if not files:
            raise ModelError(_no_weights(folder, names))
        for path in files:
            _check_safetensors(path)
    except OSError as error:
        raise ModelError(f"cannot read {error.filename or folder}: {error.strerror or error}") from error


def weight_files(folder: Path) -> tuple[Path, ...]:
    """The safetensors that `from_pretrained` reads, in the order of their names; none if it finds none.

    Raises:
        ModelError: an index that is damaged or a Git LFS pointer.
    """
    named = read_config(folder).get("transformers_weights")
    if isinstance(named, str) and not named.endswith(".index.json"):
        return (folder / named,)
    if named is None and (folder / WEIGHTS).exists():
        return (folder / WEIGHTS,)
    index = folder / (named if isinstance(named, str) else WEIGHTS_INDEX)
    if not index.exists():
        return ()
    check_no_pointer(index)
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(isinstance(name, str) for name in shards.values()):
        raise ModelError(f"{index} does not say where the weights lie: bring it again")
    return tuple(folder / name for name in sorted(set(shards.values())))


def holds_adapter(folder: Path) -> bool:
    """Whether a PEFT adapter lies in the folder, by itself or beside a model."""
    return (folder / ADAPTER_CONFIG).exists()


def read_config(folder: Path) -> dict[str, Any]:
    """What config.json says.

    Raises:
        ModelError: it is no JSON object.
    """
    return read_json(folder / "config.json")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object.

    Raises:
        ModelError: the file cannot be read, or holds something else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise ModelError(f"{path} cannot be read ({error}): bring it again") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} holds a {type(found).__name__} where a JSON object is expected: bring it again")
    return found


def check_no_pointer(path: Path) -> None:
    """Raises ModelError if a Git LFS pointer stands in the place of a file."""
    with path.open("rb") as file:
        if file.read(len(LFS_POINTER)) == LFS_POINTER:
            raise ModelError(f"{path} is a Git LFS pointer, not the file itself: run `git lfs pull` in its folder")


def _check_described(folder: Path, names: set[str]) -> None:
    if "config.json" not in names:
        if ADAPTER_CONFIG in names:
            raise ModelError(_only_adapter(folder))
        ggufs = sorted(name for name in names if name.endswith(".gguf"))
        hint = f"name the file itself: {folder / ggufs[0]}" if ggufs else "save a model there with save_pretrained"
        raise ModelError(f"{folder} has no config.json, so it holds no transformers model: {hint}")
    for path in sorted({path for pattern in DESCRIBING_PATTERNS for path in folder.glob(pattern) if path.is_file()}):
        check_no_pointer(path)


def _no_weights(folder: Path, names: set[str]) -> str:
    if ADAPTER_CONFIG in names:
        return _only_adapter(folder)
    others = sorted(name for name in names if name.endswith(".safetensors"))
    if others:
        return (
            f"{folder} has {others[0]} but neither {WEIGHTS} nor {WEIGHTS_INDEX}: bring the file that is missing, "
            "or save the model again with save_pretrained"
        )
    if any(any(folder.glob(pattern)) for pattern in PICKLE_PATTERNS):
        return (
            f"{folder} holds pickle weights only, which can run code when loaded and are refused: "
            "save them again with save_pretrained (safetensors)"
        )
    return f"{folder} has a config.json but no weights: put its *.safetensors beside it"


def _only_adapter(folder: Path) -> str:
    return f"{folder} holds a PEFT adapter, not a model: name the base model it was trained on"


def _check_safetensors(path: Path) -> None:
    """Compares the size of a file with what its header says: 8 bytes of length, the header in JSON, the tensors."""
    if not path.exists():
        raise ModelError(f"{path} is missing, and {WEIGHTS_INDEX} or config.json names it: bring that file too")
    check_no_pointer(path)
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size - 8, LONGEST_HEADER):
            raise ModelError(f"{path} is truncated or damaged: bring it again")
        try:
            header = json.loads(file.read(length))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
            whole = 8 + length + max(ends, default=0)
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            raise ModelError(f"{path} is damaged, its header cannot be read: bring it again") from error
    if size < whole:
        raise ModelError(f"{path} is truncated, {size} of {whole} bytes are there: bring it again")
