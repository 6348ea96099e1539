"""What is taken away as GGUF, converted by the scripts of the user's own llama.cpp checkout.

    convert_lora_to_gguf.py   --base FOLDER OF THE BASE   adapter_uniform/  ->  adapter.gguf
    convert_hf_to_gguf.py                                 merged/           ->  merged.gguf

llama.cpp reads one alpha for all ranks of an adapter, so that only one of a single rank is right there: `uniform`
makes it. The scripts run with this environment's Python and need torch, transformers and gguf, which domlora needs too.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from domlora.errors import SweepError

ADAPTERS, MODELS = "convert_lora_to_gguf.py", "convert_hf_to_gguf.py"
VARIABLE = "LLAMA_CPP"
TYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def find_llama_cpp(named: Path | None) -> Path:
    """The checkout that was named, else that of $LLAMA_CPP.

    Raises:
        SweepError: none is named, or it lacks a converter.
    """
    folder = named or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if folder is None:
        raise SweepError(
            f"GGUF is written by llama.cpp's converters: name a checkout of it with --llama-cpp or ${VARIABLE}"
        )
    folder = folder.expanduser()
    for script in (ADAPTERS, MODELS):
        if not (folder / script).is_file():
            raise SweepError(f"{folder} is no checkout of llama.cpp: it has no {script}")
    return folder


def adapter_gguf(checkout: Path, base: Path, adapter: Path, out: Path) -> None:
    """Converts an adapter of one rank.

    Args:
        base: a folder with configuration and tokenizer of the base model.
        adapter: a PEFT folder, as `write_uniform` makes it.

    Raises:
        SweepError: the converter ends with an error, whose last line is said.
    """
    _convert(checkout, ADAPTERS, ["--outtype", "f32", "--base", str(base)], adapter, out)


def model_gguf(checkout: Path, folder: Path, out: Path, dtype: str) -> None:
    """Converts a whole model, in the dtype that it has.

    Raises:
        SweepError: the converter ends with an error, whose last line is said.
    """
    _convert(checkout, MODELS, ["--outtype", TYPES[dtype]], folder, out)


def _convert(checkout: Path, script: str, options: list[str], source: Path, out: Path) -> None:
    # Absolute: what begins with a dash would be an option.
    command = [sys.executable, str((checkout / script).resolve()), *options, "--outfile", str(out.resolve())]
    try:
        done = subprocess.run(
            [*command, str(source.resolve())], capture_output=True, text=True, encoding="utf-8", errors="replace",
            env={**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONUTF8": "1"},
        )  # fmt: skip
    except OSError as error:
        raise SweepError(f"{script} cannot be run: {error.strerror}") from error
    if done.returncode or not out.exists():
        out.unlink(missing_ok=True)
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()]
        reason = lines[-1].strip() if lines else f"it ended with status {done.returncode}"
        raise SweepError(f"{script} of llama.cpp failed: {reason}{_way_out(reason, checkout)}")


def _way_out(reason: str, checkout: Path) -> str:
    if "ModuleNotFoundError" not in reason:
        return ""
    return f". Install what it needs into this environment ({checkout / 'requirements'} lists it)"
