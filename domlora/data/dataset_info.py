"""LLaMA-Factory's `dataset_info.json` beside a data file: what the columns and the roles of that file are called.

In: the path of a data file. Out: its columns under the names that readers know, and how its messages are spelled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from domlora.data.formats.fields import CONVERSATIONS
from domlora.errors import TaskError

NAME = "dataset_info.json"
# What LLaMA-Factory calls a column, and the field that it is here.
COLUMNS = {
    "prompt": "instruction", "query": "input", "response": "output", "history": "history", "system": "system",
    "messages": "conversations", "tools": "tools", "chosen": "chosen", "rejected": "rejected", "kto_tag": "label",
    "images": "images", "videos": "videos", "audios": "audios",
}  # fmt: skip
ROLES = {
    "user_tag": "user", "assistant_tag": "assistant", "observation_tag": "tool", "function_tag": "function_call",
    "system_tag": "system",
}  # fmt: skip


@dataclass(frozen=True)
class Spelling:
    """How a file names things.

    Attributes:
        columns: column of the file -> field of a row.
        keys: key of a message -> `role` or `content`.
        roles: role of a message -> a role that readers know.
    """

    columns: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)

    def respelled(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row whose messages, in whatever field, are spelled as readers know it."""
        if not self.keys and not self.roles:
            return row
        names = (*CONVERSATIONS, "chosen", "rejected")
        return {name: self._messages(value) if name in names else value for name, value in row.items()}

    def _messages(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._messages(one) for one in value]
        if not isinstance(value, dict):
            return value
        message = {self.keys.get(key, key): content for key, content in value.items()}
        role = message.get("role")
        return {**message, "role": self.roles.get(role, role)} if isinstance(role, str) else message


def spelling_of(path: Path) -> Spelling | None:
    """What a `dataset_info.json` beside a data file says of it; None if there is none, or it does not name the file.

    Raises:
        TaskError: it cannot be read.
    """
    beside = path.parent / NAME
    if path.name == NAME or not beside.is_file():
        return None
    try:
        entries = json.loads(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise TaskError(f"{beside} cannot be read ({error}): mend it, or move it away from {path.name}") from error
    if not isinstance(entries, dict):
        return None  # another tool's file
    entry = next((one for one in entries.values() if isinstance(one, dict) and one.get("file_name") == path.name), None)
    return _spelling(entry, beside) if entry is not None else None


def _spelling(entry: Mapping[str, Any], beside: Path) -> Spelling:
    columns, tags = entry.get("columns") or {}, entry.get("tags") or {}
    if not all(isinstance(one, dict) and all(isinstance(v, str) for v in one.values()) for one in (columns, tags)):
        raise TaskError(f"{beside}: `columns` and `tags` of {entry['file_name']} must name columns by text: mend it")
    unknown = [name for name in columns if name not in COLUMNS]
    if unknown:
        raise TaskError(f"{beside}: the column {unknown[0][:40]!r} is unknown: known are {', '.join(COLUMNS)}")
    keys = {tags[tag]: name for tag, name in (("role_tag", "role"), ("content_tag", "content")) if tag in tags}
    roles = {tags[tag]: role for tag, role in ROLES.items() if tag in tags}
    named = {column: COLUMNS[name] for name, column in columns.items()}
    if set(columns) == {"prompt"}:  # how LLaMA-Factory names texts to learn whole
        named = {columns["prompt"]: "text"}
    return Spelling({column: known for column, known in named.items() if column != known}, keys, roles)
