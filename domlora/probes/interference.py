"""Interference: how many directions two tasks' gradients share in a module's output.

    Σ_j cos²θ_j = ‖U₁ᵀ U₂‖²       U (out, k) the k leading left singular vectors of a task's mean gradient (out, in)

with θ_j the principal angles between the two spans and k the rank of the adapter. Steele (arXiv 2603.02224) finds that
a LoRA forgets an earlier task by the smallest principal angle between the two tasks' gradient subspaces,
α·(1 - cos²θ_min) + β. The smallest angle is near zero as soon as the spans share one direction, so all angles are
counted: the sum is the dimension of the overlap, from 0 (the tasks never meet) to k (one span). The statistic is ours,
after the paper: its spans are those of the mean loss's gradient of each task, which is what the first optimizer steps
see, and left singular vectors, because a LoRA's update s·B·A has the columns of `B` there. A lower score is a better
place for an adapter that is to leave the other task alone; it says nothing on how much there is to gain.

Where the mean gradients G do not fit into memory, G·Ω stands for them (Ω normal, several times k columns), whose
leading directions approximate G's (Halko, Martinsson and Tropp, arXiv 0909.4061). Experts of a fused tensor add up.
"""

from __future__ import annotations

import torch

from domlora.probes.accumulators import MeanGradients, gradients_fit
from domlora.probes.interface import OfTwoTasks, Subject
from domlora.probes.recorder import Measurement

OVERSAMPLING = 8  # columns of a sketch for each direction that is wanted
SPARE = 4  # times as many directions are followed as are wanted
POWERS = 8  # steps that separate them from the rest
NEGLIGIBLE = 1e-5  # of the largest singular value: below it a direction is rounding, not gradient

Spans = dict[tuple[int, int | None], torch.Tensor]  # (module, expert) -> (out, up to k) orthonormal columns


class GradientSpans(MeanGradients):
    """The leading directions of one task's mean gradient, in `spans` once the pass is over.

    Args:
        rank: how many directions.
        seed: of the sketch.
        exact: hold whole gradients; by default where they fit.
    """

    def __init__(self, subject: Subject, rank: int, seed: int, exact: bool | None = None) -> None:
        if exact is None:
            exact = gradients_fit(subject.modules, subject.device)
        super().__init__(subject, None if exact else OVERSAMPLING * rank, seed)
        self.rank = rank
        self.spans: Spans = {}

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        self.spans = {key: leading(self.sums.pop(key), self.rank) for key in list(self.sums)}
        none = torch.zeros(len(self.modules), dtype=torch.float64)
        method = f"overlap of {self.rank} leading directions of the mean gradients, "
        method += "exact" if self.columns is None else f"sketched to {self.columns} columns"
        return Measurement(none, None, None, losses, None, method, unmeasured)


def leading(gradient: torch.Tensor, count: int) -> torch.Tensor:
    """(out, count or fewer) left singular vectors of (out, in) with the largest singular values, in float64.

    Of a large matrix from its projection on `SPARE` times as many directions as are wanted, found by power iterations:
    what is left of the others falls by the ratio of their singular values at each step (Halko et al., section 4.5).
    """
    width = SPARE * count
    if min(gradient.shape) > 2 * width:
        generator = torch.Generator().manual_seed(0)
        basis = torch.randn(gradient.shape[1], width, generator=generator).to(gradient)
        for _ in range(POWERS):
            basis = torch.linalg.qr(gradient.T @ torch.linalg.qr(gradient @ basis).Q).Q
        span = torch.linalg.qr(gradient @ basis).Q  # (out, width)
        return span.double() @ leading(span.T @ gradient, count)
    g = gradient.double()
    wide = g.shape[0] <= g.shape[1]
    squares, vectors = torch.linalg.eigh(g @ g.T if wide else g.T @ g)  # ascending
    kept = squares > NEGLIGIBLE**2 * squares[-1].clamp(min=0)
    squares, vectors = squares[kept][-count:], vectors[:, kept][:, -count:]
    return vectors if wide else g @ vectors / squares.sqrt()


def overlap(first: Spans, second: Spans, modules: int) -> torch.Tensor:
    """(modules,) dimension of the overlap of two tasks' spans; an expert that only one task reaches adds nothing."""
    scores = torch.zeros(modules, dtype=torch.float64)
    for key in first.keys() & second.keys():
        scores[key[0]] += float((first[key].T @ second[key]).square().sum())
    return scores


PROBE = OfTwoTasks(
    recorder=lambda subject, config: GradientSpans(subject, config.rank, config.seed),
    other=lambda subject, config, first: GradientSpans(subject, config.rank, config.seed, exact=first.columns is None),
    compare=lambda first, second, modules: overlap(first.spans, second.spans, modules),
)
