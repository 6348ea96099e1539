"""Adapters come and go without a trace, begin as PEFT begins them, and leave as folders that PEFT loads."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from peft import LoraConfig, PeftModel
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file
from transformers import MambaConfig, MambaForCausalLM

from domlora.errors import PlacementError
from domlora.placements.methods import METHODS
from domlora.placements.placement import Placement
from domlora.training.adapters import Adapters
from domlora.training.checkpoints import LONGEST_NAME, folder_name
from domlora.training.lockstep import Lockstep
from tests.helpers.sweeping import batch_of, named, perturb, placement, plain_peft
from tests.helpers.tiny_models import MODELS, make

IDS = batch_of([12, 12]).ids


def inputs(batch):
    return [{"input_ids": batch.ids, "attention_mask": batch.attention.long()}]


def attach(adapters, place, method, seed=0):
    return adapters.attach(place, method, seed)


def logits(model):
    with torch.no_grad():
        return model(input_ids=IDS).logits


def train_a_little(adapters, adapter, steps=6, rate=0.05):
    """Real gradients, real steps."""
    lockstep = Lockstep(adapters)
    optimizer = torch.optim.Adam(adapter.parameters, lr=rate)
    for _ in range(steps):
        optimizer.zero_grad()
        lockstep.backward(batch_of(), [adapter], 0.25)
        optimizer.step()


@pytest.mark.parametrize("name", MODELS)
def test_afterwards_the_model_is_bit_for_bit_what_it_was(name):
    model = make(name)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    classes = {key: type(module) for key, module in model.named_modules()}
    said = logits(model)
    places = [placement(model, "all"), placement(model, "top", [1])]
    methods = [method for method in METHODS if (name, method) not in (("gpt2", "olora"), ("opt", "eva"))]
    with Adapters(model, "tiny") as adapters:
        for place in places if name != "opt" else ():
            adapters.find_directions(place, inputs(batch_of()))
        for place in places:
            for method in methods:
                train_a_little(adapters, attach(adapters, place, method), 1)
        with adapters.disabled():
            assert torch.equal(logits(model), said)
    after = model.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], tensor) for key, tensor in before.items())
    assert {key: type(module) for key, module in model.named_modules()} == classes
    assert not any(isinstance(module, LoraLayer) for module in model.modules())
    assert not hasattr(model, "peft_config")
    assert torch.equal(logits(model), said)


def test_the_model_comes_back_after_an_error():
    model = make("llama")
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(ZeroDivisionError), Adapters(model, "tiny") as adapters:
        adapter = attach(adapters, placement(model, "all"), "pissa")
        with adapters.only(adapter):
            raise ZeroDivisionError
    assert all(torch.equal(model.state_dict()[key], tensor) for key, tensor in before.items())


def test_the_same_model_carries_adapters_again():
    model = make("llama")
    place = placement(model, "all")
    states = []
    for _ in range(2):
        with Adapters(model, "tiny") as adapters:
            states.append(named(adapters, attach(adapters, place, "lora", 5)))
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize("method", METHODS)
def test_an_adapter_begins_as_peft_begins_it(method):
    model = make("llama")
    fresh, place = copy.deepcopy(model), placement(model, "all")
    with Adapters(model, "tiny") as adapters:
        adapters.find_directions(place, inputs(batch_of()))
        first = attach(adapters, placement_of(model, "first", [0]), "lora", 1)
        adapter = attach(adapters, place, method, 7)
        state = named(adapters, adapter)
        with adapters.only(adapter):
            said = logits(model)
        assert sum(p.numel() for p in adapter.parameters) == place.parameters(method)
        assert all(p.requires_grad for p in (*first.parameters, *adapter.parameters))
    plain = plain_peft(fresh, place, method, 7)
    if method == "eva":
        from peft import initialize_lora_eva_weights

        initialize_lora_eva_weights(plain, inputs(batch_of()), show_progress_bar=False)
    wanted = {name.replace(".default", ""): tensor for name, tensor in plain.state_dict().items() if "lora_" in name}
    short = {name.replace("magnitude_vector.weight", "magnitude_vector"): tensor for name, tensor in wanted.items()}
    found = {name.replace("magnitude_vector.weight", "magnitude_vector"): tensor for name, tensor in state.items()}
    assert found.keys() == short.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, short[name], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(said, logits(plain.eval()), rtol=1e-4, atol=1e-4)


def placement_of(model, name, layers):
    """As `placement`, also while adapters are attached: from the modules of a fresh model."""
    return placement(make("llama"), name, layers)


SAVED = [
    pytest.param(name, method, where, marks=pytest.mark.slow if name == "phi3" else ())
    for name in ("llama", "gpt2", "phi3")
    for method in METHODS
    for where in ("all", "one")
    if (name, method) != ("gpt2", "olora")  # refused, see below
]


@pytest.mark.parametrize(("name", "method", "where"), SAVED)
def test_a_saved_folder_loads_on_the_plain_base_and_says_the_same(name, method, where, tmp_path):
    model = make(name)
    fresh = copy.deepcopy(model)
    place = placement(model, "all") if where == "all" else placement(model, "one", [1], ["down"])
    with Adapters(model, "org/tiny") as adapters:
        adapters.find_directions(place, inputs(batch_of()))
        adapter = attach(adapters, place, method)
        train_a_little(adapters, adapter)
        adapters.save(adapter, tmp_path / "adapter")
        with adapters.only(adapter):
            said = logits(model)
    assert (said - logits(fresh)).abs().max() > 0.05, "it learned something"
    loaded = PeftModel.from_pretrained(copy.deepcopy(fresh), str(tmp_path / "adapter"))
    torch.testing.assert_close(logits(loaded.eval()), said, rtol=1e-4, atol=2e-4)
    with Adapters(model, "org/tiny") as adapters:
        again = adapters.load(tmp_path / "adapter", place, method)
        with adapters.only(again):
            torch.testing.assert_close(logits(model), said, rtol=1e-4, atol=2e-4)
        if not again.alone:
            mixed = Lockstep(adapters).evaluate(batch_of(), [again]).losses
            with adapters.only(again):
                from domlora.training.lockstep import base_results

                torch.testing.assert_close(mixed, base_results(model, batch_of()).losses, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_the_config_of_a_folder_is_plain(method, tmp_path):
    model = make("llama")
    place = placement(model, "one", [1], ["down"])
    with Adapters(model, "org/tiny") as adapters:
        adapters.find_directions(place, inputs(batch_of()))
        adapters.save(attach(adapters, place, method), tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text(encoding="utf-8"))
    times = 2 if method in ("pissa", "olora") else 1  # the change of a PiSSA takes twice its rank
    assert (config["r"], config["lora_alpha"]) == (4 * times, 8 * times)
    assert not config["rank_pattern"] and not config["alpha_pattern"]
    assert config["target_modules"] == ["model.layers.1.mlp.down_proj"]
    assert config["base_model_name_or_path"] == "org/tiny"
    assert config["init_lora_weights"] is True
    assert (config["use_dora"], config["use_rslora"]) == (method == "dora", method == "rslora")
    assert config["inference_mode"] is True
    assert {file.name for file in tmp_path.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    assert all(name.startswith("base_model.model.model.layers.1.mlp.down_proj.") for name in tensors)


def test_ranks_that_differ_are_kept_in_the_folder(tmp_path):
    model = make("llama")
    fresh = copy.deepcopy(model)
    modules = [m.model_copy(update={"rank": 2 + m.layer}) for m in placement(model, "x", None, ["q", "down"]).modules]
    place = Placement(name="uneven", modules=tuple(modules), rank=2, alpha=8)
    for method in ("lora", "pissa"):
        with Adapters(model, "tiny") as adapters:
            adapter = attach(adapters, place, method)
            train_a_little(adapters, adapter)
            adapters.save(adapter, tmp_path / method)
            with adapters.only(adapter):
                said = logits(model)
        loaded = PeftModel.from_pretrained(copy.deepcopy(fresh), str(tmp_path / method))
        torch.testing.assert_close(logits(loaded.eval()), said, rtol=1e-4, atol=2e-4)


def test_saving_reads_a_config_that_peft_reads_back(tmp_path):
    model = make("llama")
    with Adapters(model, "tiny") as adapters:
        adapter = attach(adapters, placement(model, "all"), "lora")
        adapters.save(adapter, tmp_path)
        names = {module.module for module in adapter.placement.modules}
    assert set(LoraConfig.from_pretrained(str(tmp_path)).target_modules) == names


def test_a_state_that_was_kept_can_be_put_back():
    model = make("llama")
    with Adapters(model, "tiny") as adapters:
        adapter = attach(adapters, placement(model, "all"), "dora")
        perturb(adapter)
        kept = named(adapters, adapter)
        train_a_little(adapters, adapter)
        assert any(not torch.equal(kept[key], tensor) for key, tensor in named(adapters, adapter).items())
        adapters.restore(adapter, kept)
        assert all(torch.equal(kept[key], tensor) for key, tensor in named(adapters, adapter).items())


@pytest.mark.parametrize("method", ["lora", "pissa"])
def test_a_placement_of_another_model_is_refused_and_leaves_the_base_alone(method):
    model = make("llama")
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    modules = placement(model, "x", [0, 1], ["down"]).modules
    strange = modules[1].model_copy(update={"module": "model.layers.7.mlp.down_proj"})
    place = Placement(name="strange", modules=(modules[0], strange), rank=4, alpha=8)
    missing = "model.layers.7.mlp.down_proj is not in the model"
    with pytest.raises(PlacementError, match=missing), Adapters(model, "tiny") as adapters:
        attach(adapters, place, method)
    assert all(torch.equal(model.state_dict()[key], tensor) for key, tensor in before.items())


def test_olora_on_transposed_weights_is_refused():
    model = make("gpt2")
    with pytest.raises(PlacementError, match="leave olora out"), Adapters(model, "tiny") as adapters:
        attach(adapters, placement(model, "all"), "olora")


def test_eva_keeps_the_planned_ranks_where_modules_read_the_same_inputs():
    """The directions are PEFT's own at equal ranks, and a module of a lower rank has the first of them."""
    from peft.tuners.lora.eva import get_eva_state_dict

    model = make("llama")
    high = placement(model, "all")
    ranks = {module.module: 1 + index % module.rank for index, module in enumerate(high.modules)}
    modules = tuple(module.model_copy(update={"rank": ranks[module.module]}) for module in high.modules)
    low = high.model_copy(update={"modules": modules})
    wanted = get_eva_state_dict(
        copy.deepcopy(model), inputs(batch_of()), peft_config=high.lora_config("eva"), show_progress_bar=False
    )
    with Adapters(model, "tiny") as adapters:
        adapters.find_directions(low, inputs(batch_of()))
        adapter = attach(adapters, low, "eva")
        found = {name: layer.lora_A[adapter.key].weight.detach() for name, layer in adapters.layers()}
    assert {name: len(weight) for name, weight in found.items()} == ranks
    assert len(set(ranks.values())) > 1
    for name, weight in found.items():
        torch.testing.assert_close(weight, wanted[name][: ranks[name]].float())


