"""The training rows of a run as files beside the recipes, in the order in which its steps read them.

In: the rows that training kept (`training.kept_rows`). Out: files of one JSON object a row. No torch.
"""

from __future__ import annotations

from collections.abc import Iterable

from domlora.comparison.run import Run, Variant
from domlora.placements.methods import METHODS
from domlora.training.kept_rows import CONVERSATIONS, kept
from domlora.training.rows import EVA_ROWS, step_rows

TRAIN = "train.jsonl"  # tokens
EVA = "eva.jsonl"  # tokens of the rows whose activations EVA starts from
__all__ = ["CONVERSATIONS", "EVA", "TRAIN", "row_files"]


def row_files(run: Run, variant: Variant) -> dict[str, bytes]:
    """The rows by file name; empty where they are not on this machine."""
    rows = kept(run.id)
    if rows is None:
        return {}
    tokens, conversations = rows
    order = [index for step in step_rows(len(tokens), run.config, variant.seed) for index in step]
    files = {TRAIN: _text(tokens[i] for i in order), CONVERSATIONS: _text(conversations[i] for i in order)}
    if METHODS[variant.method].from_data:
        files[EVA] = _text(tokens[:EVA_ROWS])
    return files


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
