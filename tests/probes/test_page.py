"""PAGE against independent sources: weight gradients one sample at a time, and PEFT's own gradients of lora_B."""

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from domlora.data.batches import group_by_length
from domlora.data.encoding import EncodedSample
from domlora.errors import ProbeError
from domlora.models.census import find_modules
from domlora.probes import passes
from domlora.probes.config import ProbeConfig
from domlora.probes.page import per_sample
from domlora.probes.page.estimator import measure
from tests.helpers.probing import HalfOfTheTokens, closed_form, fill_padding, make_samples, weight_gradients
from tests.helpers.tiny_models import MODELS, make


@pytest.mark.parametrize("name", MODELS)
def test_expected_per_sample_equals_brute_force(name):
    model, samples, config = make(name), make_samples(), ProbeConfig(rank=4, alpha=12)
    modules = find_modules(model).modules
    found = measure(model, modules, samples, config)
    brute = [[closed_form(g, config) for g in row] for row in weight_gradients(model, modules, samples)]
    np.testing.assert_allclose(found.sample_energies, brute, rtol=2e-4, atol=1e-9 * np.max(brute))
    np.testing.assert_allclose(found.energies, np.mean(brute, axis=0), rtol=2e-4)
    assert found.unmeasured == {}


@pytest.mark.parametrize("name", MODELS)
def test_expected_mean_gradient_equals_brute_force(name):
    model, samples = make(name), make_samples()
    config = ProbeConfig(rank=4, reduction="mean_gradient")
    modules = find_modules(model).modules
    found = measure(model, modules, samples, config, max_samples=2)
    grads = weight_gradients(model, modules, samples)
    means = [sum(row[m] for row in grads) / len(samples) for m in range(len(modules))]
    np.testing.assert_allclose(found.energies, [closed_form(g, config) for g in means], rtol=2e-4)
    assert "exact" in found.method


@pytest.mark.parametrize("estimator", ["expected", "projected"])
@pytest.mark.parametrize("reduction", ["per_sample", "mean_gradient"])
def test_batch_size_and_padding_do_not_change_energy(estimator, reduction):
    model, samples = make("llama"), make_samples(8)
    modules = find_modules(model).modules
    config = ProbeConfig(estimator=estimator, reduction=reduction, rank=4, draws=2)
    one, three, eight = (measure(model, modules, samples, config, max_samples=n).energies for n in (1, 3, 8))
    torch.testing.assert_close(one, three, rtol=1e-4, atol=0)
    torch.testing.assert_close(one, eight, rtol=1e-4, atol=0)


