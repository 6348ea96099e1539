"""Assembles the built-in tasks: `tasks/parts/*.jsonl` -> `tasks/{instruction,math,code,chat}.jsonl` with fixed splits.

{"messages": [...], "split": "train"}

`instruction` and `chat` were written by hand for this project (`parts/*_a.jsonl`, `parts/*_b.jsonl`); `math` and `code`
come from `make_math.py` and `make_code.py`. The order is shuffled once, by a fixed seed, so that the splits are alike:
80 % train, 10 % validation, 10 % test. Code rows that share a solution stay in one split.

    python sample_data/make_tasks.py
"""

from __future__ import annotations

import json
import random
from pathlib import Path

import make_code

TASKS = Path(__file__).parent / "tasks"
PARTS = {
    "instruction": ("instruction_a", "instruction_b"),
    "math": ("math",),
    "code": ("code",),
    "chat": ("chat_a", "chat_b"),
}


def groups(name: str) -> list[list[dict]]:
    """Rows that must not be torn apart: those of one code problem; else each row by itself."""
    if name == "code":
        return list(make_code.groups().values())
    lines = [
        line
        for part in PARTS[name]
        for line in (TASKS / "parts" / f"{part}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    return [[json.loads(line)] for line in lines]


def assemble(name: str) -> str:
    """The contents of one task's file."""
    parts = groups(name)
    random.Random(name).shuffle(parts)
    total, place, lines = sum(map(len, parts)), 0, []
    for part in parts:
        split = "train" if place < 0.8 * total else "validation" if place < 0.9 * total else "test"
        lines += [json.dumps({**row, "split": split}, ensure_ascii=False) + "\n" for row in part]
        place += len(part)
    return "".join(lines)


if __name__ == "__main__":
    for name in PARTS:
        (TASKS / f"{name}.jsonl").write_text(assemble(name), encoding="utf-8")
