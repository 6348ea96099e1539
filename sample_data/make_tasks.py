"""Assembles the built-in tasks: `tasks/parts/*.jsonl` -> `tasks/{instruction,math,code,chat}.jsonl` with fixed splits.

{"messages": [...], "split": "train"}

`instruction` and `chat` were written by hand for this project (`parts/*_a.jsonl`, `parts/*_b.jsonl`); `math` and `code`
come from `make_math.py` and `make_code.py`. The order is shuffled once, by a fixed seed, so that the splits are alike:
80 % train, 10 % validation, 10 % test.

    python sample_data/make_tasks.py
"""

from __future__ import annotations

import json
import random
from pathlib import Path

TASKS = Path(__file__).parent / "tasks"
PARTS = {
    "instruction": ("instruction_a", "instruction_b"),
    "math": ("math",),
    "code": ("code",),
    "chat": ("chat_a", "chat_b"),
}


def assemble(name: str) -> str:
    """The contents of one task's file."""
    lines = [line for part in PARTS[name] for line in (TASKS / "parts" / f"{part}.jsonl").read_text().splitlines()]
    rows = [json.loads(line) for line in lines]
    random.Random(name).shuffle(rows)
    for i, row in enumerate(rows):
        place = i / len(rows)
        row["split"] = "train" if place < 0.8 else "validation" if place < 0.9 else "test"
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    for name in PARTS:
        (TASKS / f"{name}.jsonl").write_text(assemble(name))