def test_what_a_padded_position_holds_does_not_matter(monkeypatch):
    model, samples = make("gpt2"), make_samples(4)
    modules = find_modules(model).modules
    before = measure(model, modules, samples, ProbeConfig(rank=4)).sample_energies
    fill_padding(monkeypatch, 55)
    after = measure(model, modules, samples, ProbeConfig(rank=4)).sample_energies
    torch.testing.assert_close(after, before, rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rslora", [False, True])
def test_projected_equals_the_gradient_of_pefts_own_lora_b(name, rslora):
    samples = make_samples(3)
    config = ProbeConfig(estimator="projected", reduction="mean_gradient", rank=4, alpha=12, rslora=rslora)
    modules = find_modules(make(name)).modules
    adapted = get_peft_model(
        make(name), LoraConfig(r=4, lora_alpha=12, use_rslora=rslora, target_modules=[m.name for m in modules])
    )
    layers = [adapted.get_submodule(f"base_model.model.{m.name}") for m in modules]
    projections = {m.name: layer.lora_A["default"].weight.detach() for m, layer in zip(modules, layers, strict=True)}
    loss = 0
    for sample in samples:
        labels = [token if counts else -100 for token, counts in zip(sample.ids, sample.response, strict=True)]
        loss = loss + adapted(input_ids=torch.tensor([sample.ids]), labels=torch.tensor([labels])).loss / len(samples)
    loss.backward()
    expected = [float(layer.lora_B["default"].weight.grad.square().sum()) for layer in layers]
    found = measure(make(name), modules, samples, config, projections=projections)
    np.testing.assert_allclose(found.energies, expected, rtol=1e-4)


def test_the_mean_of_many_draws_is_the_closed_form():
    model, samples = make("qwen3"), make_samples(3)
    modules = find_modules(model).modules
    expected = measure(model, modules, samples, ProbeConfig(rank=8)).energies
    drawn = measure(model, modules, samples, ProbeConfig(rank=8, estimator="projected", draws=500)).energies
    np.testing.assert_allclose(drawn, expected, rtol=0.05)


def test_sketched_mean_gradient_is_close_and_says_how_close():
    model, samples = make("llama"), make_samples(6)
    modules = find_modules(model).modules
    config = ProbeConfig(rank=4, reduction="mean_gradient")
    exact = measure(model, modules, samples, config)
    too_small = 4 * sum(m.in_features * m.out_features for m in modules) - 1
    small = measure(model, modules, samples, config, accumulator_bytes=too_small)
    assert "sketched" in small.method
    np.testing.assert_allclose(small.energies, exact.energies, rtol=1.0)
    assert (small.energies / exact.energies).log().abs().median() < 0.3


def test_kernels_of_a_mean_gradient_add_up_to_its_energy():
    model, samples = make("llama"), make_samples(5)
    found = measure(model, find_modules(model).modules, samples, ProbeConfig(rank=4, reduction="mean_gradient"))
    torch.testing.assert_close(found.kernels.mean((1, 2)), found.energies)


def test_row_sums_over_positions_are_the_energy_split_by_token():
    model, samples = make("llama"), make_samples(1)
    modules = find_modules(model).modules
    found = measure(model, modules, samples, ProbeConfig(rank=4))
    np.testing.assert_allclose(found.explanation.roles.sum(1), 1, rtol=1e-5)
    # Brute force for the first token: <G, y_0 x_0'>, with x and y taken by hooks of this test's own.
    target = model.get_submodule("model.layers.1.mlp.down_proj")
    kept = {}
    target.register_forward_hook(lambda m, args, out: (kept.update(x=args[0], y=out), out.retain_grad())[0])
    labels = [t if r else -100 for t, r in zip(samples[0].ids, samples[0].response, strict=True)]
    model(input_ids=torch.tensor([samples[0].ids]), labels=torch.tensor([labels])).loss.backward()
    x, dy = kept["x"][0].detach(), kept["y"].grad[0]
    gradient = dy.T @ x
    first = float((gradient * torch.outer(dy[0], x[0])).sum() / gradient.square().sum())
    row = [m.name for m in modules].index("model.layers.1.mlp.down_proj")
    assert found.explanation.roles[row, 0] == pytest.approx(first, rel=1e-3)
    assert found.explanation.max_output[row] == pytest.approx(float(kept["y"].detach().abs().max()), rel=1e-5)


def test_long_samples_cross_gram_blocks(monkeypatch):
    model, samples = make("llama"), make_samples(4)
    modules = find_modules(model).modules
    whole = measure(model, modules, samples, ProbeConfig(rank=4))
    monkeypatch.setattr(per_sample, "GRAM_BLOCK", 5)
    blocks = measure(model, modules, samples, ProbeConfig(rank=4))
    torch.testing.assert_close(whole.sample_energies, blocks.sample_energies, rtol=1e-4, atol=0)
    np.testing.assert_allclose(whole.explanation.roles, blocks.explanation.roles, rtol=1e-3, atol=1e-5)


def test_no_weight_gradient_is_allocated_and_the_model_is_left_as_it_was():
    model = make("llama").train()
    model.lm_head.weight.requires_grad_(False)
    flags = {name: p.requires_grad for name, p in model.named_parameters()}
    measure(model, find_modules(model).modules, make_samples(2), ProbeConfig(rank=4))
    assert all(p.grad is None for p in model.parameters())
    assert {name: p.requires_grad for name, p in model.named_parameters()} == flags
    assert model.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


@pytest.mark.parametrize("reduction", ["per_sample", "mean_gradient"])
def test_out_of_memory_halves_the_batch_and_goes_on(monkeypatch, reduction):
    model, samples = make("llama"), make_samples(6)
    modules, config = find_modules(model).modules, ProbeConfig(rank=4, reduction=reduction)
    expected = measure(model, modules, samples, config).energies
    backward, sizes = passes.activation_backward, []

    def short_of_memory(model, batch, rows):
        sizes.append(len(rows))
        result = backward(model, batch, rows)  # the taps have already counted this batch when memory runs out
        if len(rows) > 2:
            raise torch.OutOfMemoryError("pretended")
        return result

    monkeypatch.setattr(passes, "activation_backward", short_of_memory)
    torch.testing.assert_close(measure(model, modules, samples, config).energies, expected, rtol=1e-4, atol=0)
    assert max(sizes) > 2


def test_a_single_sample_without_memory_is_one_clear_line(monkeypatch):
    model = make("llama")

    def no_memory(*args):
        raise torch.OutOfMemoryError("pretended")

    monkeypatch.setattr(passes, "activation_backward", no_memory)
    with pytest.raises(ProbeError, match=r"no memory for one sample of .* tokens"):
        measure(model, find_modules(model).modules, make_samples(1), ProbeConfig(rank=4))


def test_a_loss_that_is_not_finite_names_its_row():
    model, samples = make("llama"), make_samples(3)
    own = next(token for token in samples[1].ids if token not in samples[0].ids + samples[2].ids)
    with torch.no_grad():
        model.model.embed_tokens.weight[own] = float("nan")
    with pytest.raises(ProbeError, match=r"^the loss of row 2 is nan: take that row out"):
        measure(model, find_modules(model).modules, samples, ProbeConfig(rank=4))


def test_a_model_without_a_finite_loss_is_said_to_be_damaged_and_its_rows_are_not_blamed():
    model = make("llama")
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[0, 0] = float("nan")
    with pytest.raises(ProbeError, match=r"the loss of row \d \(and of 2 of 2 others\) is nan: the model's own"):
        measure(model, find_modules(model).modules, make_samples(3), ProbeConfig(rank=4))


def test_a_module_that_reads_a_part_of_the_tokens_in_one_batch_is_not_measured_from_the_others():
    model = make("llama")
    model.model.layers[1].mlp.down_proj = HalfOfTheTokens(model.model.layers[1].mlp.down_proj)
    modules = find_modules(model).modules
    samples = [EncodedSample(tuple(range(3, 3 + n)), (False,) * 2 + (True,) * (n - 2), n) for n in (7, 8)]
    found = measure(model, modules, samples, ProbeConfig(rank=4), max_samples=1)
    reasons = {modules[i].name: reason for i, reason in found.unmeasured.items()}
    assert reasons == {"model.layers.1.mlp.down_proj.inner": "reads only a part of the tokens"}


def test_rank_above_a_module_is_refused():
    model = make("llama")
    with pytest.raises(ProbeError, match=r"rank 17 is larger than .*k_proj \(32 -> 16\).* at most 16"):
        measure(model, find_modules(model).modules, make_samples(1), ProbeConfig(rank=17))


def test_bfloat16_stays_close_to_float32():
    model, samples = make("llama"), make_samples(6)
    modules = find_modules(model).modules
    full = measure(model, modules, samples, ProbeConfig(rank=4)).energies
    half = measure(model.bfloat16(), modules, samples, ProbeConfig(rank=4)).energies
    assert half.dtype == torch.float64
    assert (half / full).log().abs().median() < 0.1


def test_same_seed_same_answer_and_another_seed_another_draw():
    model, samples = make("llama"), make_samples(3)
    modules = find_modules(model).modules
    first, again, other = (
        measure(model, modules, samples, ProbeConfig(rank=4, estimator="projected", seed=s)).energies for s in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_batches_hold_at_most_the_tokens_asked_for():
    samples = make_samples(20)
    groups = group_by_length(samples, 40)
    assert sorted(i for group in groups for i in group) == list(range(20))
    assert all(len(g) * max(len(samples[i].ids) for i in g) <= 40 or len(g) == 1 for g in groups)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("reduction", ["per_sample", "mean_gradient"])
@pytest.mark.parametrize("estimator", ["expected", "projected"])
def test_cuda_agrees_with_cpu(estimator, reduction):
    model, samples = make("llama"), make_samples(6)
    modules, config = find_modules(model).modules, ProbeConfig(rank=4, estimator=estimator, reduction=reduction)
    cpu = measure(model, modules, samples, config).energies
    torch.testing.assert_close(measure(model.cuda(), modules, samples, config).energies, cpu, rtol=1e-3, atol=0)
