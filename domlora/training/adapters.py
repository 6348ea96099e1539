"""Many PEFT adapters on one frozen base model: attached, run row by row or alone, taken down, written as folders.

In: a model and one `Placement` and method a variant. Out: their parameters, and PEFT adapter folders that load on the
unchanged base. Knows no data, no loss and no optimizer.

PiSSA and OLoRA replace a weight `W` by the residual `W - s·B₀·A₀`. Here the base belongs to all variants, so their
residuals are kept beside it and put in place only while such a variant runs.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.tuners.lora.eva import get_eva_state_dict
from safetensors.torch import save_file
from torch import nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from domlora.comparison.placements import check_trainable
from domlora.errors import PlacementError
from domlora.placements.methods import METHODS, Method
from domlora.placements.placement import Placement
from domlora.training.dropout import Clock, SeededDropout


@dataclass(frozen=True, eq=False)
class Adapter:
    """One attached adapter.

    Attributes:
        key: its name inside PEFT's modules.
        down, up: what takes a gradient: the `A` matrices; the `B` matrices and DoRA's magnitudes.
        residuals: module name -> weight to use in place of the base's (PiSSA, OLoRA).
        start: the adapter's first state where it is not a zero change of the base (PiSSA, OLoRA).
    """

    key: str
    placement: Placement
    method: Method
    config: LoraConfig
    down: tuple[nn.Parameter, ...]
    up: tuple[nn.Parameter, ...]
    residuals: Mapping[str, torch.Tensor] = field(default_factory=dict)
    start: Mapping[str, torch.Tensor] | None = None

    @property
    def parameters(self) -> tuple[nn.Parameter, ...]:
        return self.down + self.up

    @property
    def alone(self) -> bool:
        """Whether its rows cannot share a batch with other variants'."""
        return METHODS[self.method].alone


