"""PAGE's peers against brute force: weight gradients by plain autograd, hooks of the test's own, explicit loops."""

from typing import get_args

import numpy as np
import pytest
import torch
from scipy.linalg import subspace_angles
from transformers import T5Config, T5ForConditionalGeneration
from transformers.pytorch_utils import Conv1D

from domlora.data.encoding import EncodedSample
from domlora.errors import UsageError
from domlora.models.census import find_modules
from domlora.probes import interference, plop, saliency, spectral
from domlora.probes.config import ProbeConfig, ProbeName
from domlora.probes.interface import OfWeights
from domlora.probes.registry import PROBES, check
from domlora.probes.score import load
from tests.helpers.probing import HalfOfTheTokens, closed_form, make_samples, measure, score, weight_gradients
from tests.helpers.tiny_models import make

# Split projections; Conv1D and fused qkv with biases; fused qkv and parallel blocks; biases everywhere.
NAMES = ("llama", "gpt2", "gpt_neox", "opt")
EXPERTS = ("mixtral", "gpt_oss")


def plain_weight(model, module):
    layer = model.get_submodule(module.name)
    weight = layer.weight.detach().double()
    return weight.T if isinstance(layer, Conv1D) else weight


def taps(model, modules, sample):
    """Per module the inputs (T, in) and output gradients (T, out) of one unpadded sample, by hooks of this file."""
    seen, handles = {}, []
    for module in modules:

        def after(layer, args, output, name=module.name):
            seen[name] = [args[0].detach().reshape(-1, args[0].shape[-1]).double()]
            output.register_hook(lambda dy: seen[name].append(dy.reshape(-1, dy.shape[-1]).double()))

        handles.append(model.get_submodule(module.name).register_forward_hook(after))
    model.requires_grad_(True)
    labels = [token if counts else -100 for token, counts in zip(sample.ids, sample.response, strict=True)]
    model(input_ids=torch.tensor([sample.ids]), labels=torch.tensor([labels])).loss.backward()
    for handle in handles:
        handle.remove()
    return [seen[module.name] for module in modules]


# --- the registry -----------------------------------------------------------------------------------------------------


def test_every_probe_has_an_entry_with_a_formula_and_a_source():
    assert tuple(PROBES) == get_args(ProbeName)
    for name, info in PROBES.items():
        assert info.name == name
        assert all((info.title, info.measures, info.formula, info.source))
        assert info.prefers in ("high", "low")
    assert {name for name, info in PROBES.items() if info.prefers == "low"} == {"plop", "interference"}
    of_weights = {name for name in PROBES if isinstance(load(name), OfWeights)}
    assert of_weights == {name for name, info in PROBES.items() if info.needs == "weights"}


@pytest.mark.parametrize(
    ("name", "against", "words"), [("interference", None, "name the other"), ("plop", "math", "reads one task")]
)
def test_two_tasks_are_for_interference_alone(name, against, words):
    with pytest.raises(UsageError, match=words):
        check(ProbeConfig(probe=name, against=against))


# --- from gradients ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_gradient_norm_equals_brute_force(name):
    model, samples = make(name), make_samples()
    modules = find_modules(model).modules
    grads = weight_gradients(model, modules, samples)
    brute = np.array([[float(g.norm()) for g in row] for row in grads])
    found = measure(model, samples, "gradient-norm")
    np.testing.assert_allclose(found.sample_energies, brute, rtol=2e-4)
    np.testing.assert_allclose(found.energies, brute.mean(0), rtol=2e-4)
    means = [float((sum(row[m] for row in grads) / len(samples)).norm()) for m in range(len(modules))]
    of_mean = measure(model, samples, "gradient-norm", reduction="mean_gradient")
    np.testing.assert_allclose(of_mean.energies, means, rtol=2e-4)
    assert of_mean.kernels is None


