"""Samples to probe with, and gradients and closed forms that owe nothing to the probes."""

from __future__ import annotations

from typing import get_args

import numpy as np
import torch
from transformers.pytorch_utils import Conv1D

from domlora.data.encoding import EncodedSample
from domlora.models.census import find_modules
from domlora.probes import passes
from domlora.probes.config import ProbeConfig, ProbeName
from domlora.probes.score import score as score_all

GRADIENT_PROBES = ("page-no-first", "gradient-norm", "fisher", "saliency")
SAMPLE_PROBES = (*GRADIENT_PROBES, "activation-norm", "plop")
ALL = tuple(name for name in get_args(ProbeName) if name != "interference")


def make_samples(count=5, seed=0):
    """Ragged samples with a prompt, a response, and a template token after it."""
    generator = np.random.default_rng(seed)
    samples = []
    for i in range(count):
        length = int(generator.integers(6, 20))
        prompt = int(generator.integers(1, length - 3))
        response = [prompt <= t < length - 1 for t in range(length)]
        samples.append(EncodedSample(tuple(generator.integers(3, 97, length).tolist()), tuple(response), i + 1))
    return samples


def weight_gradients(model, modules, samples):
    """(samples, modules) list of dL/dW as (out, in), by plain autograd, one unpadded sample at a time."""
    model.requires_grad_(True)
    rows = []
    for sample in samples:
        model.zero_grad()
        labels = [token if counts else -100 for token, counts in zip(sample.ids, sample.response, strict=True)]
        model(input_ids=torch.tensor([sample.ids]), labels=torch.tensor([labels])).loss.backward()
        grads = []
        for module in modules:
            layer = model.get_submodule(module.name)
            grad = layer.weight.grad.double().clone()
            grads.append(grad.T if isinstance(layer, Conv1D) else grad)  # not by the census, which is under test
        rows.append(grads)
    return rows


def closed_form(grad, config):
    """s² r / (3 in) ‖G‖²: the variance of PEFT's A is 1 / (3 in)."""
    scaling = config.alpha / config.rank
    return scaling**2 * config.rank / (3 * grad.shape[1]) * float(grad.square().sum())


def fill_padding(monkeypatch, token):
    """From here on every padded position of a probe holds this token."""
    collate = passes.collate

    def noisy(*args):
        batch = collate(*args)
        batch.ids[~batch.attention] = token
        return batch

    monkeypatch.setattr(passes, "collate", noisy)


def score(model, samples, *configs, **bounds):
    """The measurements of some probes in one pass."""
    scored = score_all(model, find_modules(model).modules, samples, configs, **bounds)
    return [one.found for one in scored]


def measure(model, samples, name, **settings):
    return score(model, samples, ProbeConfig(probe=name, rank=4, **settings))[0]


class HalfOfTheTokens(torch.nn.Module):
    """A down-projection that reads every second token, as a router would have it; all tokens where they are even."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        if x.shape[1] % 2 == 0:
            return self.inner(x)
        return torch.cat([self.inner(x[:, ::2]), x[:, 1::2, : self.inner.out_features]], dim=1)
