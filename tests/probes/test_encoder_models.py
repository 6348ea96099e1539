"""PAGE of encoder-decoders and masked models against weight gradients, one unpadded sample at a time."""

import dataclasses

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model

from domlora.data.batches import collate, group_by_length
from domlora.models.census import find_modules
from domlora.models.device import token_budget
from domlora.models.loading import LoadedModel
from domlora.models.losses import response_losses
from domlora.probes import passes
from domlora.probes.config import ProbeConfig
from domlora.probes.page import estimator
from domlora.probes.passes import frozen
from tests.helpers.encoder_models import ENCODER_MODELS, PAIRS, loss_of, make, make_samples
from tests.helpers.probing import closed_form

CPU = torch.device("cpu")


def weight_gradients(model, modules, samples):
    """(samples, modules) list of dL/dW (out, in), by plain autograd."""
    model.requires_grad_(True)
    rows = []
    for sample in samples:
        model.zero_grad()
        loss_of(model, sample).backward()
        rows.append([model.get_submodule(module.name).weight.grad.double().clone() for module in modules])
    return rows


@pytest.mark.parametrize("name", ENCODER_MODELS)
def test_expected_per_sample_equals_brute_force(name):
    model, samples, config = make(name), make_samples(name), ProbeConfig(rank=4, alpha=12)
    modules = find_modules(model).modules
    found = estimator.measure(model, modules, samples, config)
    brute = [[closed_form(g, config) for g in row] for row in weight_gradients(model, modules, samples)]
    assert np.min(np.mean(brute, axis=0)) > 0  # every module takes part
    np.testing.assert_allclose(found.sample_energies, brute, rtol=5e-4, atol=1e-8 * np.max(brute))
    assert found.unmeasured == {}
    assert found.losses.tolist() == pytest.approx([loss_of(model, sample).item() for sample in samples], rel=1e-4)


@pytest.mark.parametrize("name", ENCODER_MODELS)
def test_expected_mean_gradient_equals_brute_force(name):
    model, samples, config = make(name), make_samples(name), ProbeConfig(rank=4, reduction="mean_gradient")
    modules = find_modules(model).modules
    found = estimator.measure(model, modules, samples, config, max_samples=2)
    grads = weight_gradients(model, modules, samples)
    means = [sum(row[m] for row in grads) / len(samples) for m in range(len(modules))]
    np.testing.assert_allclose(found.energies, [closed_form(g, config) for g in means], rtol=5e-4)
    assert "exact" in found.method


@pytest.mark.parametrize("name", ["t5", "bert"])
def test_projected_equals_the_gradient_of_pefts_own_lora_b(name):
    samples = make_samples(name, 3)
    config = ProbeConfig(estimator="projected", reduction="mean_gradient", rank=4, alpha=12)
    modules = find_modules(make(name)).modules
    adapted = get_peft_model(make(name), LoraConfig(r=4, lora_alpha=12, target_modules=[m.name for m in modules]))
    layers = [adapted.get_submodule(f"base_model.model.{m.name}") for m in modules]
    projections = {m.name: layer.lora_A["default"].weight.detach() for m, layer in zip(modules, layers, strict=True)}
    (sum(loss_of(adapted, sample) for sample in samples) / len(samples)).backward()
    expected = [float(layer.lora_B["default"].weight.grad.square().sum()) for layer in layers]
    found = estimator.measure(make(name), modules, samples, config, projections=projections)
    np.testing.assert_allclose(found.energies, expected, rtol=5e-4)


@pytest.mark.parametrize("name", ["t5-gated", "t5gemma", "bart", "bert", "roberta"])
@pytest.mark.parametrize("reduction", ["per_sample", "mean_gradient"])
def test_batch_size_and_padding_do_not_change_energy(name, reduction):
    model, samples = make(name), make_samples(name, 8)
    modules = find_modules(model).modules
    config = ProbeConfig(reduction=reduction, rank=4)
    one, three, eight = (estimator.measure(model, modules, samples, config, max_samples=n).energies for n in (1, 3, 8))
    torch.testing.assert_close(one, three, rtol=2e-4, atol=0)
    torch.testing.assert_close(one, eight, rtol=2e-4, atol=0)


@pytest.mark.parametrize("name", ["t5", "bert"])
def test_what_a_padded_position_holds_does_not_matter(monkeypatch, name):
    model, samples = make(name), make_samples(name)
    modules = find_modules(model).modules
    before = estimator.measure(model, modules, samples, ProbeConfig(rank=4)).sample_energies
    collate_as_it_is = passes.collate

    def noisy(*args):
        batch = collate_as_it_is(*args)
        for lane in batch.lanes:
            lane.ids[~lane.real] = 55
        return batch

    monkeypatch.setattr(passes, "collate", noisy)
    after = estimator.measure(model, modules, samples, ProbeConfig(rank=4)).sample_energies
    torch.testing.assert_close(after, before, rtol=2e-4, atol=1e-9)


