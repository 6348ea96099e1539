"""PAGE and its peers by name: what each measures, from what, and which end of it says where an adapter should go.

Plain data for the command line and the dashboard: no torch here. The formulas live in a file each beside this one,
which is imported when its probe is measured: a new probe is a file, an entry here, and its name in `ProbeName`.

    W (out, in) weight of a module    x_t (in) its input at token t    y_t (out) gradient of the loss at its output
    G = dL/dW = Σ_t y_t x_tᵀ          E_i mean over samples            ‖·‖ Frobenius or Euclidean norm
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from domlora.errors import UsageError
from domlora.probes.config import ProbeConfig, ProbeName

Needs = Literal["gradients", "activations", "weights", "two tasks"]
Prefers = Literal["high", "low"]


@dataclass(frozen=True)
class ProbeInfo:
    """What a reader needs to know of a probe.

    Attributes:
        title: as sentences name it.
        measures: the score in a few words, to follow "by".
        formula: of a module's score.
        source: where it comes from.
        needs: what a pass has to give; a probe of weights reads no sample.
        prefers: which end of the scores an adapter should go to.
        code: `module:object` of its `interface.Probe`, below `domlora.probes`.
        additive: scores are amounts of one thing that modules share, so that a module's share of the sum means
            something; a norm or a ratio is not.
        ranked: its scores are those of an adapter of the given rank, which a module must be able to hold.
    """

    name: ProbeName
    title: str
    measures: str
    formula: str
    source: str
    needs: Needs
    code: str
    prefers: Prefers = "high"
    additive: bool = False
    ranked: bool = False


PROBES: dict[ProbeName, ProbeInfo] = {
    info.name: info
    for info in (
        ProbeInfo(
            "page", "PAGE", "adapter gradient energy", "s²·r/(3·in) · E_i ‖G_i‖²", "arXiv 2605.06183", "gradients",
            "page.estimator:PROBE", additive=True, ranked=True,
        ),
        ProbeInfo(
            "page-no-first", "PAGE without the first token", "adapter gradient energy past the first token",
            "s²·r/(3·in) · E_i ‖Σ_{t>0} y_t x_tᵀ‖²", "PAGE (arXiv 2605.06183), rows of the attention sink taken out",
            "gradients", "page.no_first:PROBE", additive=True, ranked=True,
        ),
        ProbeInfo(
            "gradient-norm", "Gradient norm", "norm of the weight gradient", "E_i ‖G_i‖, or ‖E_i G_i‖",
            "GradNorm, arXiv 1711.02257; used to choose layers in AutoFreeze, arXiv 2102.01386", "gradients",
            "gradient_norm:PROBE",
        ),
        ProbeInfo(
            "fisher", "Fisher", "trace of the empirical Fisher information",
            "E_i ‖∇_W log p(response_i)‖² = E_i n_i²·‖G_i‖², n_i response tokens",
            "FLoE, arXiv 2506.00495; empirical Fisher of Kunstner et al., arXiv 1905.12558", "gradients",
            "fisher:PROBE", additive=True,
        ),
        ProbeInfo(
            "saliency", "Saliency", "weight times gradient", "E_i Σ |W ∘ G_i|, or Σ |W ∘ E_i G_i|",
            "SNIP, arXiv 1810.02340; Michel et al., arXiv 1905.10650", "gradients", "saliency:PROBE",
            additive=True,
        ),
        ProbeInfo(
            "activation-norm", "Activation norm", "norm of the inputs", "E_i E_t ‖x_t‖",
            "the activation half of Wanda, arXiv 2306.11695", "activations", "activation_norm:PROBE",
        ),
        ProbeInfo(
            "plop", "PLoP", "normalised feature norm", "E_i [E_t ‖W x_t‖/‖x_t‖] / E_z [‖W z‖/‖z‖], z ~ N(0, I)",
            "PLoP, arXiv 2506.20629, code soufiane001/plop", "activations", "plop:PROBE", "low",
        ),
        ProbeInfo(
            "weight-norm", "Weight norm", "Frobenius norm of the weight", "‖W‖", "baseline", "weights",
            "weight_norm:PROBE",
        ),
        ProbeInfo(
            "spectral", "Spectral concentration", "share of the largest singular value in the weight",
            "‖W‖₂² / ‖W‖², one over the stable rank", "stable rank: Rudelson and Vershynin, J. ACM 54(4), 2007",
            "weights", "spectral:PROBE",
        ),
        ProbeInfo(
            "interference", "Interference", "overlap of two tasks' gradient subspaces",
            "Σ_j cos²θ_j = ‖U₁ᵀU₂‖², U leading left singular vectors of each task's mean gradient",
            "after arXiv 2603.02224", "two tasks", "interference:PROBE", "low", ranked=True,
        ),
    )
}  # fmt: skip


def check(config: ProbeConfig) -> None:
    """Raises UsageError where `against` and the probe do not go together."""
    two = PROBES[config.probe].needs == "two tasks"
    if two and config.against is None:
        raise UsageError(f"{config.probe} compares two tasks: name the other with --against")
    if not two and config.against is not None:
        raise UsageError(f"--against is for interference: {config.probe} reads one task")
