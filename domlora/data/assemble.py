"""From numbered rows to the samples of a task: each row by its own form, and nothing left out without a reason.

In: rows of any source, each with its place. Out: samples, and remarks that count what is not used. Reads no file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal

from domlora.data.columns import renamed
from domlora.data.dataset_info import Spelling
from domlora.data.formats.chat import Chat, Unused
from domlora.data.formats.fields import CONVERSATIONS, MEANING, Fields, RowError, missing
from domlora.data.formats.registry import FORMATS, read, recognise
from domlora.data.formats.turns import KNOWN
from domlora.data.remarks import Remark, Remarks
from domlora.data.samples import Message, Sample
from domlora.data.splits import SPLITS
from domlora.data.system_text import fold_system
from domlora.errors import TaskError

Numbered = tuple[str, int, str, dict[str, Any]]  # place for errors, row, split if the row names none, contents
System = Literal["keep", "fold", "drop"]

RECOGNISE_WITHIN = 10  # rows
# Half an emoji, as scraped texts have it, is no character, and tokenizers refuse it.
LONE_SURROGATES = re.compile("[\ud800-\udfff]")
WITHOUT_LESSON = "whose answers are all context left out"
WITHOUT_RESPONSE = "without a response left out"


@dataclass
class Assembled:
    """What became of rows.

    Attributes:
        rows: how many were read.
        forms: how many were read in each format.
        unread: columns that no reader knows, in order; what they hold is not learned.
    """

    samples: list[Sample] = field(default_factory=list)
    rows: int = 0
    forms: Counter[str] = field(default_factory=Counter)
    remarks: tuple[Remark, ...] = ()
    unread: dict[str, None] = field(default_factory=dict)


def assemble(
    rows: Iterable[Numbered], source: str, *, split_column: str, spelling: Spelling, system: System
) -> Assembled:
    """Reads rows.

    Args:
        source: what they are called in errors.

    Raises:
        TaskError: a row that cannot be read, no row of a known form, or none with a response.
    """
    made, remarks = Assembled(), Remarks()
    head: list[tuple[str, list[str]]] = []  # place and keys of rows, as long as none is of a known form
    columns: set[str] = set()
    firsts: dict[str, int] = {}  # the first row of each form
    for place, number, default, row in rows:
        made.rows += 1
        columns.update(row)
        fields = Fields(spelling.respelled(renamed(row, spelling.columns)))
        form = recognise(fields)
        if form is None:
            remarks.add("row", "of no known form left out", number, lost=True)
            if not made.forms:
                head.append((place, fields.keys()))
                if len(head) == RECOGNISE_WITHIN:
                    break
            continue
        made.forms[form.NAME] += 1
        firsts.setdefault(form.NAME, number)
        try:
            split = _split_of(fields, split_column, default)
            chats = read(form, fields)
        except Unused as reason:
            remarks.add("row", str(reason), number, lost=True)
            continue
        except RowError as error:
            shape = f"the format {form.NAME} ({form.KEYS})"
            raise TaskError(f"{place} {error}; read in {shape}: mend or remove the row") from error
        made.unread.update(dict.fromkeys(name for name in fields.unread() if name not in MEANING))
        made.unread.update(dict.fromkeys(_unread_of_messages(fields)))
        made.samples += _samples(chats, split, number, system, remarks)
    _check(made, head, columns, source, spelling, remarks)
    for name, count in made.forms.most_common()[1:]:
        remarks.add("row", f"read as {name}", firsts[name], lost=False, count=count)
    made.remarks = remarks.all()
    return made


def _unread_of_messages(fields: Fields) -> Iterator[str]:
    """Keys of messages that no reader knows, as `messages.critique`."""
    for name in (*CONVERSATIONS, "chosen", "completion"):
        listed = fields.peek(name)
        for message in listed if isinstance(listed, list) else ():
            if isinstance(message, dict):
                yield from (
                    f"{name}.{key}" for key, value in message.items() if key not in KNOWN and not missing(value)
                )


def _check(
    made: Assembled,
    head: Sequence[tuple[str, list[str]]],
    columns: set[str],
    source: str,
    spelling: Spelling,
    remarks: Remarks,
) -> None:
    """Raises TaskError if nothing can be learned of the rows."""
    if not made.rows:
        raise TaskError(f"{source} has no rows: it needs one at least")
    absent = [column for column in spelling.columns if column not in columns]
    if absent:
        there = ", ".join(" ".join(name.split())[:40] for name in islice(sorted(columns), 12))
        raise TaskError(f"{source} has no column {absent[0][:40]!r}, which --columns names: its columns are {there}")
    if not made.forms:
        raise TaskError(_unknown_format(head))
    if not made.samples:
        name = made.forms.most_common(1)[0][0]
        keys = next(form.KEYS for form in FORMATS if name == form.NAME)
        reasons = "; ".join(remark.words for remark in remarks.all() if remark.lost and remark.noun == "row")
        raise TaskError(
            f"{source}: none of its {made.rows} rows has a response to learn, read as {name} ({keys}): {reasons}; "
            "bring rows that hold what the model is to say"
        )


def _unknown_format(head: Sequence[tuple[str, list[str]]]) -> str:
    seen = dict.fromkeys(key for _, keys in head for key in keys)
    # Keys may be anything, such as the first row of a CSV file without a header.
    shown = ", ".join(" ".join(str(key).split())[:40] for key in islice(seen, 12)) or "none"
    known = "; ".join(f"{form.NAME} ({form.KEYS})" for form in FORMATS)
    return (
        f"{head[0][0]}: unknown format, its keys are {shown}: say what they are, as in --columns {_example(seen)}, or "
        f"rename them to those of {known}"
    )


def _example(seen: Mapping[str, None]) -> str:
    names = [" ".join(str(key).split())[:40] for key in islice(seen, 2)]
    return ",".join(f"{name}={wanted}" for name, wanted in zip(names, ("prompt", "completion"), strict=False))


def _split_of(fields: Fields, column: str, default: str) -> str:
    if column != "split" and not fields.names(column):
        raise RowError(f"has no `{column}` to name its split")
    value = fields.take(column)
    if value is None:
        return default
    split = SPLITS.get(str(value).strip().lower())
    # Rows held out under a name that we do not know must not be trained on.
    if split is None:
        known = ", ".join(SPLITS)
        raise RowError(f"has the unknown split {str(value)[:40]!r} in `{column}`, known are {known}")
    return split


def _samples(chats: Sequence[Chat], split: str, number: int, system: System, remarks: Remarks) -> Iterator[Sample]:
    if not chats:
        remarks.add("row", WITHOUT_RESPONSE, number, lost=True)
    for chat in chats:
        turns = _up_to_last_response([_clean(message) for message in chat.messages], number, remarks)
        if not turns:
            continue
        for noun in chat.unused:
            remarks.add(noun, "not learned", number, lost=False)
        messages = _with_system(_merged(turns), system, number, remarks)
        yield Sample(messages, split, number, chat.answer, chat.tests, chat.tools, chat.whole)


def _clean(message: Message) -> Message:
    def clean(text: str) -> str:
        return LONE_SURROGATES.sub("\ufffd", text)

    return replace(
        message,
        content=clean(message.content),
        parts=tuple(clean(part) for part in message.parts),
        reasoning=clean(message.reasoning),
        tool_calls=tuple(replace(call, arguments=clean(call.arguments)) for call in message.tool_calls),
    )


def _up_to_last_response(messages: list[Message], number: int, remarks: Remarks) -> list[Message]:
    """The turns that say something, up to the last that is learned; what follows it nobody learns."""
    spoken = [message for message in messages if message.says_something or message.role == "system"]
    empty = [message for message in messages if not (message.says_something or message.role == "system")]
    last = max((i for i, m in enumerate(spoken) if m.role == "assistant" and m.trained), default=-1)
    if last < 0:
        answered = any(message.role == "assistant" for message in spoken)
        remarks.add("row", WITHOUT_LESSON if answered else WITHOUT_RESPONSE, number, lost=True)
        return []
    remarks.add("turn", "without text left out", number, lost=True, count=len(empty))
    remarks.add("turn", "after the last response left out", number, lost=True, count=len(spoken) - last - 1)
    return spoken[: last + 1]


def _merged(turns: Sequence[Message]) -> tuple[Message, ...]:
    """Chat templates want roles to alternate: plain neighbours of one role are joined by a blank line."""
    merged: list[Message] = []
    for turn in turns:
        before = merged[-1] if merged else None
        if before is not None and _join(before, turn):
            merged[-1] = replace(before, content=f"{before.content}\n\n{turn.content}")
        else:
            merged.append(turn)
    return tuple(merged)


def _join(one: Message, other: Message) -> bool:
    plain = Message(one.role, "", trained=one.trained)
    return (
        one.role != "tool"
        and bool(one.content.strip() and other.content.strip())
        and replace(one, content="") == plain == replace(other, content="")
    )


def _with_system(messages: tuple[Message, ...], system: System, number: int, remarks: Remarks) -> tuple[Message, ...]:
    if system == "keep":
        return messages
    if system == "fold":
        return fold_system(messages)
    kept = tuple(message for message in messages if message.role != "system")
    remarks.add("system text", "dropped as asked", number, lost=False, count=len(messages) - len(kept))
    return kept
