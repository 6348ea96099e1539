"""The names that data sets give to their splits."""

from __future__ import annotations

SPLITS = {
    "train": "train", "training": "train", "train_sft": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation",
    "eval": "validation",
    "test": "test", "testing": "test", "test_sft": "test",
}  # fmt: skip
