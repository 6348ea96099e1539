"""PAGE's peers in passes: batches, padding, sharing, hooks and memory change no score."""

import pytest
import torch

from domlora.errors import ProbeError
from domlora.probes import passes, saliency
from domlora.probes.config import ProbeConfig
from tests.helpers.probing import ALL, SAMPLE_PROBES, fill_padding, make_samples, measure, score
from tests.helpers.tiny_models import make


@pytest.mark.parametrize("model_name", ["llama", "gpt_oss", "gpt_neox"])
def test_batch_size_and_padding_change_no_score(model_name):
    model, samples = make(model_name), make_samples(8)
    configs = [ProbeConfig(probe=name, rank=4) for name in SAMPLE_PROBES]
    one, three, eight = (score(model, samples, *configs, max_samples=n) for n in (1, 3, 8))
    for a, b, c in zip(one, three, eight, strict=True):
        torch.testing.assert_close(a.sample_energies, b.sample_energies, rtol=5e-4, atol=1e-7)
        torch.testing.assert_close(a.sample_energies, c.sample_energies, rtol=5e-4, atol=1e-7)


def test_what_a_padded_position_holds_does_not_matter(monkeypatch):
    model, samples = make("gpt2"), make_samples(4)
    configs = [ProbeConfig(probe=name, rank=4) for name in SAMPLE_PROBES]
    before = score(model, samples, *configs)
    fill_padding(monkeypatch, 55)
    for a, b in zip(score(model, samples, *configs), before, strict=True):
        torch.testing.assert_close(a.sample_energies, b.sample_energies, rtol=1e-4, atol=0)


@pytest.mark.parametrize("reduction", ["per_sample", "mean_gradient"])
def test_one_pass_gives_what_separate_passes_give(reduction):
    model, samples, others = make("llama"), make_samples(5), {"other": make_samples(3, seed=4)}
    configs = [ProbeConfig(probe=name, rank=4, reduction=reduction) for name in ALL]
    configs.append(ProbeConfig(probe="interference", rank=4, reduction=reduction, against="other"))
    together = score(model, samples, *configs, others=others)
    for config, found in zip(configs, together, strict=True):
        (alone,) = score(model, samples, config, others=others)
        torch.testing.assert_close(found.energies, alone.energies, rtol=1e-5, atol=0)
        assert (found.sample_energies is None) == (alone.sample_energies is None)
        assert (found.method, found.unmeasured) == (alone.method, alone.unmeasured)


def test_a_forward_is_enough_for_probes_of_activations(monkeypatch):
    def refuse(*_):
        raise AssertionError("no backward is needed")

    monkeypatch.setattr(passes, "activation_backward", refuse)
    model, samples = make("llama"), make_samples(2)
    score(model, samples, ProbeConfig(probe="plop"), ProbeConfig(probe="activation-norm"))
    with pytest.raises(AssertionError, match="no backward"):
        score(model, samples, ProbeConfig(probe="plop"), ProbeConfig(probe="saliency"))


def test_progress_counts_both_tasks_of_interference():
    model, samples, others = make("llama"), make_samples(4), {"other": make_samples(3)}
    configs = [ProbeConfig(probe="plop"), ProbeConfig(probe="interference", rank=4, against="other")]
    calls = []
    score(model, samples, *configs, others=others, progress=lambda *call: calls.append(call), max_samples=2)
    assert [done for done, _ in calls] == [2, 4, 6, 7]
    assert {total for _, total in calls} == {7}


def test_no_hook_stays_on_a_model_also_after_a_pass_that_fails():
    model, samples = make("llama"), make_samples(2)
    score(model, samples, *(ProbeConfig(probe=name) for name in ALL))
    with torch.no_grad():
        model.model.layers[0].mlp.down_proj.weight.fill_(float("nan"))
    with pytest.raises(ProbeError):
        score(model, samples, ProbeConfig(probe="plop"))
    assert not any(m._forward_hooks or m._forward_pre_hooks or "forward" in m.__dict__ for m in model.modules())


def test_a_rank_that_no_formula_uses_is_no_error():
    model, samples = make("llama"), make_samples(2)
    assert len(score(model, samples, ProbeConfig(probe="plop", rank=4000))[0].energies)
    with pytest.raises(ProbeError, match="rank 4000"):
        score(model, samples, ProbeConfig(probe="page-no-first", rank=4000))


def test_a_mean_gradient_that_does_not_fit_names_the_way_out(monkeypatch):
    monkeypatch.setattr(saliency, "gradients_fit", lambda *_: False)
    with pytest.raises(ProbeError, match="per_sample"):
        measure(make("llama"), make_samples(2), "saliency", reduction="mean_gradient")