@pytest.mark.parametrize("name", PAIRS)
def test_an_encoder_and_a_decoder_of_the_same_length_are_told_apart(name):
    model, config = make(name), ProbeConfig(rank=4)
    sample = make_samples(name, 1)[0]
    answer = sample.labels[sample.source :]
    longer = (*answer[:1] * (sample.source - len(answer)), *answer)[: sample.source]  # as many as the encoder reads
    labels = (*sample.labels[: sample.source], *longer)
    ids = (*sample.ids[: sample.source], 2, *longer[:-1])
    even = dataclasses.replace(
        sample, ids=ids, labels=labels, response=tuple(i >= sample.source for i in range(len(ids)))
    )
    assert len(even.ids) == 2 * even.source
    modules = find_modules(model).modules
    found = estimator.measure(model, modules, [even], config)
    brute = [closed_form(g, config) for g in weight_gradients(model, modules, [even])[0]]
    np.testing.assert_allclose(found.energies, brute, rtol=5e-4)


def test_encoder_modules_have_their_energy_on_the_prompt_and_decoder_modules_on_the_response():
    model, samples = make("t5"), make_samples("t5")
    modules = find_modules(model).modules
    roles = estimator.measure(model, modules, samples, ProbeConfig(rank=4)).explanation.roles
    for module, (first, prompt, response) in zip(modules, roles, strict=True):
        reads_source = module.stack == "encoder" or (module.stack == "cross" and module.kind in ("k", "v"))
        assert response == pytest.approx(0 if reads_source else 1, abs=1e-6), module.name
        assert first + prompt == pytest.approx(1 if reads_source else 0, abs=1e-6)


def test_the_largest_output_is_found_at_its_place_among_all_tokens_of_a_sample():
    model, samples = make("t5"), make_samples("t5")
    modules = find_modules(model).modules
    why = estimator.measure(model, modules, samples, ProbeConfig(rank=4)).explanation
    for i, module in enumerate(modules):
        outputs = []
        handle = model.get_submodule(module.name).register_forward_hook(lambda m, a, y, o=outputs: o.append(y[0]))
        for sample in samples:
            loss_of(model, sample)
        handle.remove()
        peaks = [y.detach().abs().amax(1) for y in outputs]
        best = max(range(len(samples)), key=lambda s, p=peaks: float(p[s].max()))
        reads_source = module.stack == "encoder" or (module.stack == "cross" and module.kind in ("k", "v"))
        position = int(peaks[best].argmax()) + (0 if reads_source else samples[best].source)
        assert (int(why.max_position[i]), int(why.max_token[i])) == (position, samples[best].ids[position])
        assert float(why.max_output[i]) == pytest.approx(float(peaks[best].max()), rel=1e-4)


@pytest.mark.parametrize("name", ["t5", "bert"])
def test_the_head_runs_where_a_token_is_predicted_and_nowhere_else(name):
    model, samples = make(name), make_samples(name)
    batch, read = collate(samples, range(len(samples)), CPU), []
    model.get_output_embeddings().register_forward_hook(lambda m, args, y: read.append(y.shape))
    with frozen(model):
        losses = response_losses(model, batch)
    assert read == [(1, sum(sample.targets for sample in samples), 97)]
    assert losses.tolist() == pytest.approx([loss_of(model, sample).item() for sample in samples], rel=1e-4)


def test_no_weight_takes_a_gradient_and_all_is_as_before_afterwards():
    model, samples = make("t5"), make_samples("t5")
    estimator.measure(model, find_modules(model).modules, samples, ProbeConfig(rank=4))
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("name", ENCODER_MODELS)
def test_memory_is_estimated_for_every_family_of_names(name):
    assert token_budget(make(name), 40, CPU) >= 40


def test_groups_count_both_sequences_with_their_padding():
    samples = make_samples("t5", 12)
    for group in group_by_length(samples, 60):
        lanes = collate(samples, group, CPU).pair
        room = 60 + len(group)  # a decoder's sequence may get one column more, to differ from the encoder's
        assert len(group) == 1 or sum(lane.ids.numel() for lane in lanes) <= room


@pytest.mark.parametrize("name", PAIRS)
def test_what_a_decoder_reads_is_shifted_by_its_own_rule(name):
    model = LoadedModel(make(name), None, None, "seq2seq")
    labels = [7, 8, 9, 1]
    read = torch.tensor([[11, 12, 1]])
    written = model.decoder_inputs(labels)
    assert written[1:] == labels[:-1]
    own = model.model(input_ids=read, labels=torch.tensor([labels])).logits  # shifts by itself
    torch.testing.assert_close(model.model(input_ids=read, decoder_input_ids=torch.tensor([written])).logits, own)
