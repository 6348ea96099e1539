"""Encoded samples to padded batches: sorted by length, sized to a token budget. Knows nothing about energies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import psutil
import torch
from transformers import PreTrainedModel

from domlora.encoding import EncodedSample

CPU_TOKENS = 2048  # larger batches are no faster on a CPU, and padding grows with them
GPU_TOKENS = 16384
MEMORY_FRACTION = 0.5  # of what is free; the rest is for what the estimate below leaves out


@dataclass(frozen=True)
class Batch:
    """Right-padded samples on a device.

    Attributes:
        index: (B,) which samples of the whole set these are.
        ids: (B, T) token ids; padding repeats token 0, which nothing attends to.
        attention: (B, T) True at tokens.
        response: (B, T) True at response tokens.
    """

    index: torch.Tensor
    ids: torch.Tensor
    attention: torch.Tensor
    response: torch.Tensor

    @property
    def padded(self) -> bool:
        return not bool(self.attention.all())


def group_by_length(
    samples: Sequence[EncodedSample], max_tokens: int, max_samples: int | None = None
) -> list[list[int]]:
    """Indices of samples, longest first, in groups of at most `max_tokens` after padding (at least one a group).

    Args:
        max_samples: also at most so many a group.
    """
    order = sorted(range(len(samples)), key=lambda i: (-len(samples[i].ids), i))
    groups: list[list[int]] = []
    for i in order:
        group = groups[-1] if groups else []
        width = len(samples[group[0]].ids) if group else 0
        if group and (len(group) + 1) * width <= max_tokens and (max_samples is None or len(group) < max_samples):
            group.append(i)
        else:
            groups.append([i])
    return groups


def collate(samples: Sequence[EncodedSample], group: Sequence[int], device: torch.device) -> Batch:
    """Pads a group of samples on the right."""
    width = max(len(samples[i].ids) for i in group)
    ids = torch.zeros(len(group), width, dtype=torch.long)
    attention = torch.zeros(len(group), width, dtype=torch.bool)
    response = torch.zeros(len(group), width, dtype=torch.bool)
    for row, i in enumerate(group):
        length = len(samples[i].ids)
        ids[row, :length] = torch.tensor(samples[i].ids)
        attention[row, :length] = True
        response[row, :length] = torch.tensor(samples[i].response)
    return Batch(torch.tensor(group), *(t.to(device) for t in (ids, attention, response)))


def token_budget(model: PreTrainedModel, longest: int, device: torch.device) -> int:
    """Tokens of a batch that fit into memory beside the model, by a generous count of what a token holds.

    A token keeps about 20 hidden-size and 6 intermediate-size activations a block for the backward, one row of each
    held Gram matrix, and three copies of its logits.
    """
    config = model.config.get_text_config()
    hidden, blocks = config.hidden_size, config.num_hidden_layers
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    size = model.dtype.itemsize
    per_token = blocks * ((20 * hidden + 6 * inner) * size + 4 * longest * 4) + 3 * 4 * config.vocab_size
    budget = int(MEMORY_FRACTION * free_memory(device) / per_token)
    return max(longest, min(budget, GPU_TOKENS if device.type == "cuda" else CPU_TOKENS))


def free_memory(device: torch.device) -> int:
    """Bytes that can still be allocated on the device."""
    if device.type == "cuda":
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + cached
    return psutil.virtual_memory().available


def halves(group: list[int]) -> Iterator[list[int]]:
    """The two halves of a group that did not fit."""
    middle = (len(group) + 1) // 2
    yield group[:middle]
    yield group[middle:]


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory, on a GPU or (in other words) on a CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def release(device: torch.device) -> None:
    """Gives cached memory back after a batch did not fit; slow, so never after one that did."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
