"""What a saved PEFT adapter holds, read from its two files: each adapted module with its rank and its scale.

    adapter_config.json        r, lora_alpha, rank_pattern, alpha_pattern, use_rslora, use_dora, ...
    adapter_model.safetensors  base_model.model.NAME.lora_A.weight (rank, in), ...lora_B.weight (out, rank)

In: a folder, or a configuration and the names of its modules. Out: plain data. No torch: only the header of the
weights is read, so that the dashboard can ask too.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domlora.errors import SweepError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
PART = re.compile(r"\.lora_(?:embedding_)?(?P<part>[AB])(?:\.weight)?$")
RESIDUAL_STARTS = ("pissa", "olora")  # an adapter that begins as a part of the base weight, and is saved so by PEFT


@dataclass(frozen=True)
class AdaptedModule:
    """One module of an adapter.

    Attributes:
        name: in the model, such as `model.layers.3.mlp.down_proj`.
        scale: PEFT's factor of B·A: alpha / rank, or alpha / sqrt(rank) with rsLoRA.
    """

    name: str
    rank: int
    scale: float

    @property
    def kind(self) -> str:
        """The last part of its name: `down_proj`."""
        return self.name.rpartition(".")[2]

    @property
    def layer(self) -> int | None:
        """The number in its name; None outside the layers."""
        numbers = re.findall(r"\.(\d+)\.", self.name)
        return int(numbers[0]) if numbers else None


@dataclass(frozen=True)
class SavedAdapter:
    """An adapter as its files describe it.

    Attributes:
        config: what adapter_config.json says.
        modules: in the order of their names.
    """

    config: Mapping[str, Any]
    modules: tuple[AdaptedModule, ...]

    @property
    def largest_rank(self) -> int:
        return max(module.rank for module in self.modules)

    @property
    def patterns(self) -> bool:
        """Whether ranks or alphas differ from module to module."""
        return bool(self.config.get("rank_pattern") or self.config.get("alpha_pattern"))

    @property
    def root_scale(self) -> bool:
        return bool(self.config.get("use_rslora"))

    @property
    def magnitudes(self) -> bool:
        """Whether it is a DoRA adapter, whose weights have a trained length beside B·A."""
        return bool(self.config.get("use_dora"))

    @property
    def parameters(self) -> tuple[str, ...]:
        """Experts and other parameters that are adapted by themselves (PEFT's `target_parameters`)."""
        return tuple(self.config.get("target_parameters") or ())

    @property
    def transposed(self) -> bool:
        """Whether its base keeps linear weights as (in, out), as GPT-2 does."""
        return bool(self.config.get("fan_in_fan_out"))

    @property
    def residual(self) -> bool:
        """Whether it fits a changed base only: PiSSA or OLoRA that was not saved as plain LoRA."""
        return str(self.config.get("init_lora_weights")).lower().startswith(RESIDUAL_STARTS)

    @property
    def outside(self) -> tuple[str, ...]:
        """Modules that are in no layer: embeddings, the head."""
        return tuple(module.name for module in self.modules if module.layer is None)


def read_adapter(folder: Path) -> SavedAdapter:
    """Reads the description of a PEFT adapter folder.

    Raises:
        SweepError: no adapter is there, or its files are damaged or of another sort than LoRA.
    """
    from safetensors import SafetensorError, safe_open

    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        with safe_open(folder / WEIGHTS, framework="numpy") as file:
            names = list(file.keys())
    except OSError as error:
        raise SweepError(f"{folder} holds no adapter: {CONFIG} and {WEIGHTS} are needed") from error
    except (ValueError, SafetensorError) as error:
        raise SweepError(f"the adapter in {folder} is damaged ({error}): train or copy it again") from error
    if not isinstance(config, dict) or config.get("peft_type") != "LORA":
        raise SweepError(f"the adapter in {folder} is no LoRA adapter: only those can be exported")
    return described(config, (module_of(name) for name in names if PART.search(name)))


def described(config: Mapping[str, Any], names: Iterable[str]) -> SavedAdapter:
    """An adapter of these modules, saved or planned.

    Args:
        config: what `adapter_config.json` says, or `LoraConfig.to_dict()`.
        names: of its modules in the model, each as often as one likes.
    """
    modules = tuple(
        AdaptedModule(name, rank_of(config, name), scale_of(config, name)) for name in sorted(set(names), key=_in_order)
    )
    if not modules:
        raise SweepError("the adapter has no module")
    return SavedAdapter(config, modules)


def module_of(tensor: str) -> str:
    """The module that a tensor of an adapter file belongs to."""
    return PART.sub("", tensor).removeprefix(PREFIX)


def rank_of(config: Mapping[str, Any], name: str) -> int:
    """The rank of a module, as PEFT reads it."""
    return int(_by_pattern(config.get("rank_pattern"), name, config["r"]))


def scale_of(config: Mapping[str, Any], name: str) -> float:
    """PEFT's factor of B·A in a module (`LoraLayer.update_layer`)."""
    rank = rank_of(config, name)
    alpha = float(_by_pattern(config.get("alpha_pattern"), name, config["lora_alpha"]))
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)


def _by_pattern(pattern: Mapping[str, Any] | None, name: str, default: Any) -> Any:
    """The first entry that ends the name, from a dot on (`peft.utils.get_pattern_key`)."""
    for key, value in (pattern or {}).items():
        if re.match(rf"(.*\.)?({key})$", name):
            return value
    return default


def _in_order(name: str) -> list[tuple[int, str]]:
    """Layer 2 before layer 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in name.split(".")]
