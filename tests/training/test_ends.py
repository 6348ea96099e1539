"""Adapters of the output head and the input embedding train as plain PEFT trains them, alone and beside others."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from domlora.errors import PlacementError
from domlora.models.ends import find_ends
from domlora.placements.methods import METHODS
from domlora.placements.placement import PlacedModule, Placement
from domlora.training.adapters import Adapters
from domlora.training.lockstep import Lockstep
from tests.helpers.sweeping import LENGTHS, batch_of, difference, perturb, placement, plain_losses, plain_peft, sample
from tests.helpers.tiny_models import MODELS, make

CLOSE = 1e-5
ROWS = [sample(n, i) for i, n in enumerate(LENGTHS)]
# Untied and tied; GPT-2 stores its blocks' weights transposed, Gemma scales its embeddings and caps its logits.
ENDED = ("llama", "tied", "gpt2", "gemma2", "gemma3", "opt")


def ended(name: str) -> torch.nn.Module:
    if name != "tied":
        return make(name)
    model_class, config_class, settings, _ = MODELS["llama"]
    torch.manual_seed(1)
    model = model_class(config_class(**settings, tie_word_embeddings=True)).eval()
    assert model.lm_head.weight is model.model.embed_tokens.weight
    return model


def end_of(model: torch.nn.Module, *names: str, rank: int = 4) -> Placement:
    """A placement of `embed`, `lm_head`, or both."""
    ends = find_ends(model)
    found = {"embed": (-1, ends.embed), "lm_head": (model.config.num_hidden_layers, ends.head)}
    modules = []
    for name in names:
        layer, end = found[name]
        modules.append(
            PlacedModule(
                module=end.module, stack="decoder", layer=layer, kind=name, in_features=end.in_features,
                out_features=end.out_features, rank=rank,
            )
        )  # fmt: skip
    return Placement(name="+".join(names), modules=tuple(modules), rank=rank, alpha=2 * rank)


def move(adapter) -> None:
    """Away from where an adapter changes nothing: PEFT begins an embedding's at A = 0, a layer's at B = 0."""
    perturb(adapter)
    draw = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in adapter.down:
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=draw))


def gradients(model: torch.nn.Module, key: str) -> dict[str, torch.Tensor]:
    """Of everything of one adapter, by the names of its parameters without the adapter's own."""
    return {
        name.removeprefix("base_model.model.").replace(f".{key}", ""): parameter.grad.clone()
        for name, parameter in model.named_parameters()
        if "lora_" in name and f".{key}" in name
    }


def state_of(adapters, adapter) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in adapters.state(adapter.key).items()}


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "whole"])
@pytest.mark.parametrize("name", ENDED)
def test_losses_and_gradients_are_those_of_plain_peft_with_one_adapter(name, shared):
    model = ended(name)
    fresh = copy.deepcopy(model)
    places = [
        placement(model, "top", [1]), end_of(model, "lm_head"), end_of(model, "embed"), placement(model, "all"),
        end_of(model, "embed", "lm_head"),
    ]  # fmt: skip
    with Adapters(model, "tiny") as adapters:
        attached = [adapters.attach(place, "lora", seed) for seed, place in enumerate(places)]
        attached.append(adapters.attach(places[1], "rslora", 9))
        for adapter in attached:
            move(adapter)
        lockstep = Lockstep(adapters)
        lockstep.shared = shared
        losses = lockstep.backward(batch_of(), attached, 0.5)
        found = [gradients(model, adapter.key) for adapter in attached]
        evaluated = lockstep.evaluate(batch_of(), attached)
        states = [state_of(adapters, adapter) for adapter in attached]
    torch.testing.assert_close(evaluated.losses, losses, rtol=CLOSE, atol=CLOSE)
    for i, adapter in enumerate(attached):
        plain = plain_peft(fresh, adapter.placement, adapter.method, 0, states[i])
        wanted = plain_losses(plain, ROWS)
        torch.testing.assert_close(losses[i], wanted.detach(), rtol=CLOSE, atol=CLOSE)
        (0.5 * wanted.sum()).backward()
        assert difference(found[i], gradients(plain, "default")) < CLOSE
    apart = torch.cdist(losses, losses) + 1000 * torch.eye(len(losses))
    assert apart.min() > 1e-3, "no two adapters are alike"


@pytest.mark.parametrize("name", ["llama", "tied", "gpt2", "gemma3"])
@pytest.mark.parametrize("end", ["lm_head", "embed"])
def test_sharing_blocks_is_kept_beside_an_adapted_end(name, end):
    model = ended(name)
    with Adapters(model, "tiny") as adapters:
        places = (placement(model, "top", [1]), end_of(model, end))
        attached = [adapters.attach(place, "lora", 0) for place in places]
        for adapter in attached:
            move(adapter)
        lockstep = Lockstep(adapters)
        lockstep.check(batch_of(), attached)
        assert lockstep.shared


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("end", ["lm_head", "embed"])
def test_an_end_trains_where_no_block_carries_an_adapter(end, checkpointing):
    model = ended("llama")
    fresh = copy.deepcopy(model)
    with Adapters(model, "tiny") as adapters:
        adapter = adapters.attach(end_of(model, end), "lora", 0)
        move(adapter)
        lockstep = Lockstep(adapters, checkpointing)
        lockstep.check(batch_of(), [adapter])
        lockstep.backward(batch_of(), [adapter], 1.0)
        found, state = gradients(model, adapter.key), state_of(adapters, adapter)
    plain = plain_peft(fresh, adapter.placement, "lora", 0, state)
    plain_losses(plain, ROWS).sum().backward()
    assert difference(found, gradients(plain, "default")) < CLOSE


