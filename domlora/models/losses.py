"""The loss of each sample of a batch: mean cross-entropy over its response tokens. Knows nothing about energies.

In: a model and a `Batch`. Out: (B,) losses with their graph. What predicts what is the batch's affair (the next token,
a masked one, the decoder's); the output head runs where something is predicted, and nowhere else. May not import taps,
recorders or probes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from domlora.data.batches import Batch


def logits_at(model: PreTrainedModel, batch: Batch, row: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Logits (positions, vocabulary) at these rows and positions of the batch's last lane; the head runs there alone.

    The hidden states are gathered on their way into the head, so that whatever a model does to its logits afterwards
    (soft-capping, scaling) still happens.
    """
    read, *written = batch.lanes
    mask = read.real.long() if batch.padded else None  # without a mask, attention takes its fastest path
    inputs: dict[str, Any] = {"input_ids": read.ids, "attention_mask": mask}
    if written:
        # A decoder needs no mask: it looks back only, and padding comes last.
        inputs |= {"decoder_input_ids": written[0].ids, "use_cache": False}
    elif batch.labels is None:
        inputs |= {"use_cache": False}

    def gather(module: nn.Module, args: tuple) -> tuple:
        return (args[0][row, position].unsqueeze(0), *args[1:])  # (1, positions, hidden)

    handle = model.get_output_embeddings().register_forward_pre_hook(gather)
    try:
        return model(**inputs).logits[0]
    finally:
        handle.remove()


def response_losses(model: PreTrainedModel, batch: Batch) -> torch.Tensor:
    """Mean cross-entropy over what each sample is to predict, (B,) in float32."""
    row, position, wanted = batch.targets()
    losses = F.cross_entropy(logits_at(model, batch, row, position).float(), wanted, reduction="none")
    count = torch.bincount(row, minlength=len(batch.ids))
    return torch.zeros(len(batch.ids), device=losses.device).index_add(0, row, losses) / count
