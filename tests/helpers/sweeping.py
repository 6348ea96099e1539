"""What the tests of sweeps share: placements and rows made by hand, and plain PEFT to compare with."""

from __future__ import annotations

import copy
import json
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import torch
from peft import PeftModel, get_peft_model, set_peft_model_state_dict
from torch.nn import functional as F

from domlora.data.batches import Batch, collate
from domlora.data.encoding import EncodedSample
from domlora.models.census import find_modules
from domlora.placements.placement import PlacedModule, Placement
from domlora.training.adapters import Adapter, Adapters

LENGTHS = (9, 12, 7, 12)  # of rows: padded, and two of the same length


def placement(
    model: torch.nn.Module,
    name: str,
    layers: Collection[int] | None = None,
    kinds: Collection[str] | None = None,
    rank: int = 4,
    alpha: float = 8,
) -> Placement:
    """All modules of these layers and kinds (None: all)."""
    found = [
        PlacedModule(**{field: getattr(m, field) for field in PlacedModule.model_fields if hasattr(m, field)},
                     module=m.name, rank=rank)
        for m in find_modules(model).modules
        if (layers is None or m.layer in layers) and (kinds is None or m.kind in kinds)
    ]  # fmt: skip
    transposed = type(model).__name__.startswith("GPT2")
    return Placement(name=name, modules=tuple(found), rank=rank, alpha=alpha, fan_in_fan_out=transposed)


def sample(length: int, row: int, vocabulary: int = 97) -> EncodedSample:
    """Random tokens; the second half is the response."""
    draw = torch.Generator().manual_seed(1000 * row + length)
    ids = torch.randint(3, vocabulary, (length,), generator=draw).tolist()
    return EncodedSample(tuple(ids), tuple(position > length // 2 for position in range(length)), row)


def batch_of(lengths: Sequence[int] = LENGTHS) -> Batch:
    return collate([sample(n, i) for i, n in enumerate(lengths)], range(len(lengths)), torch.device("cpu"))


def perturb(adapter: Adapter, size: float = 0.05) -> None:
    """Moves B (and magnitudes) away from where they start: at B = 0 all adapters are alike."""
    draw = torch.Generator().manual_seed(sum(map(ord, adapter.placement.name)))
    with torch.no_grad():
        for parameter in adapter.up:
            parameter.add_(size * torch.randn(parameter.shape, generator=draw))


def named(adapters: Adapters, adapter: Adapter, gradients: bool = False) -> dict[str, torch.Tensor]:
    """Copies of an adapter's tensors, or of their gradients, as PEFT names them in a file."""
    if not gradients:
        return {name: tensor.detach().clone() for name, tensor in adapters.state(adapter.key).items()}
    found = {}
    for name, layer in adapters.layers():
        if adapter.key in layer.lora_A:
            found |= {
                f"{name}.lora_A": layer.lora_A[adapter.key].weight.grad,
                f"{name}.lora_B": layer.lora_B[adapter.key].weight.grad,
            }
    return found


def plain_peft(
    fresh: torch.nn.Module, place: Placement, method: str, seed: int, state: Mapping[str, torch.Tensor] | None = None
) -> PeftModel:
    """`get_peft_model` on a copy of a model, with nothing of ours but the `LoraConfig`."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = get_peft_model(copy.deepcopy(fresh), place.lora_config(method)).eval()
    if state is not None:
        set_peft_model_state_dict(model, dict(state))
    return model


def plain_losses(model: torch.nn.Module, rows: Sequence[EncodedSample]) -> torch.Tensor:
    """Mean cross-entropy over each row's response tokens, one row at a time: no padding, no mask."""
    losses = []
    for row in rows:
        ids = torch.tensor([row.ids])
        logits = model(input_ids=ids).logits[0, :-1].float()
        counts = torch.tensor(row.response[1:])
        losses.append(F.cross_entropy(logits[counts], ids[0, 1:][counts]))
    return torch.stack(losses)


def plain_gradients(model: PeftModel) -> dict[str, torch.Tensor]:
    """Of a plain PEFT model, named as `named` names them."""
    return {
        name.removeprefix("base_model.model.").removesuffix(".default.weight"): parameter.grad
        for name, parameter in model.named_parameters()
        if ".lora_A." in name or ".lora_B." in name
    }


def difference(found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor]) -> float:
    """The largest relative difference of tensors of the same names."""
    assert found.keys() == wanted.keys()
    norms = {name: float(tensor.norm()) for name, tensor in wanted.items()}
    assert all(norm > 0 for norm in norms.values()), "nothing to compare with"
    return max(float((found[name] - wanted[name]).norm()) / norms[name] for name in wanted)


def write_task(path: Path, count: int = 60, splits: Collection[str] = ()) -> Path:
    """A task file in chat form; with `splits`, rows take turns in them."""
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"what is {i} and {i * 7 % 11}?" + " please" * (i % 4)},
                {"role": "assistant", "content": f"four, the lazy dog {i}" + " over" * (i % 3)},
            ],
            **({"split": list(splits)[i % len(splits)]} if splits else {}),
        }
        for i in range(count)
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def write_sums(path: Path, count: int = 60) -> Path:
    """Rows in the format of GSM8K, whose answers can be checked."""
    rows = [{"question": f"what is {i} and two?", "answer": f"it is four\n#### {i + 2}"} for i in range(count)]
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def encoder(tokenizer):
    """What encodes samples as a loaded model with that tokenizer does."""
    from domlora.data.encoding import encode

    return lambda samples, max_length: encode(samples, tokenizer, max_length)
