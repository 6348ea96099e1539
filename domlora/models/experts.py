"""Experts whose weights are one 3-D tensor: which modules hold them, and their computation, one expert at a time.

    gate_up_proj (experts, 2·inner, hidden)      down_proj (experts, hidden, inner)        some keep (in, out) instead

`transformers` runs all experts in one fused operation, where nothing tells which token went where. For the time of a
probe a module of experts runs here instead: the same values, computed expert by expert on its routed tokens alone, and
a tap that sees each expert's inputs and outputs. In: a module and its batch. Out: its parameters, and its output. Knows
no energies; may not import recorders or taps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from domlora.data.batches import Batch
from domlora.models.kinds import EXPERT_PARAMETERS

CASTS = (torch.Tensor.type, torch.Tensor.to, torch.Tensor.float)

# (parameter, expert, token (n,), x (n, in), y (n, out)): called for each expert that some token was routed to.
ExpertTap = Callable[[str, int, torch.Tensor, torch.Tensor, torch.Tensor], None]


@dataclass(frozen=True)
class Fused:
    """One 3-D parameter of a module of experts.

    Attributes:
        parameter: its name in the module.
        in_features, out_features: of one expert.
        swapped: PEFT takes the way it is stored for the other one: its `A` then reads the output's side. So it is for
            Llama-4, which keeps (experts, in, out) and has no `is_transposed` to say so.
    """

    parameter: str
    kind: str
    experts: int
    in_features: int
    out_features: int
    swapped: bool


def fused_parameters(module: nn.Module) -> tuple[Fused, ...]:
    """The 3-D parameters that are measured; none for a module of another kind, or of a class that is not covered."""
    if not (_by_interface(module) or _is_llama4(module)):
        return ()
    found = []
    for name, parameter in module.named_parameters(recurse=False):
        if parameter.dim() == 3 and name in EXPERT_PARAMETERS:
            experts, rows, columns = parameter.shape
            width_in, width_out = (rows, columns) if _stores_in_out(module) else (columns, rows)
            found.append(Fused(name, EXPERT_PARAMETERS[name], experts, width_in, width_out, _is_llama4(module)))
    return tuple(found)


def expert_weights(module: nn.Module, parameter: str) -> torch.Tensor:
    """All experts' weights as (experts, out, in), a view."""
    weight: torch.Tensor = getattr(module, parameter)
    return weight.transpose(1, 2) if _stores_in_out(module) else weight


@contextmanager
def running_each(module: nn.Module, tap: ExpertTap) -> Iterator[None]:
    """Within, a module of experts computes them one by one and shows each to the tap."""
    run = _run_llama4 if _is_llama4(module) else _run
    with patched(module, lambda *args, **kwargs: run(module, tap, *args, **kwargs)):
        yield


@contextmanager
def showing_linear(module: Any, tap: Callable[[torch.Tensor, torch.Tensor], None]) -> Iterator[None]:
    """Within, the tap sees x and y of each product with `module.weight`: of a router that is no linear layer itself."""
    forward = module.forward

    def run(*args: Any, **kwargs: Any) -> Any:
        with _ProductsWith(module.weight, tap):
            return forward(*args, **kwargs)

    with patched(module, run):
        yield


