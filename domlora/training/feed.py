"""What each step of a sweep reads: the rows in the order of a seed, what each counts in the loss, and their batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domlora.comparison.config import SweepConfig
from domlora.data.batches import Batch, apart, collate
from domlora.data.encoding import EncodedSample
from domlora.models.loading import LoadedModel
from domlora.training.rows import micro_batches, step_rows


class Feed:
    """Training rows on their way into the model.

    Args:
        rows: all that are trained on; numbers of rows are positions among them.
    """

    def __init__(self, rows: Sequence[EncodedSample], config: SweepConfig, model: LoadedModel) -> None:
        self._rows, self._config, self._model = rows, config, model
        self._orders: dict[int, list[list[int]]] = {}

    def rows(self, order: int, step: int) -> list[int]:
        """The rows of a step, counted from 1, in an order of `SweepConfig.order_of`."""
        if order not in self._orders:
            self._orders[order] = step_rows(len(self._rows), self._config, order)
        return self._orders[order][step - 1]

    def weights(self, rows: Sequence[int]) -> dict[int, float]:
        """What each row counts in the loss of its step: as much as any other, or by the tokens it is to predict."""
        if self._config.loss_mean == "sample":
            return dict.fromkeys(rows, 1 / len(rows))
        total = sum(self._rows[row].targets for row in rows)
        return {row: self._rows[row].targets / total for row in rows}

    def batches(self, rows: Sequence[int]) -> Iterator[Batch]:
        """Batches of at most the batch size, and of lengths that the model may read side by side."""
        for group in micro_batches(rows, self._config.batch_size):
            for part in apart(self._rows, group, self._model.length_rule):
                yield collate(self._rows, part, self._model.device)
