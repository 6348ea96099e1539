"""What the tests of exports share: a small adapter of each method, trained by nobody, and its folder."""

from __future__ import annotations

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

from domlora.paths import sample_data_path
from domlora.placements.placement import Placement
from domlora.training.adapters import Adapters
from tests.helpers.sweeping import perturb, placement

RANKS = (1, 3, 8, 4, 2)  # of the modules of a mixed placement, in turns


def reference(name: str) -> Path:
    return sample_data_path() / "models" / name


def loaded(folder: Path, dtype: str = "float32"):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype).eval()


def mixed(place: Placement) -> Placement:
    """The same modules with ranks that differ."""
    modules = tuple(module.model_copy(update={"rank": RANKS[i % len(RANKS)]}) for i, module in enumerate(place.modules))
    return place.model_copy(update={"modules": modules})


def saved(
    model, folder: Path, method: str = "lora", ranks: str = "equal", kinds=None, layers=(1, 5), alpha: float = 8.0
) -> Path:
    """Saves an adapter of some layers whose B is not zero, as `domlora compare` saves it."""
    place = placement(model, "qv", layers, kinds, rank=4, alpha=alpha)
    place = mixed(place) if ranks == "mixed" else place
    with Adapters(model, "base") as adapters:
        adapter = adapters.attach(place, method, seed=3)
        perturb(adapter)
        adapters.save(adapter, folder)
    return folder


def with_adapter(base: Path, adapter: Path, dtype: str = "float32"):
    """Base and adapter as PEFT loads them."""
    from peft import PeftModel

    return PeftModel.from_pretrained(loaded(base, dtype), str(adapter)).eval()


def logits(model, length: int = 12) -> torch.Tensor:
    """(2, length, vocabulary) of two rows of random tokens."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(3, model.config.vocab_size, (2, length), generator=draw)
    with torch.no_grad():
        return model(input_ids=ids).logits.float()


def distance(found: torch.Tensor, wanted: torch.Tensor, zero: torch.Tensor) -> float:
    """How far `found` is from `wanted`, of the way that the adapter goes from the base's `zero`."""
    return float((found - wanted).norm() / (wanted - zero).norm())
