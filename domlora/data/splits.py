"""Which split a name stands for: of a row, of a list of rows, of a part of a data set, of a file. Names in, splits out.

Knows no file and no row.
"""

from __future__ import annotations

import re

from domlora.errors import TaskError

SPLITS = {
    "train": "train", "training": "train", "train_sft": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "eval": "validation",
    "test": "test", "testing": "test", "test_sft": "test",
}  # fmt: skip


def split_of_file(stem: str, folder: str = "") -> str:
    """The split that a file among others is for: a whole part of its stem says it, else of its folder, else train.

    Args:
        stem: name without suffixes: `train-00000-of-00002`, `gsm8k_test`, `data.val`.
        folder: name of the folder that it lies in, where that may say it.

    Raises:
        TaskError: one name says two splits; the caller adds which file it is.
    """
    for name in (stem, folder):
        found = {SPLITS[part]: part for part in re.split(r"[-_.\s]", name.lower()) if part in SPLITS}
        if len(found) > 1:
            raise TaskError(f"its name says {' and '.join(found.values())}: rename it, or name that file alone")
        if found:
            return next(iter(found))
    return "train"


def splits_read(names: list[str], shown: str) -> dict[str, str]:
    """Which parts of a data set are read, and as what; names such as `train_gen` stand for other things.

    Args:
        names: its parts, as its maker calls them.
        shown: the data set, for the error.

    Raises:
        TaskError: there are several, and none is a split that is known.
    """
    known = {name: SPLITS[name] for name in names if name in SPLITS}
    if not known and len(names) > 1:
        raise TaskError(
            f"{shown}: none of its splits ({', '.join(names)}) is train, validation or test: "
            "save the one you mean as a .parquet or .jsonl file and name that file"
        )
    return known or dict.fromkeys(names, "train")
