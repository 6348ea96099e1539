"""Self-Instruct seed tasks: one instruction with several solved instances, each a sample of its own.

{"instruction": "Add the numbers.", "instances": [{"input": "2 2", "output": "4"}]}
"""

from __future__ import annotations

from typing import Any

from domlora.formats import alpaca

NAME = "self_instruct"
KEYS = "instruction, instances: [{input, output}]"


def matches(row: dict[str, Any]) -> bool:
    return "instruction" in row and isinstance(row.get("instances"), list)


def read(row: dict[str, Any]) -> list[list[tuple[str, str]]]:
    return [turns for one in row["instances"] for turns in alpaca.read({**one, "instruction": row["instruction"]})]