@contextmanager
def patched(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Replaces a module's forward, and puts back what was there."""
    before = module.__dict__.get("forward")
    module.forward = forward  # type: ignore[method-assign]
    try:
        yield
    finally:
        if before is None:
            del module.__dict__["forward"]
        else:
            module.forward = before  # type: ignore[method-assign]


class Packing:
    """Some tokens of a batch, packed to the N of each sample: (n, width) values in, (B, N, width) out.

    Padding is left out, wherever it was routed to.

    Attributes:
        real: (B, N) False where a sample has fewer tokens here than another.
        position: (B, N) of each token in its sample.
    """

    def __init__(self, token: torch.Tensor, batch: Batch) -> None:
        samples, width = batch.ids.shape
        self.kept = batch.attention.flatten()[token].nonzero()[:, 0]
        token = token[self.kept]
        self.sample, position = token // width, token % width
        count = torch.bincount(self.sample, minlength=samples)
        order = torch.argsort(token)
        slot = torch.empty_like(order)
        first = torch.cumsum(count, 0) - count
        slot[order] = torch.arange(len(order), device=token.device) - first[self.sample[order]]
        self.slot = slot
        self.shape = (samples, int(count.max()) if len(token) else 0)
        self.real = torch.zeros(self.shape, dtype=torch.bool, device=token.device)
        self.real[self.sample, self.slot] = True
        self.position = torch.zeros(self.shape, dtype=torch.long, device=token.device)
        self.position[self.sample, self.slot] = position

    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        packed = values.new_zeros(*self.shape, values.shape[-1])
        packed[self.sample, self.slot] = values.detach()[self.kept]
        return packed


def _by_interface(module: Any) -> bool:
    """Whether `transformers` itself may run this class by other means: then these attributes say all about it."""
    return all(hasattr(module, name) for name in ("has_gate", "has_bias", "is_transposed", "_apply_gate"))


def _is_llama4(module: nn.Module) -> bool:
    return type(module).__name__ == "Llama4TextExperts"


def _stores_in_out(module: Any) -> bool:
    return _is_llama4(module) or bool(getattr(module, "is_transposed", False))


def _run(module: Any, tap: ExpertTap, hidden: torch.Tensor, index: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """What `transformers.integrations.moe.batched_mm_experts_forward` computes. index, weights (tokens, top k)."""
    result = torch.zeros_like(hidden)
    first = "gate_up_proj" if module.has_gate else "up_proj"
    for expert in range(module.num_experts):
        token, choice = (index == expert).nonzero(as_tuple=True)
        if not len(token):
            continue
        inner = _product(module, tap, first, expert, token, hidden[token])
        inner = module._apply_gate(inner) if module.has_gate else module.act_fn(inner)
        out = _product(module, tap, "down_proj", expert, token, inner)
        if getattr(module, "has_post_expert_norm", False):
            out = module.post_expert_norm(out)
        out = out * weights[token, choice].unsqueeze(1)
        result.index_add_(0, token, out.to(result.dtype))
    return result


def _run_llama4(module: Any, tap: ExpertTap, hidden: torch.Tensor) -> torch.Tensor:
    """Llama-4 hands each expert all tokens, times a score that is zero where it is not routed: f(0) = 0 is skipped."""
    inputs = hidden.view(module.num_experts, -1, hidden.shape[-1])  # (experts, tokens, hidden)
    result = torch.zeros_like(inputs)
    for expert in range(module.num_experts):
        token = (inputs[expert] != 0).any(1).nonzero()[:, 0]
        if not len(token):
            continue
        gate, up = _product(module, tap, "gate_up_proj", expert, token, inputs[expert, token]).chunk(2, dim=-1)
        out = _product(module, tap, "down_proj", expert, token, up * module.act_fn(gate))
        result[expert, token] = out
    return result.view_as(hidden)


def _product(
    module: nn.Module, tap: ExpertTap, parameter: str, expert: int, token: torch.Tensor, x: torch.Tensor
) -> torch.Tensor:
    weight = expert_weights(module, parameter)[expert]
    bias = getattr(module, f"{parameter}_bias", None)
    y = F.linear(x, weight, None if bias is None else bias[expert])
    tap(parameter, expert, token, x, y)
    return y


class _ProductsWith(TorchFunctionMode):
    """Shows the inputs and outputs of every `F.linear` whose weight is the given one, also after a cast."""

    def __init__(self, weight: torch.Tensor, tap: Callable[[torch.Tensor, torch.Tensor], None]) -> None:
        super().__init__()
        self.weights, self.tap = [weight], tap

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func is F.linear and any(args[1] is weight for weight in self.weights):
            self.tap(args[0], found)
        elif func in CASTS and any(args[0] is weight for weight in self.weights):
            self.weights.append(found)
        return found
