"""The seed tasks of Self-Instruct: one instruction, several instances, each of them a sample. One row:

{"instruction": "What relates the pair?", "instances": [{"input": "Night : Day", "output": "Opposites."}]}
"""

from __future__ import annotations

from typing import Any

from domlora.data.formats import alpaca
from domlora.data.formats.chat import Chat, RowError, need

NAME = "self_instruct"
KEYS = "instruction, instances: [{input, output}]"


def matches(keys: set[str], row: dict[str, Any]) -> bool:
    """True for a row with an instruction and its instances."""
    return {"instruction", "instances"} <= keys


def read(row: dict[str, Any]) -> list[Chat]:
    """One exchange for each instance, written as Alpaca's."""
    instruction, instances = need(row, "instruction"), need(row, "instances") or []
    if not isinstance(instances, list) or not all(isinstance(one, dict) for one in instances):
        raise RowError("has `instances` that are not a list of {input, output} objects")
    return [chat for one in instances for chat in alpaca.read({**one, "instruction": instruction})]
