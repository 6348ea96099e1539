"""Where an adapter runs: for each server whether to take the adapter, the padded one or the merged model, and how.

In: an adapter as its files describe it. Out: a `Verdict` a server, and the table `where_it_runs.md`. No torch: the
dashboard shows it too.
"""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from domlora.errors import DomLoRAError
from domlora.export.names import ADAPTER, ADAPTER_GGUF, MERGED, MERGED_GGUF, UNIFORM
from domlora.export.saved import AdaptedModule, SavedAdapter
from domlora.export.servers import SERVERS, TGI_KINDS, Name, Server, vllm_rank
from domlora.export.uniform import check_paddable, uniform_rank
from domlora.models.catalogue import builtin_folder
from domlora.models.files import read_config
from domlora.models.origin import ModelOrigin
from domlora.quoting import fenced, markdown

FILE = "where_it_runs.md"
Use = Literal["adapter", "adapter_uniform", "merged", "nothing"]
WORDS: Mapping[Use, str] = {
    "adapter": "loads as it is", "adapter_uniform": "take `adapter_uniform/`", "merged": "take the merged model",
    "nothing": "does not run",
}  # fmt: skip
LAYERS = ("num_hidden_layers", "n_layer", "num_layers")  # as configurations name how many there are


@dataclass(frozen=True)
class Base:
    """The base model, for command lines.

    Attributes:
        name: what `from_pretrained` takes, or words that stand for it.
        revision: commit of a Hub id.
        gguf: its file, where it is one.
        layers: how many it has; None where that is not known here.
    """

    name: str
    revision: str | None = None
    gguf: str | None = None
    layers: int | None = None


@dataclass(frozen=True)
class Verdict:
    """What to give to one server.

    Attributes:
        why: one sentence.
        command: shell or Python that runs it.
    """

    server: Server
    use: Use
    why: str
    command: str


def verdicts(adapter: SavedAdapter, base: Base) -> tuple[Verdict, ...]:
    """For each server of `SERVERS`, in their order."""
    return tuple(_verdict(server, adapter, base) for server in SERVERS)


def needs_uniform(adapter: SavedAdapter, base: Base) -> bool:
    """Whether any server reads the padded adapter rightly and the plain one not."""
    return any(verdict.use == "adapter_uniform" for verdict in verdicts(adapter, base))


def table(found: tuple[Verdict, ...], planned: bool = False) -> str:
    """`where_it_runs.md`: verdicts, commands, and the facts behind them.

    Args:
        planned: the adapter is still to be trained.
    """
    lines = [
        "# Where it will run" if planned else "# Where it runs",
        "",
        "| server | read at | verdict | why |",
        "|---|---|---|---|",
    ]
    lines += [f"| {v.server.name} | {v.server.version} | {WORDS[v.use]} | {markdown(v.why)} |" for v in found]
    lines += [
        "",
        f"`{ADAPTER}/` is the trained adapter. `{UNIFORM}/` is the same adapter at one rank with a scale of 1: "
        "`domlora runs export RUN --out DIR` writes it where a server would misread the other one. "
        f"`{MERGED}/` and GGUF files are made with `--merged` and `--gguf --llama-cpp PATH`. All three are of adapters "
        "that `domlora compare` has trained.",
    ]
    for v in found:
        language = "python" if v.server.name == "PEFT" else "sh"
        lines += ["", f"## {v.server.name}", "", fenced(v.command, language)]
    lines += ["", "## What each accepts", "", "| | " + " | ".join(f"{v.server.name}" for v in found) + " |"]
    lines.append("|---" * (len(found) + 1) + "|")
    for question in found[0].server.facts:
        lines.append(f"| {question} | " + " | ".join(v.server.facts[question].answer for v in found) + " |")
    lines += ["", "Read in:", ""]
    for v in found:
        sources = dict.fromkeys(fact.source for fact in v.server.facts.values())
        lines.append(f"- {v.server.name} {v.server.version}: {'; '.join(sources)}")
    return "\n".join(lines) + "\n"


def base_named(name: str, revision: str | None, origin: ModelOrigin | None) -> Base:
    """A base model with what is known of it on this machine."""
    gguf = origin.place if origin is not None and origin.kind == "gguf" else None
    return Base(name, revision, gguf, _layers(origin))


