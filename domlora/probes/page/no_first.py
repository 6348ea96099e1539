"""PAGE without the first token: how much adapter gradient is left once the attention sink is taken out.

    s²·r/(3·in) · E_i ‖G_i'‖²,  G' = Σ_{t>0} y_t x_tᵀ        x (T, in) inputs, y (T, out) output gradients

The row of position 0 is dropped from X and Y, so that its square and its cross terms with later tokens both vanish:
this is the energy of the gradient that the later tokens alone produce, and not PAGE times one minus the share that it
attributes to the first token. Everything else, estimators and reductions, is PAGE's (arXiv 2605.06183). Rows that are
no tokens, such as patches of an image, all stay.
"""

from __future__ import annotations

from typing import Any

import torch

from domlora.data.batches import Batch
from domlora.probes.interface import Recorded
from domlora.probes.page.estimator import choose_recorder
from domlora.probes.recorder import Measurement, MeasuringRecorder, Rows


class WithoutFirstToken:
    """One of PAGE's recorders that never hears of the first token's gradient."""

    needs_gradient = True

    def __init__(self, page: MeasuringRecorder) -> None:
        self.page = page
        self.additive = page.additive

    @property
    def seen(self) -> set[int]:
        return self.page.seen

    @property
    def routed(self) -> set[int]:
        return self.page.routed

    def reset(self) -> None:
        self.page.reset()

    def start(self, batch: Batch) -> None:
        self.page.start(batch)

    def end(self) -> None:
        self.page.end()

    def hold(self, module: int, x: torch.Tensor, rows: Rows) -> Any:
        return self.page.hold(module, x, rows)

    def output(self, module: int, held: Any, y: torch.Tensor, rows: Rows) -> None:
        self.page.output(module, held, y, rows)

    def partial(self, module: int) -> None:
        self.page.partial(module)

    def gradient(self, module: int, held: Any, dy: torch.Tensor, rows: Rows) -> None:
        if rows.position is not None:
            # A row of zeros in Y is as good as none: G is a sum over rows of products with it.
            dy = dy.masked_fill((rows.position == 0).unsqueeze(2), 0)
        self.page.gradient(module, held, dy, rows)

    def finish(self, losses: torch.Tensor, unmeasured: dict[int, str]) -> Measurement:
        return self.page.finish(losses, unmeasured)


PROBE = Recorded(lambda subject, config: WithoutFirstToken(choose_recorder(subject, config)))