@pytest.mark.parametrize("name", NAMES)
def test_fisher_is_the_squared_gradient_of_the_log_likelihood_of_whole_responses(name):
    model, samples = make(name), make_samples()
    modules = find_modules(model).modules
    brute = np.zeros((len(samples), len(modules)))
    model.requires_grad_(True)
    for i, sample in enumerate(samples):
        model.zero_grad()
        logits = model(input_ids=torch.tensor([sample.ids])).logits[0].log_softmax(-1)
        likelihood = sum(logits[t - 1, sample.ids[t]] for t in range(1, len(sample.ids)) if sample.response[t])
        likelihood.backward()
        brute[i] = [float(model.get_submodule(m.name).weight.grad.square().sum()) for m in modules]
    for reduction in ("per_sample", "mean_gradient"):
        found = measure(model, samples, "fisher", reduction=reduction)
        np.testing.assert_allclose(found.sample_energies, brute, rtol=5e-4)
        np.testing.assert_allclose(found.energies, brute.mean(0), rtol=5e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("block", [saliency.BLOCK, 100])
def test_saliency_equals_brute_force_however_small_its_blocks(name, block, monkeypatch):
    monkeypatch.setattr(saliency, "BLOCK", block)
    model, samples = make(name), make_samples()
    modules = find_modules(model).modules
    weights = [plain_weight(model, m) for m in modules]
    grads = weight_gradients(model, modules, samples)
    brute = np.array([[float((w * g).abs().sum()) for w, g in zip(weights, row, strict=True)] for row in grads])
    found = measure(model, samples, "saliency")
    np.testing.assert_allclose(found.sample_energies, brute, rtol=2e-4)
    means = [sum(row[m] for row in grads) / len(samples) for m in range(len(modules))]
    of_mean = measure(model, samples, "saliency", reduction="mean_gradient")
    np.testing.assert_allclose(
        of_mean.energies, [float((w * g).abs().sum()) for w, g in zip(weights, means, strict=True)], rtol=2e-4
    )


@pytest.mark.parametrize("name", NAMES)
def test_page_without_the_first_token_drops_its_row_and_its_cross_terms(name):
    model, samples, config = make(name), make_samples(), ProbeConfig(probe="page-no-first", rank=4, alpha=12)
    modules = find_modules(model).modules
    brute, sums = np.zeros((len(samples), len(modules))), [0] * len(modules)
    for i, sample in enumerate(samples):
        for m, (x, y) in enumerate(taps(model, modules, sample)):
            grad = y[1:].T @ x[1:]
            brute[i, m] = closed_form(grad, config)
            sums[m] = sums[m] + grad / len(samples)
    (found,) = score(model, samples, config)
    np.testing.assert_allclose(found.sample_energies, brute, rtol=2e-4)
    np.testing.assert_allclose(found.explanation.roles[:, 0], 0)
    (of_mean,) = score(model, samples, config.model_copy(update={"reduction": "mean_gradient"}))
    np.testing.assert_allclose(of_mean.energies, [closed_form(g, config) for g in sums], rtol=2e-4)


def test_no_first_projected_is_near_its_expectation():
    model, samples = make("gpt2"), make_samples(3)
    config = ProbeConfig(probe="page-no-first", rank=4)
    expected, drawn = score(model, samples, config, config.model_copy(update={"estimator": "projected", "draws": 500}))
    np.testing.assert_allclose(drawn.energies, expected.energies, rtol=0.15)


# --- from activations -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_activation_norm_is_the_mean_length_of_the_inputs(name):
    model, samples = make(name), make_samples()
    modules = find_modules(model).modules
    brute = [[float(x.norm(dim=1).mean()) for x, _ in taps(model, modules, sample)] for sample in samples]
    found = measure(model, samples, "activation-norm")
    np.testing.assert_allclose(found.sample_energies, brute, rtol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_plop_is_the_ratio_of_feature_norms_without_the_bias(name):
    model, samples = make(name), make_samples()
    for parameter in model.parameters():
        if parameter.dim() == 1:  # biases start at zero
            parameter.data += torch.randn(len(parameter), generator=torch.Generator().manual_seed(len(parameter)))
    modules = find_modules(model).modules
    brute = np.zeros((len(samples), len(modules)))
    for i, sample in enumerate(samples):
        for m, (x, _) in enumerate(taps(model, modules, sample)):
            weight = plain_weight(model, modules[m])
            z = plop.random_inputs(x.shape[1], 0, {}).double()
            actual = np.mean([float((weight @ row).norm() / row.norm()) for row in x])
            brute[i, m] = actual / np.mean([float((weight @ row).norm() / row.norm()) for row in z])
    np.testing.assert_allclose(measure(model, samples, "plop").sample_energies, brute, rtol=2e-4)


def test_a_module_that_reads_what_was_read_long_before_has_its_own_lengths():
    """Cross-attention of every decoder block reads the encoder's output, with other inputs read in between."""
    torch.manual_seed(0)
    shape = {"d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4, "vocab_size": 97}
    model = T5ForConditionalGeneration(T5Config(**shape, decoder_start_token_id=0, pad_token_id=0)).eval()
    source, labels = (5, 6, 7, 8, 9), (11, 12, 13)
    ids, ignored = (*source, 0, *labels[:-1]), (-100,) * len(source)
    sample = EncodedSample(ids, (False,) * 5 + (True,) * 3, 1, source=5, labels=(*ignored, *labels))
    modules = find_modules(model).modules
    lengths = {}
    for module in modules:

        def after(layer, args, output, name=module.name):
            lengths[name] = float(args[0].norm(dim=-1).mean())

        model.get_submodule(module.name).register_forward_hook(after)
    found = measure(model, [sample], "activation-norm")
    brute = [lengths[module.name] for module in modules]
    assert sum(module.stack == "cross" for module in modules) == 8
    np.testing.assert_allclose(found.energies, brute, rtol=1e-5)


def test_plop_of_random_inputs_is_one():
    torch.manual_seed(0)
    weight, x = torch.randn(64, 32), torch.randn(4000, 32)
    actual = ((x @ weight.T).norm(dim=1) / x.norm(dim=1)).mean()
    z = plop.random_inputs(32, 7, {})
    assert float(actual / (z @ weight.T).norm(dim=1).mean()) == pytest.approx(1, abs=0.02)


# --- from weights -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_probes_of_weights_equal_numpy_and_run_no_model(name, monkeypatch):
    model, samples = make(name), make_samples(2)
    modules = find_modules(model).modules
    monkeypatch.setattr(model, "forward", None)
    singular = [np.linalg.svd(plain_weight(model, m).numpy(), compute_uv=False) for m in modules]
    norms, shares = score(model, samples, ProbeConfig(probe="weight-norm"), ProbeConfig(probe="spectral"))
    np.testing.assert_allclose(norms.energies, [np.sqrt((s**2).sum()) for s in singular], rtol=1e-6)
    np.testing.assert_allclose(shares.energies, [s[0] ** 2 / (s**2).sum() for s in singular], rtol=1e-6)
    assert len(norms.losses) == 0


# --- of two tasks -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_interference_sums_the_squared_cosines_of_principal_angles(name):
    model, samples, others = make(name), make_samples(5), make_samples(4, seed=9)
    modules = find_modules(model).modules
    spans = []
    for rows in (samples, others):
        grads = weight_gradients(model, modules, rows)
        means = [sum(row[m] for row in grads) / len(rows) for m in range(len(modules))]
        spans.append([np.linalg.svd(g.numpy(), full_matrices=False)[0][:, :4] for g in means])
    brute = [float((np.cos(subspace_angles(a, b)) ** 2).sum()) for a, b in zip(*spans, strict=True)]
    config = ProbeConfig(probe="interference", against="other", rank=4)
    (found,) = score(model, samples, config, others={"other": others})
    np.testing.assert_allclose(found.energies, brute, rtol=1e-2)
    (itself,) = score(model, samples, config, others={"other": samples})
    np.testing.assert_allclose(itself.energies, 4, rtol=1e-5)


@pytest.mark.parametrize(("own", "other"), [(7, 8), (8, 7)])
def test_what_either_task_leaves_unmeasured_has_no_interference(own, other):
    """Of a sample of 7 tokens the layer reads a part, of 8 all."""
    model = make("llama")
    model.model.layers[1].mlp.down_proj = HalfOfTheTokens(model.model.layers[1].mlp.down_proj)
    tasks = [[EncodedSample(tuple(range(3, 3 + n)), (False,) * 2 + (True,) * (n - 2), 1)] for n in (own, other)]
    config = ProbeConfig(probe="interference", against="other", rank=4)
    (found,) = score(model, tasks[0], config, others={"other": tasks[1]})
    names = [module.name for module in find_modules(model).modules]
    reasons = {names[i]: reason for i, reason in found.unmeasured.items()}
    assert reasons == {"model.layers.1.mlp.down_proj.inner": "reads only a part of the tokens"}


def test_a_sketch_finds_the_same_directions(monkeypatch):
    model, samples, others = make("llama"), make_samples(5), make_samples(4, seed=9)
    config = ProbeConfig(probe="interference", against="other", rank=2)
    (exact,) = score(model, samples, config, others={"other": others})
    monkeypatch.setattr(interference, "gradients_fit", lambda *_: False)
    (sketched,) = score(model, samples, config, others={"other": others})
    assert "sketched to 16 columns" in sketched.method
    np.testing.assert_allclose(sketched.energies, exact.energies, atol=0.25)


@pytest.mark.parametrize("shape", [(150, 300), (300, 150)])
def test_leading_directions_of_a_large_matrix_are_those_of_a_full_decomposition(shape):
    """Singular values that fall as those of gradients do, slowly."""
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(side, 150)).Q for side in shape)
    gradient = left * torch.arange(1.0, 151.0).rsqrt() @ right.T
    found = interference.leading(gradient, 4)
    np.testing.assert_allclose(subspace_angles(found.numpy(), left[:, :4].double().numpy()), 0, atol=2e-3)
    assert min(shape) > 2 * interference.SPARE * 4


def test_the_largest_singular_value_of_a_large_weight_is_that_of_a_full_decomposition():
    torch.manual_seed(0)
    for shape in ((90, 200), (200, 90)):
        weight = torch.randn(*shape)
        full = float(torch.linalg.matrix_norm(weight.double(), 2) ** 2)
        assert spectral._largest_square(weight) == pytest.approx(full, rel=1e-5)


def test_directions_of_a_gradient_of_low_rank_are_not_made_up():
    torch.manual_seed(0)
    for shape in ((20, 30), (30, 20)):
        gradient = torch.randn(shape[0], 2) @ torch.randn(2, shape[1])
        found = interference.leading(gradient, 4)
        assert found.shape == (shape[0], 2)
        torch.testing.assert_close(found @ (found.T @ gradient.double()), gradient.double(), rtol=1e-5, atol=1e-5)


# --- experts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXPERTS)
def test_experts_of_a_fused_tensor_count_as_one_module(name):
    model, samples = make(name), make_samples(3)
    modules = find_modules(model).modules
    fused = [i for i, module in enumerate(modules) if module.fused]
    assert fused
    parameters = [model.get_parameter(modules[i].name) for i in fused]  # whose gradients autograd gives
    names = ("gradient-norm", "saliency", "weight-norm")
    norms, products, weights = score(model, samples, *(ProbeConfig(probe=n) for n in names))
    model.requires_grad_(True)
    for row, sample in enumerate(samples):
        model.zero_grad()
        labels = [token if counts else -100 for token, counts in zip(sample.ids, sample.response, strict=True)]
        model(input_ids=torch.tensor([sample.ids]), labels=torch.tensor([labels])).loss.backward()
        grads = [p.grad for p in parameters]
        np.testing.assert_allclose(norms.sample_energies[row, fused], [float(g.norm()) for g in grads], rtol=5e-4)
        brute = [float((p.detach() * g).abs().sum()) for p, g in zip(parameters, grads, strict=True)]
        np.testing.assert_allclose(products.sample_energies[row, fused], brute, rtol=5e-4)
    np.testing.assert_allclose(weights.energies[fused], [float(p.detach().norm()) for p in parameters], rtol=1e-5)


def test_plop_of_experts_averages_over_the_tokens_routed_to_them():
    model, samples = make("mixtral"), make_samples(2)
    modules = find_modules(model).modules
    index = next(i for i, m in enumerate(modules) if m.kind == "expert.gate_up")
    experts, seen = model.get_submodule(modules[index].owner), []
    found, lengths = score(model, samples, ProbeConfig(probe="plop"), ProbeConfig(probe="activation-norm"))
    z = plop.random_inputs(modules[index].in_features, 0, {})
    handle = experts.register_forward_pre_hook(lambda _, args: seen.append(args[:2]))
    for row, sample in enumerate(samples):
        with torch.no_grad():
            model(input_ids=torch.tensor([sample.ids]))
        hidden, routes = seen.pop()
        scores = []
        for token, chosen in enumerate(routes.tolist()):
            for expert in chosen:
                weight = experts.gate_up_proj[expert].detach()
                aligned = (weight @ hidden[token]).norm() / hidden[token].norm()
                scores.append(float(aligned / (z @ weight.T).norm(dim=1).mean()))
        assert float(found.sample_energies[row, index]) == pytest.approx(np.mean(scores), rel=2e-4)
        assert float(lengths.sample_energies[row, index]) == pytest.approx(float(hidden.norm(dim=1).mean()), rel=1e-5)
    handle.remove()