def _layers(origin: ModelOrigin | None) -> int | None:
    """How many layers config.json names, where it lies on this machine."""
    if origin is None or origin.kind == "gguf":
        return None
    if origin.kind == "hub":
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(origin.place, "config.json", revision=origin.revision)
        folder = Path(cached).parent if isinstance(cached, str) else None
    else:
        folder = Path(origin.place) if origin.kind == "folder" else builtin_folder(origin.place)
    if folder is None or not (folder / "config.json").is_file():
        return None
    try:
        config = read_config(folder)
    except DomLoRAError:
        return None
    text = config.get("text_config")
    for where in (config, text if isinstance(text, dict) else {}):
        for key in LAYERS:
            if isinstance(where.get(key), int):
                return where[key]
    return None


def _verdict(server: Server, adapter: SavedAdapter, base: Base) -> Verdict:
    if adapter.residual:
        why = (
            f"it starts as {adapter.config['init_lora_weights']}: PEFT saves such an adapter for a changed base. "
            "Train it with `domlora compare`, which saves plain LoRA, or convert it "
            "(path_initial_model_for_weight_conversion)"
        )
        if server.name != "PEFT":
            return Verdict(server, "nothing", why, f"# {why}")
        return Verdict(server, "adapter", "it changes the base in the same way", _command("PEFT", ADAPTER, 0, base))
    wrong = REFUSES[server.name](adapter, base)
    if wrong is not None:
        return Verdict(server, "merged", wrong, _merged_command(server.name))
    misread = MISREADS[server.name](adapter)
    if misread is None:
        note = NOTES[server.name](adapter, base)
        return Verdict(server, "adapter", note, _command(server.name, ADAPTER, adapter.largest_rank, base))
    try:
        check_paddable(adapter)
    except DomLoRAError as error:
        return Verdict(server, "merged", f"{misread}; {error}", _merged_command(server.name))
    command = _command(server.name, UNIFORM, uniform_rank(adapter), base)
    return Verdict(server, "adapter_uniform", f"of the plain adapter {misread}", command)


def _peft_refuses(adapter: SavedAdapter, base: Base) -> str | None:
    return None


def _vllm_refuses(adapter: SavedAdapter, base: Base) -> str | None:
    if adapter.magnitudes:
        return "it refuses DoRA"
    if adapter.transposed:
        return "its GPT-2 takes no adapters (vllm/model_executor/models/gpt2.py)"
    if adapter.parameters:
        return "whether it reads experts of this model rightly is not known"
    if vllm_rank(adapter.largest_rank) is None:
        return f"rank {adapter.largest_rank} is above its largest, 512"
    return None


def _llama_cpp_refuses(adapter: SavedAdapter, base: Base) -> str | None:
    if adapter.magnitudes:
        return "its converter refuses DoRA"
    if adapter.transposed:
        return "its converter transposes adapters of GPT-2's weights"
    if adapter.parameters:
        return "its converter refuses experts that PEFT adapts as parameters"
    return None


def _tgi_refuses(adapter: SavedAdapter, base: Base) -> str | None:
    if adapter.magnitudes:
        return "it ignores DoRA's magnitudes and says nothing"
    if adapter.parameters:
        return "it ignores adapted experts"
    unread = sorted({module.kind for module in adapter.modules if module.kind not in TGI_KINDS})
    if unread:
        return f"it ignores {', '.join(unread)}"
    layers = defaultdict(set)
    for module in adapter.modules:
        layers[module.kind].add(module.layer)
    there = base.layers or 1 + max(module.layer or 0 for module in adapter.modules)
    lacking = [kind for kind, found in layers.items() if len(found) < there]
    if lacking:
        kind = lacking[0]
        return (
            f"it ignores a kind of module that any layer lacks: {kind} is adapted in {len(layers[kind])} of "
            f"{there} layers"
        )
    return None


def _sglang_refuses(adapter: SavedAdapter, base: Base) -> str | None:
    if adapter.magnitudes:
        return "it refuses DoRA"
    if adapter.transposed:
        return "whether its GPT-2 takes adapters is not known"
    if adapter.parameters:
        return "whether it reads experts that PEFT adapts as parameters is not known"
    kinds = defaultdict(set)
    for module in adapter.modules:
        kinds[module.layer].add(module.kind)
    for layer, found in kinds.items():
        for one, other in (("q_proj", "v_proj"), ("k_proj", "q_proj"), ("v_proj", "q_proj"), ("up_proj", "gate_proj")):
            if one in found and other not in found:
                return f"it joins projections, and layer {layer} adapts {one} without {other}"
    return None


def _read_rightly(adapter: SavedAdapter) -> str | None:
    return None


def _llama_cpp_misreads(adapter: SavedAdapter) -> str | None:
    alpha = float(adapter.config["lora_alpha"])
    return _off(adapter, lambda module: alpha / module.rank)


