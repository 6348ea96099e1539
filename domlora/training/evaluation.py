"""Loss and token accuracy on held-out rows, of the base model and of many variants at once.

In: encoded rows. Out: one number a row and variant, in the order of the rows, since paired comparisons need the rows.
Free-text answers are in `generation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from domlora.comparison.run import Evaluation
from domlora.data.batches import Batch, collate, group_by_length, halves
from domlora.data.encoding import EncodedSample
from domlora.models.device import release, token_budget
from domlora.models.rotary import length_rule
from domlora.training.adapters import Adapter
from domlora.training.lockstep import Lockstep, NoMemory, RowResults, base_results


@dataclass(frozen=True)
class RowTable:
    """Losses and accuracies (rows,) of one variant, in the order of the rows."""

    losses: tuple[float, ...]
    accuracies: tuple[float, ...]

    @property
    def loss(self) -> float:
        """Mean over rows of each row's mean over its response tokens."""
        return sum(self.losses) / len(self.losses)

    @property
    def accuracy(self) -> float:
        return sum(self.accuracies) / len(self.accuracies)

    def evaluation(self, variant: str, part: str) -> Evaluation:
        return Evaluation(variant, part, self.losses, self.accuracies)


def evaluate_base(model: PreTrainedModel, rows: Sequence[EncodedSample]) -> RowTable:
    """The model by itself."""
    losses, accuracies = torch.zeros(len(rows)), torch.zeros(len(rows))
    budget = token_budget(model, max(len(row.ids) for row in rows), model.device)
    for group, found in _in_batches(model, rows, budget, lambda batch: base_results(model, batch)):
        losses[group], accuracies[group] = found.losses[0].cpu(), found.accuracies[0].cpu()
    return RowTable(tuple(losses.tolist()), tuple(accuracies.tolist()))


def evaluate_variants(lockstep: Lockstep, rows: Sequence[EncodedSample], variants: Sequence[Adapter]) -> list[RowTable]:
    """Every variant on the same rows; blocks below their adapters run once for all."""
    losses, accuracies = torch.zeros(len(variants), len(rows)), torch.zeros(len(variants), len(rows))
    longest = max(len(row.ids) for row in rows)
    # Room for a few variants a pass: then their shared blocks are worth sharing.
    budget = max(longest, token_budget(lockstep.model, longest, lockstep.model.device) // min(len(variants), 4))
    for group, found in _in_batches(lockstep.model, rows, budget, lambda batch: lockstep.evaluate(batch, variants)):
        losses[:, group], accuracies[:, group] = found.losses.cpu(), found.accuracies.cpu()
    return [RowTable(tuple(a), tuple(b)) for a, b in zip(losses.tolist(), accuracies.tolist(), strict=True)]


def _in_batches(
    model: PreTrainedModel, rows: Sequence[EncodedSample], budget: int, run: Callable[[Batch], RowResults]
) -> Iterator[tuple[list[int], RowResults]]:
    """Groups of rows with what `run` found; one that does not fit into memory is halved."""
    queue = group_by_length(rows, budget, rule=length_rule(model))
    while queue:
        group = queue.pop(0)
        try:
            found = run(collate(rows, group, model.device))
        except NoMemory:
            if len(group) == 1:
                raise
        else:
            yield group, found
            continue
        release(model.device)
        queue[:0] = halves(group)
