"""The census: which modules can carry an adapter, on real classes."""

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import JetMoeConfig, JetMoeForCausalLM

from domlora.errors import ModelError
from domlora.models.census import find_modules
from tests.helpers.tiny_models import COMMON, MODELS, make


@pytest.mark.parametrize("name", MODELS)
def test_shapes_are_those_of_the_computed_map(name):
    model = make(name)
    shapes = {}
    handles = [
        model.get_submodule(m.name).register_forward_hook(
            lambda module, args, output, name=m.name: shapes.update({name: (args[0].shape[-1], output.shape[-1])})
        )
        for m in find_modules(model).modules
    ]
    model(input_ids=torch.ones(1, 3, dtype=torch.long))
    assert {m.name: (m.in_features, m.out_features) for m in find_modules(model).modules} == shapes
    assert len(handles) == len(shapes)


@pytest.mark.parametrize("name", MODELS)
def test_every_name_is_one_that_peft_adapts_and_its_parameters_are_counted(name):
    model = make(name)
    modules = find_modules(model).modules
    for module in modules[:: max(1, len(modules) // 4)]:
        adapted = get_peft_model(make(name), LoraConfig(r=4, target_modules=[module.name]))
        assert adapted.targeted_module_names == [module.name]
        assert adapted.get_nb_trainable_parameters()[0] == 4 * (module.in_features + module.out_features)


def test_embeddings_and_head_are_left_out():
    names = {m.name for m in find_modules(make("opt")).modules}
    assert not any("lm_head" in name or "embed" in name for name in names)


def test_3d_weights_of_an_unknown_class_are_listed_as_skipped_and_not_dropped():
    config = JetMoeConfig(**COMMON, num_local_experts=4, num_experts_per_tok=2, kv_channels=8)
    census = find_modules(JetMoeForCausalLM(config))
    names = {skipped.module for skipped in census.skipped}
    assert {"model.layers.0.mlp.input_linear.weight", "model.layers.1.mlp.output_linear.weight"} <= names
    assert all("JetMoeParallelExperts: not covered" in skipped.reason for skipped in census.skipped)


@pytest.mark.parametrize("name", ["mixtral", "llama4", "jamba"])
def test_experts_of_a_block_are_one_module_with_the_shapes_of_one_expert(name):
    model = make(name)
    for module in (m for m in find_modules(model).modules if m.fused):
        weight = model.get_parameter(module.name)
        assert module.experts == len(weight) == 4
        assert {module.in_features, module.out_features} == set(weight.shape[1:])
        assert module.in_features == (32 if module.kind == "expert.gate_up" else model.config.intermediate_size)


def test_linear_layers_that_peft_would_take_for_experts_are_named_as_parameters():
    modules = {m.name: m.parameter for m in find_modules(make("deepseek_v3")).modules}
    assert modules["model.layers.0.mlp.gate_proj"] == "model.layers.0.mlp.gate_proj.weight"
    assert modules["model.layers.0.self_attn.o_proj"] == ""
    adapted = get_peft_model(make("deepseek_v3"), LoraConfig(r=2, target_modules=["model.layers.0.mlp.down_proj"]))
    assert adapted.targeted_parameter_names == ["model.layers.1.mlp.experts.down_proj"]  # why: it was not asked for


def test_model_without_blocks_is_refused():
    with pytest.raises(ModelError, match="no linear layer inside a repeated block"):
        find_modules(nn.Sequential(nn.Linear(3, 3)))
