"""The training rows of a run as files beside the recipes: token by token, in the order in which its steps read them.

In: the rows that training kept (`training.kept_rows`). Out: files of one JSON object a row. No torch.
"""

from __future__ import annotations

from collections.abc import Iterable

from domlora.comparison.run import Run, Variant
from domlora.placements.methods import METHODS
from domlora.training.kept_rows import kept
from domlora.training.rows import EVA_ROWS, step_rows

TRAIN = "train.jsonl"
EVA = "eva.jsonl"  # the rows whose activations EVA starts from


def row_files(run: Run, variant: Variant) -> dict[str, bytes]:
    """The rows by file name; empty where they are not on this machine."""
    rows = kept(run.id)
    if rows is None:
        return {}
    files = {TRAIN: _text(rows[index] for step in step_rows(len(rows), run.config) for index in step)}
    if METHODS[variant.method].from_data:
        files[EVA] = _text(rows[:EVA_ROWS])
    return files


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