class Adapters:
    """The adapters of a model. Use as a context manager: at its end the model is as it was, without adapters.

    Args:
        model: frozen here, in eval mode: no dropout is used, and PEFT mixes adapters in eval mode only.
        base_name: of the model, written into the adapters' `base_model_name_or_path`.
        base_revision: of a model of the Hub, written into their `revision`.
    """

    def __init__(self, model: PreTrainedModel, base_name: str, base_revision: str | None = None) -> None:
        self.model = model.eval().requires_grad_(False)
        self.base_name, self.base_revision = base_name, base_revision
        self.attached: dict[str, Adapter] = {}
        self._peft: PeftModel | None = None
        self.clock = Clock()  # of dropout
        self._directions: dict[str, Mapping[str, torch.Tensor]] = {}  # by placement: the seed has no part in EVA

    def __enter__(self) -> Adapters:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def clear(self) -> None:
        """Takes all adapters off the model, also those that PEFT had attached when it failed."""
        for name, layer in list(self.layers()):
            parent, _, child = name.rpartition(".")
            setattr(self.model.get_submodule(parent), child, layer.get_base_layer())
        if hasattr(self.model, "peft_config"):
            del self.model.peft_config
        self._peft, self.attached = None, {}

    def find_directions(self, placement: Placement, batches: Sequence[Mapping[str, torch.Tensor]]) -> None:
        """What EVA starts the adapters of a placement from; while none is attached, as PEFT can do it only then.

        Args:
            batches: `input_ids` and `attention_mask` of the data.

        Raises:
            PlacementError: PEFT cannot read the inputs of these modules (OPT's feed-forward joins rows and tokens).
        """
        config = placement.at_highest_rank().lora_config("eva")
        hooks = {module: set(module._forward_hooks) for module in self.model.modules()}
        try:
            found = get_eva_state_dict(
                self.model, [dict(b) for b in batches], peft_config=config, show_progress_bar=False
            )
        except ValueError as error:
            for module, known in hooks.items():  # PEFT leaves its own behind
                for hook in set(module._forward_hooks) - known:
                    del module._forward_hooks[hook]
            raise PlacementError(
                f"PEFT cannot start EVA on {placement.name} of {type(self.model).__name__} ({error}): leave eva out of "
                "the methods"
            ) from error
        self._directions[placement.signature] = found

    def attach(self, placement: Placement, method: Method, seed: int, dropout: float = 0.0) -> Adapter:
        """Adds an adapter whose start depends on the placement, the method and the seed alone (EVA: and on its data).

        Args:
            dropout: fraction of the adapter's inputs that is dropped while `clock` runs.

        Raises:
            PlacementError: a module of the placement was not matched, or another one was, or its class does not take
                the method, or it is one of experts.
        """
        check_trainable(placement)
        info = METHODS[method]
        if not info.transposed and any(isinstance(self._base_layer(m.module), Conv1D) for m in placement.modules):
            raise PlacementError(
                f"PEFT starts {method} wrongly on the transposed weights (Conv1D) of {type(self.model).__name__}: "
                f"leave {method} out of the methods"
            )
        # What starts from data is attached as plain LoRA, and given its start afterwards.
        key, config = f"v{len(self.attached)}", placement.lora_config("lora" if info.from_data else method)
        config.base_model_name_or_path, config.revision = self.base_name, self.base_revision
        before = self._weights(placement) if info.mutates else {}
        try:
            with torch.random.fork_rng(devices=_cuda_devices(self.model)), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # PEFT on tied embeddings and on Conv1D, neither of which concerns us
                torch.manual_seed(seed)
                if self._peft is None:
                    self._peft = get_peft_model(self.model, copy.deepcopy(config), adapter_name=key)
                else:
                    self._peft.add_adapter(key, copy.deepcopy(config))
                self._check(placement, key)
                self._check_magnitudes(placement, key)
                if info.from_data:
                    self._start_eva(placement, key)
            residuals = self._weights(placement, clone=False) if info.mutates else {}
        except ValueError as error:  # a class that PEFT knows it cannot adapt, such as Mamba's output projection
            reason = str(error).splitlines()[0]
            raise PlacementError(f"PEFT refuses placement {placement.name} with {method}: {reason}") from error
        finally:
            for name, weight in before.items():
                self._base_layer(name).weight.data = weight
        if dropout:
            config.lora_dropout = dropout  # as its user trains it again
            for name, layer in self.layers():
                if key in layer.lora_A:  # PEFT drops nothing of what goes into an embedding
                    layer.lora_dropout[key] = SeededDropout(dropout, seed, name, self.clock)
        down, up = self._parameters(key)
        for parameter in (*down, *up):
            parameter.requires_grad_(True)
        start = {name: tensor.clone() for name, tensor in self.state(key).items()} if info.mutates else None
        self.attached[key] = Adapter(key, placement, method, config, down, up, residuals, start)
        return self.attached[key]

    def load(self, folder: Path, placement: Placement, method: Method) -> Adapter:
        """Attaches an adapter that `save` wrote, as its user would load it: for evaluation, not for training."""
        key, config = f"v{len(self.attached)}", LoraConfig.from_pretrained(str(folder))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self._peft is None:
                self._peft = PeftModel.from_pretrained(self.model, str(folder), adapter_name=key)
            else:
                self._peft.load_adapter(str(folder), adapter_name=key)
        self._check(placement, key)
        # A saved PiSSA or OLoRA is a plain LoRA; DoRA's magnitudes stay what they are.
        how: Method = method if METHODS[method].magnitudes else "lora"
        self.attached[key] = Adapter(key, placement, how, config, *self._parameters(key))
        return self.attached[key]

    def layers(self) -> Iterator[tuple[str, Any]]:
        """Every module that carries an adapter (a `LoraLayer`), by its name in the model."""
        for name, module in self.model.named_modules():
            if isinstance(module, LoraLayer):
                yield name, module

    @contextmanager
    def only(self, adapter: Adapter) -> Iterator[None]:
        """All rows run with this adapter, on its own residual weights where it has some."""
        trained = [p for other in self.attached.values() for p in other.parameters]
        with ExitStack() as undo:
            for name, weight in adapter.residuals.items():
                base = self._base_layer(name)
                undo.callback(setattr, base.weight, "data", base.weight.data)
                base.weight.data = weight
            for _, layer in self.layers():
                layer.set_adapter([adapter.key])
            for parameter in trained:  # PEFT freezes those that are not active
                parameter.requires_grad_(True)
            yield

    @contextmanager
    def dropping(self, step: int, batch: int) -> Iterator[None]:
        """Drops what the adapters' dropout drops in this batch of this step."""
        magnitudes = [layer for _, layer in self.layers() if len(layer.lora_magnitude_vector)]
        with self.clock.at(step, batch):
            for layer in magnitudes:  # PEFT's DoRA asks the layer itself whether anything is dropped
                layer.training = True
            try:
                yield
            finally:
                for layer in magnitudes:
                    layer.training = False

    @contextmanager
    def disabled(self) -> Iterator[None]:
        """The base model itself, with its adapters attached but silent."""
        layers = [layer for _, layer in self.layers()]
        try:
            for layer in layers:
                layer.enable_adapters(False)
            yield
        finally:
            for layer in layers:
                layer.enable_adapters(True)

    def state(self, key: str) -> dict[str, torch.Tensor]:
        """The adapter's tensors under the names that PEFT gives them in a file (no copies)."""
        assert self._peft is not None
        return get_peft_model_state_dict(self._peft, adapter_name=key, save_embedding_layers=False)

    def restore(self, adapter: Adapter, state: Mapping[str, torch.Tensor]) -> None:
        """Puts what `state` returned back."""
        with torch.no_grad():
            for name, tensor in self.state(adapter.key).items():
                tensor.copy_(state[name])

    def save(self, adapter: Adapter, folder: Path) -> None:
        """Writes a PEFT adapter folder that loads on the base model as it is.

        Raises:
            OSError: no space, or no right to write there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state(adapter.key).items()}
        config = copy.deepcopy(adapter.config)
        config.inference_mode = True
        if adapter.start is not None:
            tensors = _as_plain_lora(tensors, adapter.start)
            _double_rank(config)
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        config.save_pretrained(str(folder))

    def _check(self, placement: Placement, key: str) -> None:
        """PEFT matches names by suffix and says nothing when it matches too few."""
        wanted = {module.module for module in placement.modules}
        matched = {name for name, layer in self.layers() if key in layer.lora_A or key in layer.lora_embedding_A}
        if matched != wanted:
            lost, extra = sorted(wanted - matched), sorted(matched - wanted)
            what = f"{lost[0]} is not in the model" if lost else f"{extra[0]} was matched too"
            raise PlacementError(
                f"placement {placement.name} matches {len(matched)} modules instead of {len(wanted)}: {what}; "
                "was its energy map measured on this model?"
            )

    def _check_magnitudes(self, placement: Placement, key: str) -> None:
        """DoRA divides by the length of each output's weights: 0 for padding's at a head tied to the embedding."""
        for name, layer in self.layers():
            if key in layer.lora_magnitude_vector and not layer.lora_magnitude_vector[key].weight.all():
                raise PlacementError(
                    f"dora cannot adapt {name} (placement {placement.name}): it divides by the length of each output's "
                    "weights, and some, such as those of a padding token, are all 0: leave dora out of the methods"
                )

    def _parameters(self, key: str) -> tuple[tuple[nn.Parameter, ...], tuple[nn.Parameter, ...]]:
        down: list[nn.Parameter] = []
        up: list[nn.Parameter] = []
        for _, layer in self.layers():
            if key in layer.lora_A:
                down.extend(layer.lora_A[key].parameters())
                up.extend(layer.lora_B[key].parameters())
            if key in layer.lora_embedding_A:
                down.append(layer.lora_embedding_A[key])
                up.append(layer.lora_embedding_B[key])
            if key in layer.lora_magnitude_vector:
                up.extend(layer.lora_magnitude_vector[key].parameters())
        return tuple(down), tuple(up)

    def _weights(self, placement: Placement, clone: bool = True) -> dict[str, torch.Tensor]:
        weights = {m.module: self._base_layer(m.module).weight.data for m in placement.modules}
        return {name: weight.clone() if clone else weight for name, weight in weights.items()}

    def _base_layer(self, name: str) -> Any:
        try:
            module = self.model.get_submodule(name)
        except AttributeError as error:
            raise PlacementError(f"{name} is not in the model; was its energy map measured on this model?") from error
        return module.get_base_layer() if isinstance(module, LoraLayer) else module

    def _start_eva(self, placement: Placement, key: str) -> None:
        directions = self._directions[placement.signature]
        with torch.no_grad():
            for name, layer in self.layers():
                if key in layer.lora_A:
                    weight = layer.lora_A[key].weight
                    weight.copy_(directions[name][: len(weight)])


def _as_plain_lora(tensors: Mapping[str, torch.Tensor], start: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The change `B·A - B₀·A₀` as one LoRA of twice the rank: `[B, -B₀]·[A; A₀]` (as PEFT converts PiSSA)."""
    plain = {}
    for name, tensor in tensors.items():
        first = start[name].cpu()
        plain[name] = torch.cat([tensor, first]) if ".lora_A." in name else torch.cat([tensor, -first], dim=1)
    return plain


def _double_rank(config: LoraConfig) -> None:
    """Twice the rank at the same scale `alpha / r`."""
    config.init_lora_weights = True
    config.r *= 2
    config.lora_alpha *= 2
    config.rank_pattern = {key: 2 * rank for key, rank in (config.rank_pattern or {}).items()}
    config.alpha_pattern = {key: 2 * alpha for key, alpha in (config.alpha_pattern or {}).items()}


def _cuda_devices(model: nn.Module) -> list[torch.device]:
    device = next(model.parameters()).device
    return [device] if device.type == "cuda" else []