ALLOWED = [
    pytest.param(name, end, method)
    for name in ("llama", "tied", "gpt2", "gemma3")
    for end in ("lm_head", "embed")
    for method, info in METHODS.items()
    if (end == "lm_head" or info.embeddings)
    and not (end == "lm_head" and info.mutates and name != "llama")  # refused where weights are tied
    and (name, end, method) not in (("tied", "lm_head", "dora"), ("gemma3", "lm_head", "dora"))  # see below
]


@pytest.mark.parametrize(("name", "end", "method"), ALLOWED)
def test_a_saved_adapter_loads_with_peft_and_says_what_was_trained(name, end, method, tmp_path):
    model = ended(name)
    fresh, place, batch = copy.deepcopy(model), end_of(model, end), batch_of([12, 12])
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with Adapters(model, "org/tiny") as adapters:
        if method == "eva":
            adapters.find_directions(place, [{"input_ids": batch.ids, "attention_mask": batch.attention.long()}])
        adapter = adapters.attach(place, method, 0)
        assert sum(p.numel() for p in adapter.parameters) == place.parameters(method)
        lockstep, optimizer = Lockstep(adapters), torch.optim.Adam(adapter.parameters, lr=0.05)
        for _ in range(6):
            optimizer.zero_grad()
            lockstep.backward(batch_of(), [adapter], 0.25)
            optimizer.step()
        adapters.save(adapter, tmp_path)
        with adapters.only(adapter), torch.no_grad():
            said = model(input_ids=batch.ids).logits
        trained = lockstep.evaluate(batch, [adapter]).losses[0]
    assert all(torch.equal(model.state_dict()[key], tensor) for key, tensor in before.items())
    with torch.no_grad():
        assert (said - fresh(input_ids=batch.ids).logits).abs().max() > 0.05, "it learned something"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore")  # on tied weights
            warnings.filterwarnings("error", message="Found missing adapter keys")
            loaded = PeftModel.from_pretrained(copy.deepcopy(fresh), str(tmp_path)).eval()
        torch.testing.assert_close(loaded(input_ids=batch.ids).logits, said, rtol=1e-4, atol=2e-4)
        rows = [sample(12, i) for i in range(2)]
        torch.testing.assert_close(plain_losses(loaded, rows), trained, rtol=1e-4, atol=1e-4)
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    assert all("lora_" in name for name in tensors), "the base's embedding is not written beside the adapter"
    with Adapters(model, "org/tiny") as adapters:
        again = adapters.load(tmp_path, place, method)
        torch.testing.assert_close(Lockstep(adapters).evaluate(batch, [again]).losses[0], trained, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["tied", "gemma3"])
def test_dora_at_a_head_with_weights_that_are_all_zero_is_refused(name):
    model = ended(name)
    assert not model.lm_head.weight[0].any(), "of the padding token"
    with pytest.raises(PlacementError, match="dora cannot adapt lm_head"), Adapters(model, "tiny") as adapters:
        adapters.attach(end_of(model, "lm_head"), "dora", 0)


@pytest.mark.parametrize("end", ["lm_head", "embed"])
def test_merging_into_a_tied_weight_changes_more_than_was_trained_and_untying_helps(end):
    """What the warning of a run says: `tied_words`."""
    ids = batch_of([12, 12]).ids
    for untied in (False, True):
        base = ended("tied")
        if untied:
            base.lm_head.weight = torch.nn.Parameter(base.lm_head.weight.detach().clone())
            base.config.tie_word_embeddings = False
        adapted = plain_peft(base, end_of(base, end), "lora", 0)
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_" in name:
                    parameter.add_(0.2)
            said = adapted(input_ids=ids).logits
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                merged = adapted.merge_and_unload()
            close = torch.allclose(merged(input_ids=ids).logits, said, rtol=1e-3, atol=1e-3)
        assert close == untied


def test_half_precision_trains_both_ends():
    model = ended("llama").to(torch.bfloat16)
    with Adapters(model, "tiny") as adapters:
        places = (placement(model, "top", [1]), end_of(model, "lm_head"), end_of(model, "embed"))
        attached = [adapters.attach(place, "lora", 0) for place in places]
        attached.append(adapters.attach(places[2], "dora", 0))
        for adapter in attached:
            move(adapter)
        lockstep = Lockstep(adapters)
        lockstep.check(batch_of(), attached)
        assert lockstep.shared
        assert lockstep.backward(batch_of(), attached, 1.0).isfinite().all()
        for adapter in attached:
            assert {p.grad.dtype for p in adapter.parameters} == {torch.float32}


def test_dropout_at_the_head_is_the_same_alone_and_beside_others():
    found = []
    for beside in (False, True):
        model = ended("llama")
        with Adapters(model, "tiny") as adapters:
            places = [placement(model, "top", [1])] if beside else []
            others = [adapters.attach(place, "lora", 3, 0.5) for place in places]
            head = adapters.attach(end_of(model, "lm_head"), "lora", 0, 0.5)
            for adapter in (*others, head):
                move(adapter)
            with adapters.dropping(1, 0):
                found.append(Lockstep(adapters).backward(batch_of(), [*others, head], 1.0)[-1])
            dry = Lockstep(adapters).evaluate(batch_of(), [head]).losses[0]
    torch.testing.assert_close(found[0], found[1], rtol=CLOSE, atol=CLOSE)
    assert (found[0] - dry).abs().max() > 1e-3, "something was dropped"