def _tgi_misreads(adapter: SavedAdapter) -> str | None:
    if len({module.rank for module in adapter.modules}) > 1:
        return "layers with ranks that differ cannot be stacked"
    rank, padded = adapter.largest_rank, uniform_rank(adapter)
    root, alpha = adapter.root_scale, float(adapter.config["lora_alpha"])
    first = next(kind for kind in TGI_KINDS if any(module.kind == kind for module in adapter.modules))

    def scale(module: AdaptedModule) -> float:
        own = rank if module.kind == first else padded
        return alpha / (own**0.5 if root else own)

    return _off(adapter, scale)


def _sglang_misreads(adapter: SavedAdapter) -> str | None:
    rank = int(adapter.config["r"])
    if any(module.rank != rank for module in adapter.modules):
        return "modules whose rank is not r do not fit"
    alpha = float(adapter.config["lora_alpha"])
    return _off(adapter, lambda module: alpha / rank)


def _off(adapter: SavedAdapter, scale: Callable[[AdaptedModule], float]) -> str | None:
    """How far a server's scales are from PEFT's, in words; None where they are the same."""
    factors = [scale(module) / module.scale for module in adapter.modules]
    low, high = min(factors), max(factors)
    if max(abs(low - 1), abs(high - 1)) < 1e-6:
        return None
    times = f"{low:.2g}" if f"{low:.2g}" == f"{high:.2g}" else f"{low:.2g} to {high:.2g}"
    return f"modules would be scaled by {times} times what is right"


def _as_trained(adapter: SavedAdapter, base: Base) -> str:
    return "it reads every module as it was trained"


def _vllm_note(adapter: SavedAdapter, base: Base) -> str:
    since = " (0.32.0 or later)" if adapter.patterns else ""
    outside = f"; {', '.join(adapter.outside)} only where the model's class names them" if adapter.outside else ""
    return f"it reads every module as it was trained{since}{outside}"


def _llama_cpp_note(adapter: SavedAdapter, base: Base) -> str:
    heads = [name for name in adapter.outside if name.endswith("lm_head")]
    return _as_trained(adapter, base) + (f"; {heads[0]} only where it is not tied" if heads else "")


def _tgi_note(adapter: SavedAdapter, base: Base) -> str:
    unsure = "" if base.layers else "; that every layer of the base has its modules is not known here"
    return _as_trained(adapter, base) + unsure


REFUSES: Mapping[Name, Callable[[SavedAdapter, Base], str | None]] = {
    "PEFT": _peft_refuses, "vLLM": _vllm_refuses, "llama.cpp": _llama_cpp_refuses, "TGI": _tgi_refuses,
    "SGLang": _sglang_refuses,
}  # fmt: skip
MISREADS: Mapping[Name, Callable[[SavedAdapter], str | None]] = {
    "PEFT": _read_rightly, "vLLM": _read_rightly, "llama.cpp": _llama_cpp_misreads, "TGI": _tgi_misreads,
    "SGLang": _sglang_misreads,
}  # fmt: skip
NOTES: Mapping[Name, Callable[[SavedAdapter, Base], str]] = {
    "PEFT": _as_trained, "vLLM": _vllm_note, "llama.cpp": _llama_cpp_note, "TGI": _tgi_note, "SGLang": _as_trained,
}  # fmt: skip


def _command(server: Name, folder: str, rank: int, base: Base) -> str:
    """What runs an adapter folder beside its base; names are quoted for the shell or for Python."""
    model = shlex.quote(base.name)
    pinned = f" --revision {shlex.quote(base.revision)}" if base.revision else ""
    if server == "PEFT":
        return f"model = PeftModel.from_pretrained(base, {json.dumps(folder)})"
    if server == "vLLM":
        options = f"--enable-lora --max-lora-rank {vllm_rank(rank)} --lora-modules adapter={folder}"
        return f"vllm serve {model}{pinned} {options}"
    if server == "llama.cpp":
        return f"llama-server -m {shlex.quote(base.gguf or 'base.gguf')} --lora {ADAPTER_GGUF}"
    if server == "TGI":
        return f"LORA_ADAPTERS=adapter={folder} text-generation-launcher --model-id {model}{pinned}"
    return f"python -m sglang.launch_server --model-path {model}{pinned} --lora-paths adapter={folder}"


def _merged_command(server: Name) -> str:
    return {
        "PEFT": f'model = AutoModelForCausalLM.from_pretrained("{MERGED}")',
        "vLLM": f"vllm serve {MERGED}",
        "llama.cpp": f"llama-server -m {MERGED_GGUF}",
        "TGI": f"text-generation-launcher --model-id {MERGED}",
        "SGLang": f"python -m sglang.launch_server --model-path {MERGED}",
    }[server]
