"""Empirical Fisher: how sensitive the likelihood of the task's responses is to a module's weights.

    trace of F_W = E_i ‖∇_W log p(response_i | prompt_i)‖² = E_i n_i² ‖G_i‖²

with G_i (out, in) the gradient of sample i's mean loss over its n_i response tokens. FLoE (arXiv 2506.00495) ranks
layers by an empirical Fisher information, squared gradients of the loss, of adapters that were trained in every layer
for a while. Before training there are no adapters, so it is taken at the module's own weight here, and its diagonal is
summed over the weight's entries: the trace, the usual score of a layer.

The likelihood is that of the whole response, a sum over its tokens, as the definition has it (Kunstner et al., arXiv
1905.12558). With the mean over tokens instead, every module's score would be PAGE times 3·in / (s²·r): nothing new
beside PAGE and the gradient norm. So samples with long responses weigh more here. A mean of squares by definition, it
is the same for both reductions.
"""

from __future__ import annotations

import torch

from domlora.errors import ProbeError
from domlora.probes.config import ProbeConfig
from domlora.probes.interface import FromPage, Subject
from domlora.probes.page.scale import factors
from domlora.probes.recorder import Measurement


def fisher(page: Measurement, subject: Subject, config: ProbeConfig) -> Measurement:
    """From PAGE by its closed form, measured with `config` for each sample."""
    if page.sample_energies is None:
        raise ProbeError("the empirical Fisher is a mean over samples of squares: measure PAGE per sample for it")
    count = torch.tensor([sample.targets for sample in subject.samples], dtype=torch.float64)  # (samples,)
    scores = page.sample_energies * factors(subject.modules, config) * count.unsqueeze(1).square()
    method = "squared gradient of each response's log-likelihood, exact"
    return Measurement(scores.mean(0), scores, None, page.losses, None, method, page.unmeasured)


PROBE = FromPage(fisher, per_sample=True)
