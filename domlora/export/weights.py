"""What is taken away besides text: the adapter at one rank, the merged model, and both as GGUF.

In: a variant that is taken away, and a folder. Out: files in it. With torch: imported only where it is asked for.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from domlora.errors import SweepError
from domlora.export import gguf
from domlora.export.names import ADAPTER_GGUF, MERGED, MERGED_GGUF, UNIFORM
from domlora.export.saved import read_adapter
from domlora.export.taken import Taken
from domlora.export.uniform import check_paddable, write_uniform
from domlora.export.where import needs_uniform, verdicts


def check(taken: Taken, out: Path, *, merged: bool, as_gguf: bool) -> None:
    """Refuses what cannot be written before anything is.

    Raises:
        SweepError: a folder of an earlier merge, an adapter that llama.cpp's converter does not take.
    """
    if merged and (out / MERGED).exists() and any((out / MERGED).iterdir()):
        raise SweepError(f"{out / MERGED} holds something already: remove it, or name another folder with --out")
    if as_gguf and not merged and taken.saved is not None:
        (verdict,) = [v for v in verdicts(taken.saved, taken.base) if v.server.name == "llama.cpp"]
        if verdict.use not in ("adapter", "adapter_uniform"):
            raise SweepError(f"no adapter GGUF of {taken.variant.name}: {verdict.why}. Add --merged for the model")


def write_weights(
    taken: Taken, out: Path, say: Callable[[str], None], *, merged: bool = False, llama_cpp: Path | None = None
) -> None:
    """Writes `adapter_uniform/` where a server needs it, `merged/` and GGUF files where they are asked for.

    Args:
        say: is told in words what is being done.
        llama_cpp: a checkout of llama.cpp, for GGUF.

    Raises:
        SweepError: the adapter is not here, cannot be merged or converted, or there is no space.
        ModelError: the base cannot be found or loaded.
    """
    folder = Path(taken.variant.adapter or "")
    adapter = read_adapter(folder)
    (verdict,) = [v for v in verdicts(adapter, taken.base) if v.server.name == "llama.cpp"]
    padded = llama_cpp is not None and verdict.use in ("adapter", "adapter_uniform")
    try:
        if padded or needs_uniform(adapter, taken.base):
            check_paddable(adapter)
            rank = write_uniform(folder, out / UNIFORM)
            say(f"{UNIFORM}: all modules at rank {rank}, with the scale in B")
    except OSError as error:
        shutil.rmtree(out / UNIFORM, ignore_errors=True)
        raise SweepError(f"cannot write into {out / UNIFORM}: {error.strerror}") from error
    if not merged and llama_cpp is None:
        return
    from domlora.export.merged import base_of, write_merged

    base = base_of(taken.run)
    if padded and llama_cpp is not None:
        say(f"{ADAPTER_GGUF}: llama.cpp converts the adapter")
        gguf.adapter_gguf(llama_cpp, base.folder, out / UNIFORM, out / ADAPTER_GGUF)
    if merged:
        say(f"{MERGED}: merging into {base.source} on the CPU")
        dtype = write_merged(base, folder, out / MERGED)
        if llama_cpp is not None:
            say(f"{MERGED_GGUF}: llama.cpp converts the merged model")
            gguf.model_gguf(llama_cpp, out / MERGED, out / MERGED_GGUF, dtype)
