"""Placements on experts, routers and what PEFT reaches only as a parameter: their configs, and that PEFT obeys them."""

from types import SimpleNamespace

import peft
import pytest
import torch
from peft.tuners.lora import LoraLayer, ParamWrapper
from transformers import MixtralConfig, MixtralForCausalLM

from domlora.comparison.config import SweepConfig
from domlora.comparison.placements import left_out, place_for
from domlora.data.tasks import load_task
from domlora.energy.energy_map import EnergyMap
from domlora.energy.files import from_csv, from_json, from_parquet, to_csv, to_json, to_parquet
from domlora.energy.measure import probe, table_of
from domlora.errors import PlacementError
from domlora.models.census import find_modules
from domlora.models.fetch import localise
from domlora.models.loading import load_local
from domlora.models.reference import resolve
from domlora.placements.place import place, place_all
from domlora.probes.recorder import Measurement
from domlora.training.adapters import Adapters
from tests.helpers.maps import make_map
from tests.helpers.tiny_models import MIXED, make


def map_of(name: str) -> EnergyMap:
    """Energies 1, 2, 3, ... in forward order, in the columns that a probe writes."""
    model = make(name)
    modules = find_modules(model).modules
    energies = torch.arange(1.0, len(modules) + 1).double()
    experts = {i: energies[i] * torch.ones(m.experts) / m.experts for i, m in enumerate(modules) if m.fused}
    found = Measurement(energies, None, None, torch.ones(1), None, "by hand", {}, experts)
    provenance = make_map([1]).provenance.model_copy(update={"architecture": type(model).__name__})
    nothing_to_explain = SimpleNamespace(tokenizer=SimpleNamespace(convert_ids_to_tokens=None))
    return EnergyMap(table_of(modules, found, nothing_to_explain), provenance)


def adapted(name: str, placement, **kwargs) -> dict[str, LoraLayer]:
    """What PEFT adapts, by module or parameter name."""
    model = peft.get_peft_model(make(name), placement.lora_config(**kwargs))
    assert model.get_nb_trainable_parameters()[0] == placement.trainable_parameters
    layers = {}
    for path, layer in model.base_model.model.named_modules():
        if isinstance(layer, LoraLayer):
            path = path.replace(".base_layer", "")
            layers[f"{path}.{layer.parameter_name}" if isinstance(layer, ParamWrapper) else path] = layer
    return layers


@pytest.mark.parametrize("name", ["mixtral", "qwen2_moe", "llama4", "deepseek_v3", "jamba", "nemotron_h", "mamba"])
@pytest.mark.parametrize("words", ["dominant", "all-linear", "mlp", "top-k:2"])
def test_peft_adapts_exactly_what_is_placed_and_trains_what_is_counted(name, words):
    energy = map_of(name)
    if name == "mamba" and words == "mlp":
        pytest.skip("no MLP in it")
    if name == "mamba" and words in ("dominant", "top-k:2"):
        words = "ssm.in"  # the last module of a block is the one that PEFT refuses
    placement = place(energy, words, rank=1 if name == "qwen2_moe" else 2)  # its shared router has one output
    assert set(adapted(name, placement)) == {m.parameter or m.module for m in placement.modules}


def test_ranks_in_proportion_to_energy_reach_parameters_too():
    placement = place(map_of("mixtral"), "expert.down", rank=4, allocation="energy", budget=4000)
    layers = adapted("mixtral", placement)
    assert len({m.rank for m in placement.modules}) == 2
    for module in placement.modules:
        assert layers[module.parameter].r["default"] == module.rank
        assert layers[module.parameter].scaling["default"] == pytest.approx(placement.alpha / placement.rank)


def test_the_pasted_config_names_target_parameters():
    placement = place(map_of("mixtral"), "expert.down", rank=2)
    scope: dict = {}
    exec(placement.snippet(), scope)
    assert scope["config"].target_parameters == [f"model.layers.{i}.mlp.experts.down_proj" for i in (0, 1)]
    assert list(scope["config"].target_modules) == []


@pytest.mark.parametrize("method", ["dora", "pissa", "olora", "eva"])
def test_methods_for_linear_layers_are_refused_on_experts_in_one_line(method):
    placement = place(map_of("mixtral"), "expert.down", rank=2)
    with pytest.raises(PlacementError, match=f"experts.down_proj, which PEFT adapts as a parameter, and {method} is"):
        placement.lora_config(method)


def test_a_comparison_refuses_experts_before_it_begins_and_says_how_to_train_them():
    energy = map_of("mixtral")
    with pytest.raises(PlacementError, match=r"cannot train model\.layers\.1\.mlp\.experts\.down_proj .*domlora place"):
        place_for(energy, SweepConfig(placements=("dominant", "qv"), rank=2))
    with Adapters(make("mixtral"), "tiny") as adapters, pytest.raises(PlacementError, match="cannot train"):
        adapters.attach(place(energy, "dominant", rank=2), "lora", 0)


def test_all_linear_of_a_comparison_leaves_experts_out_and_says_so():
    energy = map_of("mixtral")
    placements = place_for(energy, SweepConfig(placements=("all-linear", "qv"), rank=2))
    assert {m.kind for m in placements[0].modules} == {"q", "k", "v", "o"}
    (warning,) = left_out(energy, placements)
    assert warning.startswith("all-linear leaves out") and "experts" in warning
    with Adapters(make("mixtral"), "tiny") as adapters:
        assert len(adapters.attach(placements[0], "lora", 0).down) == 8


def test_the_output_projections_that_peft_refuses_are_left_out_of_all_linear_with_a_word():
    energy = map_of("mamba")
    (placement,) = place_for(energy, SweepConfig(placements=("all-linear",), rank=2))
    assert {m.kind for m in placement.modules} == {"ssm.in", "ssm.x", "ssm.dt"}
    assert left_out(energy, [placement]) == (
        "all-linear leaves out ssm.out, which PEFT refuses here, such as backbone.layers.0.mixer.out_proj",
    )
    assert left_out(map_of("llama"), place_for(map_of("llama"), SweepConfig(placements=("all-linear",)))) == ()


def test_spread_draws_no_module_that_a_comparison_cannot_train():
    placements = place_all(map_of("mixtral"), ["spread:6"], rank=2)
    assert len(placements) == 6 and not any(m.parameter for p in placements for m in p.modules)


@pytest.fixture(scope="module")
def folder(tokenizer, tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "tiny-mixtral"
    config = {**MIXED, "vocab_size": len(tokenizer), "max_position_embeddings": 256}
    MixtralForCausalLM(MixtralConfig(**config)).save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path


def test_a_map_of_a_model_with_experts_keeps_each_experts_energy_in_every_format(folder, task_file):
    model = load_local(localise(resolve(str(folder))), dtype="float32", device="cpu")
    energy = probe(model, load_task(str(task_file)), samples=4, rank=2)
    for read in (
        from_parquet(to_parquet(energy)), from_csv(to_csv(energy)), from_json(to_json(energy)), energy,
    ):  # fmt: skip
        row = read.modules[read.modules["kind"] == "expert.down"].iloc[0]
        assert (row["experts"], row["parameter"]) == (4, "model.layers.0.mlp.experts.down_proj")
        assert len(row["expert_energies"]) == 4
        assert sum(row["expert_energies"]) == pytest.approx(row["energy"], rel=1e-5)
        plain = read.modules[read.modules["kind"] == "q"].iloc[0]
        assert (plain["experts"], plain["parameter"], len(plain["expert_energies"])) == (1, "", 0)
    assert energy.table.set_index("module")["parameters"][row["module"]] == 4 * 48 * 32
