"""PLoP: how much a module's weight is aligned with what it reads, against random inputs (arXiv 2506.20629).

    NFN = E_i [ E_t ‖W x_t‖ / ‖x_t‖ ] / E_z [ ‖W z‖ / ‖z‖ ]       W (out, in), x_t (in) inputs, z ~ N(0, I)

The paper's normalised feature norm is ‖W x‖ / ‖W z‖ with z random of the norm of x; its code (soufiane001/plop) takes
the mean over tokens of the numerator and of the denominator with x and z scaled to norm 1, which is the above but for
sample sizes. Three things differ. Padding is not among the tokens (there it is). Every sample weighs the same (there
every token of a batch does). And the denominator, which depends on W alone, comes from `RANDOM_INPUTS` draws by the
seed, not from one draw a token: so that no batch size changes it, and its error stays near 1 %.

PLoP places adapters where the score is low: a weight that is not yet aligned with the task's features has more to
learn. Its authors choose types of modules, by the mean of their modules' scores. A bias is not part of W x.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from transformers import PreTrainedModel

from domlora.data.encoding import EncodedSample
from domlora.models.modules import AdaptableModule
from domlora.models.weights import bias_of, weight_of
from domlora.probes.activation_norm import TokenMeans
from domlora.probes.recorder import Measurement, Rows

RANDOM_INPUTS = 256


class Plop(TokenMeans):
    """Needs the outputs alone, and W only for its random inputs.

    Args:
        seed: of the random inputs.
    """

    def __init__(
        self, model: PreTrainedModel, modules: Sequence[AdaptableModule], samples: Sequence[EncodedSample], seed: int
    ) -> None:
        super().__init__(model, modules, samples)
        self.seed = seed
        self.drawn: dict[int, torch.Tensor] = {}  # width -> (draws, width) of norm 1
        self.baselines: dict[tuple[int, int | None], float] = {}  # (module, expert) -> E_z ‖W z‖ / ‖z‖

    def of_rows(self, module: int, norms: torch.Tensor, y: torch.Tensor, rows: Rows) -> torch.Tensor:
        bias = bias_of(self.model, self.modules[module], rows.expert)
        features = torch.linalg.vector_norm(y if bias is None else y - bias, dim=2, dtype=torch.float32)
        key = (module, rows.expert)
        if key not in self.baselines:
            self.baselines[key] = self._baseline(*key)
        # A row of zeros is aligned with nothing: 0, not 0 / 0.
        return features / norms.clamp(min=torch.finfo(torch.float32).tiny) / self.baselines[key]

    def _baseline(self, module: int, expert: int | None) -> float:
        weight = weight_of(self.model, self.modules[module], expert)
        z = random_inputs(weight.shape[1], self.seed, self.drawn).to(weight.device)
        return float(torch.linalg.vector_norm(z @ weight.T, dim=1).double().mean())

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        return self.measured(losses, unmeasured, f"normalised feature norm against {RANDOM_INPUTS} random inputs")


def random_inputs(width: int, seed: int, drawn: dict[int, torch.Tensor]) -> torch.Tensor:
    """(draws, width) of norm 1, the same for all modules of that width; `drawn` remembers them."""
    if width not in drawn:
        generator = torch.Generator().manual_seed((seed * 1_000_003 + width) % 2**63)
        drawn[width] = torch.nn.functional.normalize(torch.randn(RANDOM_INPUTS, width, generator=generator), dim=1)
    return drawn[width]
