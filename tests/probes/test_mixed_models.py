"""Experts, routers, latent attention, state spaces and vision towers: PAGE against plain autograd and PEFT's lora_B.

The models run with their own fused experts here; only the probe runs them one by one.
"""

import copy

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import LoraLayer, ParamWrapper
from transformers import AlbertConfig, AlbertForMaskedLM

from domlora.models.census import find_modules
from domlora.probes.config import ProbeConfig
from domlora.probes.page.estimator import measure
from tests.helpers import encoder_models
from tests.helpers.probing import make_samples
from tests.helpers.tiny_models import MIXED_MODELS, make

ROUTED = [name for name, (*_, kinds) in MIXED_MODELS.items() if any(kind.startswith("expert") for kind in kinds[1])]
STATE_SPACE = "not called for these samples: an adapter here would change nothing"  # its weight is read, not called
REFUSING = ("mamba", "mamba2", "nemotron_h")  # PEFT does not adapt their output projections


def loss_of(model, sample):
    labels = [token if counts else -100 for token, counts in zip(sample.ids, sample.response, strict=True)]
    return model(input_ids=torch.tensor([sample.ids]), labels=torch.tensor([labels])).loss


def weight_of(model, module):
    """The parameter that a module adapts, found without the census's help."""
    parameters = dict(model.named_parameters())
    return parameters.get(module.name, parameters.get(f"{module.name}.weight"))


def gradients(model, modules, samples):
    """[sample][module] dL/dW as (experts, other side, side that PEFT's A reads), one unpadded sample at a time."""
    model = untied(model).requires_grad_(True)
    rows = []
    for sample in samples:
        model.zero_grad()
        loss_of(model, sample).backward()
        row = []
        for module in modules:
            grad = weight_of(model, module).grad.double().clone()
            owner = model.get_submodule(module.name.rpartition(".")[0])
            # PEFT: a 3-D weight is (experts, out, in), unless its module says that it is transposed.
            transposed = grad.dim() == 3 and getattr(owner, "is_transposed", False)
            row.append(grad.mT if transposed else grad if grad.dim() == 3 else grad[None])
        rows.append(row)
    return rows


def untied(model):
    """A copy in which each linear layer has a weight of its own: an adapter belongs to a layer, not to its weight."""
    model = copy.deepcopy(model)
    for module in model.modules():
        if isinstance(module, torch.nn.Linear):
            module.weight = torch.nn.Parameter(module.weight.detach().clone())
    return model


def closed_form(grad, config):
    """(experts,) of s² r / (3 · columns of A) ‖G_e‖²."""
    scaling = config.alpha / config.rank
    return (scaling**2 * config.rank / (3 * grad.shape[2]) * grad.square().sum((1, 2))).numpy()


def measured(model, found):
    """Indices of modules that have an energy, and the modules themselves."""
    modules = find_modules(model).modules
    kept = [i for i in range(len(modules)) if i not in found.unmeasured]
    return kept, [modules[i] for i in kept]


@pytest.mark.parametrize("name", MIXED_MODELS)
def test_expected_per_sample_equals_brute_force(name):
    model, samples, config = make(name), make_samples(), ProbeConfig(rank=4, alpha=12)
    modules = find_modules(model).modules
    found = measure(model, modules, samples, config)
    kept, taken = measured(model, found)
    brute = [[closed_form(g, config) for g in row] for row in gradients(model, taken, samples)]
    sums = np.array([[experts.sum() for experts in row] for row in brute])
    np.testing.assert_allclose(found.sample_energies[:, kept], sums, rtol=5e-4, atol=1e-8 * sums.max())
    assert set(found.expert_energies) == {i for i, m in enumerate(modules) if m.kind.startswith("expert.")}
    for i, energies in found.expert_energies.items():
        one = np.mean([row[kept.index(i)] for row in brute], axis=0)
        np.testing.assert_allclose(energies, one, rtol=5e-4, atol=1e-8 * sums.max())


@pytest.mark.parametrize("name", MIXED_MODELS)
def test_expected_mean_gradient_equals_brute_force(name):
    model, samples, config = make(name), make_samples(), ProbeConfig(rank=4, reduction="mean_gradient")
    found = measure(model, find_modules(model).modules, samples, config, max_samples=2)
    kept, taken = measured(model, found)
    rows = gradients(model, taken, samples)
    means = [sum(row[m] for row in rows) / len(samples) for m in range(len(taken))]
    brute = [closed_form(mean, config) for mean in means]
    np.testing.assert_allclose(found.energies[kept], [b.sum() for b in brute], rtol=5e-4)
    for i, energies in found.expert_energies.items():
        np.testing.assert_allclose(energies, brute[kept.index(i)], rtol=5e-4, atol=1e-8 * brute[kept.index(i)].max())
    torch.testing.assert_close(found.kernels[kept].mean((1, 2)), found.energies[kept])


