"""Gradient norm: the plainest of all answers to where a weight would move.

    per_sample      E_i ‖G_i‖       G_i = dL_i/dW (out, in) of sample i's mean loss over its response tokens
    mean_gradient   ‖E_i G_i‖

‖·‖ is the Frobenius norm; of a fused tensor of experts it is that of all experts together. Unlike PAGE it is no square,
and does not divide by the width of the input. Norms of gradients per layer were used to balance tasks (GradNorm, arXiv
1711.02257) and to decide which layers still learn (AutoFreeze, arXiv 2102.01386).
"""

from __future__ import annotations

from domlora.probes.config import ProbeConfig
from domlora.probes.interface import FromPage, Subject
from domlora.probes.page.scale import factors
from domlora.probes.recorder import Measurement


def gradient_norm(page: Measurement, subject: Subject, config: ProbeConfig) -> Measurement:
    """From PAGE by its closed form, measured with `config`, whose reduction is the one that counts."""
    scale = factors(subject.modules, config)
    if page.sample_energies is None:
        norms = (page.energies * scale).sqrt()
        # Inner products of samples' gradients would bootstrap the square, not the norm: left out.
        method = page.method.replace("closed form over A", "norm of the weight gradient")
        return Measurement(norms, None, None, page.losses, None, method, page.unmeasured)
    samples = (page.sample_energies * scale).sqrt()
    method = "norm of the weight gradient, exact for each sample"
    return Measurement(samples.mean(0), samples, None, page.losses, None, method, page.unmeasured)


PROBE = FromPage(gradient_norm)
