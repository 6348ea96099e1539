"""The training rows of a run as it trained on them, kept beside its adapters for whoever trains it again. One line:

    {"input_ids": [1, 30, 9, 2], "attention_mask": [1, 1, 1, 1], "labels": [-100, -100, 9, 2]}

the form that TRL, Unsloth and Axolotl take as it is, in the order in which `rows.step_rows` counts rows. No torch: the
dashboard packs them up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from domlora.training.lock import run_folder

if TYPE_CHECKING:
    from domlora.data.encoding import EncodedSample

NAME = "rows.jsonl"


def keep(run_id: str, rows: Sequence[EncodedSample]) -> str | None:
    """Writes the rows of a run into its folder, whole or not at all; returns the reason where that is not possible.

    Args:
        rows: of a causal model.
    """
    path = run_folder(run_id) / NAME
    part = path.with_suffix(".part")
    try:
        part.write_text("".join(f"{_line(row)}\n" for row in rows), encoding="utf-8")
        os.replace(part, path)
    except OSError as error:
        return error.strerror or str(error)
    return None


def kept(run_id: str) -> list[str] | None:
    """The rows of a run as their lines; None where they are not on this machine."""
    try:
        return (run_folder(run_id) / NAME).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None


def _line(row: EncodedSample) -> str:
    from domlora.data.encoding import IGNORED

    labels = [token if mine else IGNORED for token, mine in zip(row.ids, row.response, strict=True)]
    return json.dumps({"input_ids": row.ids, "attention_mask": [1] * len(row.ids), "labels": labels})
