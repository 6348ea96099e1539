"""How many tokens a model has places for, by its tables of absolute positions.

    GPT-2      wpe, 1024 rows                                     1024
    OPT        embed_positions, 2050 rows, the first two unused   2048
    RoBERTa    position_embeddings, 514 rows, the first two too    512
    MPT        biases for `max_seq_len` distances                 2048
    Llama      none: positions are rotations, which have no end   None

In: a model. Out: a number or None. Reads its modules and its configuration, runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from transformers import MptConfig, PreTrainedModel

TABLES_OF_SINUSOIDS = ("embed_positions", "pos_encoding")  # tensors of a fixed length: GPT-J's and CTRL's
UNUSED_ROWS = 2  # of a table, at most: BART's, OPT's and Nyströmformer's first two
OTHER_STACKS = re.compile(r"(?:^|[._])(?:vision|visual|image|audio|speech)")


def longest(model: PreTrainedModel) -> int | None:
    """Tokens that every table of positions has room for; None if there is no table.

    A table is known by its rows, which are as many as the configuration says positions; names differ.
    """
    settings = list(_settings(model.config.to_dict()))
    counts = {value for key, value in settings if re.search(r"position|n_ctx", key)}
    words = {value for key, value in settings if re.search(r"vocab", key)}
    found = [config.max_seq_len] if isinstance(config := model.config, MptConfig) else []  # its biases are a table too
    for name, module in model.named_modules():
        if OTHER_STACKS.search(name):
            continue
        if isinstance(module, nn.Embedding):
            if module.num_embeddings in words and not re.search(r"pos|wpe", name.rpartition(".")[2]):
                continue
            rows = module.num_embeddings
            # RoBERTa begins to count after the padding token's id, BART two rows into the table.
            before = getattr(module, "offset", 0 if module.padding_idx is None else module.padding_idx + 1)
            found += [min(count, rows - before) for count in counts if count <= rows <= count + UNUSED_ROWS]
            continue
        for attribute in TABLES_OF_SINUSOIDS:
            table = getattr(module, attribute, None)
            if isinstance(table, torch.Tensor) and table.dim() == 2 and len(table) in counts:
                found.append(len(table))
    return min(found, default=None)


def _settings(config: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """All whole numbers of a configuration and of those inside it, but for what sees or hears."""
    for key, value in config.items():
        if isinstance(value, dict) and not OTHER_STACKS.search(key):
            yield from _settings(value)
        elif isinstance(value, int) and not isinstance(value, bool):
            yield key, value
