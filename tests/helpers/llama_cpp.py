"""llama.cpp's own converters, for tests: of $LLAMA_CPP, else out of the source package of its Python bindings.

llama_cpp_python-0.3.36/vendor/llama.cpp/convert_lora_to_gguf.py, convert_hf_to_gguf.py, conversion/, gguf-py/
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

PACKAGE, VERSION = "llama-cpp-python", "0.3.36"  # vendors llama.cpp at commit 0c1e570
WANTED = ("convert_lora_to_gguf.py", "convert_hf_to_gguf.py", "conversion/", "gguf-py/gguf/")
SECONDS = 240


def checkout(folder: Path) -> Path:
    """A folder with the converters; skips the test where they cannot be had."""
    if os.environ.get("LLAMA_CPP"):
        return Path(os.environ["LLAMA_CPP"])
    command = [
        sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", PACKAGE, "--quiet", "--dest", str(folder),
        f"{PACKAGE}=={VERSION}",
    ]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{PACKAGE}=={VERSION} did not come within {SECONDS} s")
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"{PACKAGE}=={VERSION}, which brings llama.cpp's converters, cannot be had: {reason}")
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        for member in packed:
            _, _, name = member.name.partition("/vendor/llama.cpp/")
            if member.isfile() and name.startswith(WANTED):
                packed.extract(member.replace(name=name), folder / "llama.cpp", filter="data")
    archive.unlink()
    return folder / "llama.cpp"
