"""The training rows of a run as it trained on them, kept beside its adapters for whoever trains it again.

Once as tokens, the form that TRL, Unsloth and Axolotl take as it is, and once as conversations, for tools that build
their own prompts. A line of each, in the order in which `rows.step_rows` counts rows:

    {"input_ids": [1, 30, 9, 2], "attention_mask": [1, 1, 1, 1], "labels": [-100, -100, 9, 2]}
    {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}

No torch: the dashboard packs them up.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from domlora.training.lock import run_folder

if TYPE_CHECKING:
    from domlora.data.encoding import EncodedSample
    from domlora.data.samples import Message, Sample

TOKENS = "rows.jsonl"
CONVERSATIONS = "conversations.jsonl"


def keep(run_id: str, rows: Sequence[EncodedSample], samples: Sequence[Sample]) -> str | None:
    """Writes the rows of a run into its folder, each file whole or not at all; returns the reason where it cannot be.

    Args:
        rows: of a causal model.
        samples: what each was encoded from.
    """
    folder = run_folder(run_id)
    try:
        _write(folder / CONVERSATIONS, map(conversation, samples))
        _write(folder / TOKENS, map(_tokens, rows))
    except OSError as error:
        return error.strerror or str(error)
    return None


def is_kept(run_id: str) -> bool:
    return (run_folder(run_id) / TOKENS).is_file()


def kept(run_id: str) -> tuple[list[str], list[str]] | None:
    """The rows of a run as lines of tokens and of conversations; None where they are not on this machine."""
    if not is_kept(run_id):
        return None
    folder = run_folder(run_id)
    tokens, said = ((folder / name).read_text(encoding="utf-8").splitlines() for name in (TOKENS, CONVERSATIONS))
    return tokens, said


def conversation(sample: Sample) -> dict[str, Any]:
    """A sample as OpenAI writes it, or `{"text"}` for one that is no conversation."""
    if sample.whole:
        return {"text": sample.messages[-1].content}
    found: dict[str, Any] = {"messages": [_message(message) for message in sample.messages]}
    if sample.tools:
        found["tools"] = f"[{', '.join(sample.tools)}]"
    return found


def _message(message: Message) -> dict[str, Any]:
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.reasoning:
        found["reasoning_content"] = message.reasoning
    if message.tool_calls:
        found["tool_calls"] = [
            {"type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in message.tool_calls
        ]
    if message.name is not None:
        found["name"] = message.name
    return found


def _tokens(row: EncodedSample) -> dict[str, Any]:
    from domlora.data.encoding import IGNORED

    labels = [token if mine else IGNORED for token, mine in zip(row.ids, row.response, strict=True)]
    return {"input_ids": row.ids, "attention_mask": [1] * len(row.ids), "labels": labels}


def _write(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    part = path.with_suffix(".part")
    part.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    os.replace(part, path)