@pytest.mark.parametrize("name", MIXED_MODELS)
def test_projected_equals_the_gradient_of_pefts_own_lora_b_and_peft_trains_what_is_counted(name):
    model, samples = make(name), make_samples(3)
    config = ProbeConfig(estimator="projected", reduction="mean_gradient", rank=4, alpha=12)
    unmeasured = measure(model, find_modules(model).modules, samples, ProbeConfig(rank=4))
    _, modules = measured(model, unmeasured)
    modules = [m for m in modules if not (name in REFUSING and m.kind == "ssm.out")]
    targets = {
        "target_modules": [m.name for m in modules if not m.parameter],
        "target_parameters": [m.parameter for m in modules if m.parameter] or None,
    }
    adapted = get_peft_model(make(name), LoraConfig(r=4, lora_alpha=12, **targets))
    layers = {}
    for path, layer in adapted.base_model.model.named_modules():
        if isinstance(layer, LoraLayer):
            path = path.replace(".base_layer", "")
            layers[f"{path}.{layer.parameter_name}" if isinstance(layer, ParamWrapper) else path] = layer
    assert set(layers) == {m.parameter or m.name for m in modules}
    assert adapted.get_nb_trainable_parameters()[0] == sum(
        4 * m.experts * (m.in_features + m.out_features) for m in modules
    )
    mine = [layers[m.parameter or m.name] for m in modules]
    projections = {m.name: layer.lora_A["default"].weight.detach() for m, layer in zip(modules, mine, strict=True)}
    sum(loss_of(adapted, sample) / len(samples) for sample in samples).backward()
    expected = [float(layer.lora_B["default"].weight.grad.square().sum()) for layer in mine]
    found = measure(make(name), modules, samples, config, projections=projections)
    np.testing.assert_allclose(found.energies, expected, rtol=5e-4)


@pytest.mark.parametrize("name", ["mixtral", "llama4"])
def test_peft_starts_each_experts_a_with_the_variance_that_the_closed_form_takes(name):
    module = next(m for m in find_modules(make(name)).modules if m.kind == "expert.gate_up")
    adapted = get_peft_model(make(name), LoraConfig(r=16, target_modules=[], target_parameters=[module.parameter]))
    (layer,) = (layer for layer in adapted.modules() if isinstance(layer, ParamWrapper))
    a = layer.lora_A["default"].weight
    assert a.shape == (16 * module.experts, module.fan_in)
    assert float(a.var()) == pytest.approx(1 / (3 * module.fan_in), rel=0.1)


@pytest.mark.parametrize("name", ["qwen2_moe", "llama4", "deepseek_v3", "gpt_oss"])
@pytest.mark.parametrize("estimator", ["expected", "projected"])
@pytest.mark.parametrize("reduction", ["per_sample", "mean_gradient"])
def test_batch_size_and_padding_do_not_change_the_energy_of_experts(name, estimator, reduction):
    model, samples = make(name), make_samples(6)
    modules = find_modules(model).modules
    config = ProbeConfig(estimator=estimator, reduction=reduction, rank=4, draws=2)
    one, six = (measure(model, modules, samples, config, max_samples=n) for n in (1, 6))
    torch.testing.assert_close(one.energies, six.energies, rtol=1e-3, atol=1e-8)
    for module, energies in one.expert_energies.items():
        assert float(energies.sum()) == pytest.approx(float(one.energies[module]), rel=1e-5)


def test_the_mean_of_many_draws_is_the_closed_form_also_for_experts():
    model, samples = make("llama4"), make_samples(3)
    modules = find_modules(model).modules
    expected = measure(model, modules, samples, ProbeConfig(rank=4)).energies
    drawn = measure(model, modules, samples, ProbeConfig(rank=4, estimator="projected", draws=400)).energies
    np.testing.assert_allclose(drawn, expected, rtol=0.1)


def test_a_sketched_mean_gradient_adds_up_over_experts():
    model, samples = make("mixtral"), make_samples(6)
    modules, config = find_modules(model).modules, ProbeConfig(rank=4, reduction="mean_gradient")
    exact = measure(model, modules, samples, config)
    size = 4 * sum(m.experts * m.in_features * m.out_features for m in modules)
    small = measure(model, modules, samples, config, accumulator_bytes=size - 1)
    assert "sketched" in small.method and "exact" in exact.method
    assert (small.energies / exact.energies).log().abs().median() < 0.3


