"""The shipped real models against brute force: full weight gradients by plain autograd, one sample at a time."""

import numpy as np
import pytest
import torch

from domlora.data.encoding import encode
from domlora.data.tasks import load_task
from domlora.energy.measure import probe
from domlora.models.census import find_modules
from domlora.models.loading import load_model
from domlora.probes.config import ProbeConfig
from domlora.probes.page import estimator
from tests.helpers.probing import closed_form, weight_gradients

pytestmark = pytest.mark.slow
TOKENS = 128


@pytest.fixture(scope="module")
def models_home(tmp_path_factory):
    return tmp_path_factory.mktemp("real-models")


@pytest.fixture(params=["smollm2-135m", "gemma3-270m"])
def real(request, models_home, monkeypatch):
    """A real model with its modules and three samples of 128 tokens, fetched once."""
    monkeypatch.setenv("DOMLORA_HOME", str(models_home))
    monkeypatch.delenv("HF_HUB_OFFLINE")
    model = load_model(request.param)
    samples = encode(load_task("math").draw(3, seed=0), model.tokenizer, TOKENS).samples
    return model.model, find_modules(model.model).modules, samples


def test_shares_of_both_reductions_agree_with_full_weight_gradients(real):
    model, modules, samples = real
    per_sample, sums = np.zeros(len(modules)), [0] * len(modules)
    config = ProbeConfig()
    for sample in samples:
        (grads,) = weight_gradients(model, modules, [sample])
        per_sample += [closed_form(g, config) / len(samples) for g in grads]
        sums = [s + g.float() / len(samples) for s, g in zip(sums, grads, strict=True)]
    model.zero_grad(set_to_none=True)
    mean = np.array([closed_form(g, config) for g in sums])
    for reduction, brute in (("per_sample", per_sample), ("mean_gradient", mean)):
        found = estimator.measure(model, modules, samples, ProbeConfig(reduction=reduction)).energies.numpy()
        np.testing.assert_allclose(found / found.sum(), brute / brute.sum(), rtol=1e-3)


def test_batch_size_changes_nothing(real):
    model, modules, samples = real
    one, three = (estimator.measure(model, modules, samples, ProbeConfig(), max_samples=n).energies for n in (1, 3))
    torch.testing.assert_close(one, three, rtol=1e-3, atol=0)


@pytest.mark.parametrize("real", ["smollm2-135m"], indirect=True)
def test_mean_of_2000_draws_is_within_2_percent_on_the_20_largest(real):
    model, modules, samples = real
    expected = estimator.measure(model, modules, samples[:1], ProbeConfig()).energies.numpy()
    config = ProbeConfig(estimator="projected", draws=25)
    drawn = np.mean(
        [
            estimator.measure(model, modules, samples[:1], config.model_copy(update={"seed": s})).energies.numpy()
            for s in range(80)
        ],
        axis=0,
    )
    largest = np.argsort(-expected)[:20]
    np.testing.assert_allclose(drawn[largest], expected[largest], rtol=0.02)


@pytest.mark.parametrize("real", ["smollm2-135m"], indirect=True)
def test_smollm2_carries_a_massive_activation_at_the_first_token(real):
    model, modules, _ = real
    tokenizer = load_model("smollm2-135m").tokenizer
    rows = load_task("chat").samples[:8]
    found = estimator.measure(model, modules, encode(rows, tokenizer, 512).samples, ProbeConfig())
    best = int(found.energies.argmax())
    assert modules[best].name == "model.layers.11.mlp.down_proj"
    assert found.explanation.roles[best, 0] == pytest.approx(0.98, abs=0.02)
    assert found.explanation.max_output[best] == pytest.approx(24_900, rel=0.02)


def test_plop_of_each_type_of_module_equals_a_loop_over_tokens(models_home, monkeypatch):
    """PLoP's own answer: the mean score of q_proj, k_proj, ..., one sample and one token at a time."""
    monkeypatch.setenv("DOMLORA_HOME", str(models_home))
    loaded, task = load_model("smollm2-135m"), load_task("math")
    config = ProbeConfig(probe="plop", samples=2, max_length=TOKENS)
    found = probe(loaded, task, config).modules.groupby("kind")["energy"].mean().sort_values().to_dict()
    inputs, random = {}, torch.Generator().manual_seed(123)
    layers = {n: m for n, m in loaded.model.named_modules() if isinstance(m, torch.nn.Linear) and ".layers." in n}
    for name, layer in layers.items():
        layer.register_forward_pre_hook(lambda _, args, name=name: inputs.update({name: args[0][0].detach()}))
    scores = {}
    for sample in encode(task.draw(2, seed=0), loaded.tokenizer, TOKENS).samples:
        with torch.no_grad():
            loaded.model(input_ids=torch.tensor([sample.ids]))
        for name, layer in layers.items():
            weight = layer.weight.detach()
            aligned = sum(float((weight @ x).norm() / x.norm()) for x in inputs[name]) / len(sample.ids)
            drawn = torch.randn(500, weight.shape[1], generator=random)
            by_chance = float(((drawn @ weight.T).norm(dim=1) / drawn.norm(dim=1)).mean())
            scores.setdefault(name.rsplit(".", 1)[1].removesuffix("_proj"), []).append(aligned / by_chance)
    brute = {kind: np.mean(values) for kind, values in scores.items()}
    assert list(found) == sorted(brute, key=brute.get)
    assert found == pytest.approx(brute, rel=0.01)