def test_an_adapter_names_the_commit_of_its_base(tmp_path):
    model = make("llama")
    with Adapters(model, "owner/name", "0123abcd") as adapters:
        adapters.save(attach(adapters, placement(model, "top", [1]), "lora"), tmp_path)
    config = LoraConfig.from_pretrained(str(tmp_path))
    assert (config.base_model_name_or_path, config.revision) == ("owner/name", "0123abcd")


def test_eva_is_refused_where_peft_cannot_read_the_inputs():
    model = make("opt")
    with pytest.raises(PlacementError, match="leave eva out"), Adapters(model, "tiny") as adapters:
        adapters.find_directions(placement(model, "all"), inputs(batch_of()))
    assert not any(module._forward_hooks for module in model.modules())


def test_a_module_that_peft_refuses_is_named_in_one_line():
    torch.manual_seed(0)
    model = MambaForCausalLM(MambaConfig(vocab_size=97, hidden_size=32, num_hidden_layers=2, state_size=4)).eval()
    before = {key: type(module) for key, module in model.named_modules()}
    with pytest.raises(PlacementError, match="out_proj"), Adapters(model, "tiny") as adapters:
        attach(adapters, placement(model, "all"), "lora")
    assert {key: type(module) for key, module in model.named_modules()} == before


def test_the_start_does_not_depend_on_other_adapters_nor_change_the_random_state():
    model = make("llama")
    one, other = placement(model, "one", [1]), placement(model, "all")
    torch.manual_seed(11)
    expected = torch.rand(3)
    torch.manual_seed(11)
    with Adapters(model, "tiny") as adapters:
        alone = named(adapters, attach(adapters, one, "lora", 3))
    with Adapters(model, "tiny") as adapters:
        attach(adapters, other, "pissa", 0)
        later = named(adapters, attach(adapters, one, "lora", 3))
        seeded = named(adapters, attach(adapters, one, "lora", 4))
    assert torch.equal(torch.rand(3), expected)
    assert all(torch.equal(later[key], tensor) for key, tensor in alone.items())
    assert any(not torch.equal(seeded[key], tensor) for key, tensor in alone.items())


def test_names_of_folders_are_short_distinct_and_legible():
    assert folder_name("dominant lr=0.005 seed=1") == "dominant_lr=0.005_seed=1"
    assert "/" not in folder_name("module:a/../b lr=1 seed=0")
    long = [folder_name("custom:" + "model.layers.1.mlp.down_proj+" * 20 + f" lr=0.1 seed={seed}") for seed in (0, 1)]
    assert long[0] != long[1] and all(len(name) <= LONGEST_NAME for name in long)
