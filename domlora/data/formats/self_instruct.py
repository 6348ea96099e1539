"""The seed tasks of Self-Instruct: one instruction, several instances, each of them a sample. One row:

{"instruction": "What relates the pair?", "instances": [{"input": "Night : Day", "output": "Opposites."}]}
"""

from __future__ import annotations

from domlora.data.formats import alpaca
from domlora.data.formats.chat import Chat
from domlora.data.formats.fields import Fields, RowError

NAME = "self_instruct"
KEYS = "instruction, instances: [{input, output}]"


def matches(fields: Fields) -> bool:
    """True for a row with an instruction and its instances."""
    return fields.has("instruction", "instances")


def named(fields: Fields) -> bool:
    return fields.names("instruction", "instances")


def read(fields: Fields) -> list[Chat]:
    """One exchange for each instance, written as Alpaca's."""
    instruction, instances = fields.take("instruction"), fields.take("instances") or []
    if not isinstance(instances, (list, tuple)) or not all(isinstance(one, dict) for one in instances):
        raise RowError("has `instances` that are not a list of {input, output} objects")
    return [chat for one in instances for chat in alpaca.read(Fields({**one, "instruction": instruction}))]