@pytest.mark.parametrize("name", ROUTED)
def test_experts_give_the_same_output_one_by_one_and_the_model_is_left_as_it_was(name):
    model, samples = make(name), make_samples(4)
    attributes = {key: dict(module.__dict__) for key, module in model.named_modules()}
    found = measure(model, find_modules(model).modules, samples, ProbeConfig(rank=4), max_samples=4)
    for sample, loss in zip(samples, found.losses, strict=True):
        assert float(loss) == pytest.approx(float(loss_of(model, sample)), rel=1e-5)
    for key, module in model.named_modules():
        assert "forward" not in module.__dict__ and not module._forward_hooks and not module._forward_pre_hooks
        assert module.__dict__.keys() == attributes[key].keys()


def test_energy_by_token_adds_up_over_experts():
    model, samples = make("mixtral"), make_samples(2)
    found = measure(model, find_modules(model).modules, samples, ProbeConfig(rank=4))
    np.testing.assert_allclose(found.explanation.roles.sum(1), 1, rtol=1e-4)


def test_layers_that_share_a_weight_are_adapted_and_measured_each_by_itself():
    model = make("zamba2")
    first, last = (model.model.layers[i].shared_transformer.self_attn.q_proj for i in (0, 2))
    assert first.weight is last.weight
    modules = find_modules(model).modules
    found = measure(model, modules, make_samples(2), ProbeConfig(rank=4))
    one, other = (i for i, m in enumerate(modules) if m.kind == "q")
    assert found.energies[one] > 0 and found.energies[other] > 0 and found.energies[one] != found.energies[other]


@pytest.mark.parametrize("name", ["mamba", "jamba"])
def test_a_module_whose_weight_is_read_without_calling_it_is_listed_as_skipped(name):
    model = make(name)
    modules = find_modules(model).modules
    found = measure(model, modules, make_samples(2), ProbeConfig(rank=4))
    assert {modules[i].kind for i in found.unmeasured} == {"ssm.dt"}
    assert set(found.unmeasured.values()) == {STATE_SPACE}


def test_a_vision_tower_is_a_stack_of_its_own_and_text_leaves_it_unmeasured():
    model = make("llava")
    modules = find_modules(model).modules
    vision = {i for i, module in enumerate(modules) if module.stack == "vision"}
    assert {modules[i].kind for i in vision} == {"q", "k", "v", "o", "up", "down"}
    found = measure(model, modules, make_samples(2), ProbeConfig(rank=4))
    assert set(found.unmeasured) == vision
    assert set(found.unmeasured.values()) == {"reads images, and this task has none"}


@pytest.mark.parametrize("reduction", ["per_sample", "mean_gradient"])
@pytest.mark.parametrize("estimator", ["expected", "projected"])
def test_a_module_that_is_called_twice_counts_once_and_its_gradient_is_the_sum_of_both(reduction, estimator):
    model, samples = make("llama"), make_samples(4)
    model.model.layers[1].mlp = model.model.layers[0].mlp  # one object under two names
    modules = find_modules(model).modules
    assert [m.name for m in modules if m.kind == "down"] == ["model.layers.0.mlp.down_proj"]
    config = ProbeConfig(rank=4, reduction=reduction, estimator=estimator, draws=400)
    found = measure(model, modules, samples, config, max_samples=2)
    assert found.unmeasured == {}
    rows = gradients(model, modules, samples)
    if reduction == "mean_gradient":
        rows = [[sum(row[m] for row in rows) / len(samples) for m in range(len(modules))]]
    brute = np.mean([[closed_form(g, config).sum() for g in row] for row in rows], axis=0)
    np.testing.assert_allclose(found.energies, brute, rtol=5e-4 if estimator == "expected" else 0.15)


def test_a_real_model_that_uses_one_block_for_all_its_layers_is_measured_as_one():
    torch.manual_seed(1)
    settings = {**encoder_models.BERT, "embedding_size": 16, "num_hidden_layers": 3}
    model = AlbertForMaskedLM(AlbertConfig(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3 if parameter.dim() > 1 else 1)
    samples, config = encoder_models.make_samples("bert"), ProbeConfig(rank=4)
    modules = find_modules(model).modules
    assert sorted(m.kind for m in modules) == sorted(("q", "k", "v", "o", "up", "down"))
    found = measure(model, modules, samples, config)
    assert found.unmeasured == {}
    for sample, energies in zip(samples, found.sample_energies, strict=True):
        model.requires_grad_(True).zero_grad()
        encoder_models.loss_of(model, sample).backward()
        grads = [model.get_submodule(module.name).weight.grad.double()[None] for module in modules]
        np.testing.assert_allclose(energies, [closed_form(grad, config).sum() for grad in grads], rtol=5e-4)
