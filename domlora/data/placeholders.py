"""A conversation with placeholders in the place of what is said, and where the real words stand in the real text.

In: messages, and the text of a rendering of the same conversation with placeholders. Out: which pieces are shown, what
the template writes between them, and the places of the real pieces in the real text, or that they are not certain.
Knows no template: rendering is the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count
from typing import Literal, NamedTuple

from domlora.data.samples import Message

Kind = Literal["reasoning", "content", "call", "name"]

# How thoughts that stand in a content itself begin and end; where a prompt opens them, only the end is there.
_THOUGHTS = (
    ("<think>", "</think>"), ("<thinking>", "</thinking>"), ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"), ("[THINK]", "[/THINK]"),
)  # fmt: skip


class Piece(NamedTuple):
    """Something that is said in a turn, and has a placeholder of its own."""

    turn: int
    kind: Kind
    text: str


class Place(NamedTuple):
    """Where a piece stands in the real text: characters `first` to `last`."""

    kind: Kind
    first: int
    last: int


class Placeholders:
    """Hands out placeholders: words without white space that occur nowhere in what is said."""

    def __init__(self, messages: Sequence[Message]) -> None:
        said = "\n".join(str(message) for message in messages)
        self._stem = next(stem for i in count() if (stem := f"domlora{i}place") not in said)
        self.pieces: list[Piece] = []

    def put(self, messages: Sequence[Message], of: Callable[[Message], bool], thoughts: bool) -> list[Message]:
        """The messages with placeholders in those `of` chooses; `thoughts` splits contents that hold some."""
        return [self._in(message, turn, thoughts) if of(message) else message for turn, message in enumerate(messages)]

    def find(self, rendered: str) -> Shown:
        """What a rendering shows of the pieces."""
        found = re.split(rf"{self._stem}(\d+)q", rendered)
        return Shown(self.pieces, found[::2], [int(number) for number in found[1::2]])

    def _in(self, message: Message, turn: int, thoughts: bool) -> Message:
        def new(kind: Kind, text: str) -> str:
            if not text.strip():
                return text
            self.pieces.append(Piece(turn, kind, text))
            return f"{self._stem}{len(self.pieces) - 1}q"

        reasoning = new("reasoning", message.reasoning)
        parts = tuple(new("content", part) for part in message.parts)
        if parts:
            content = "\n".join(parts)
        elif thoughts and (split := _thoughts_and_answer(message.content)):
            opened, thought, closed, answer = split
            content = opened + new("reasoning", thought) + closed + new("content", answer)
        else:
            content = new("content", message.content)
        return replace(
            message,
            reasoning=reasoning,
            content=content,
            parts=parts,
            tool_calls=tuple(replace(call, name=new("call", call.name)) for call in message.tool_calls),
            name=new("name", message.name) if message.name and message.role != "assistant" else message.name,
        )


def _thoughts_and_answer(content: str) -> tuple[str, str, str, str] | None:
    """What opens the thoughts, these, what closes them, and the answer; None if the content holds no thoughts."""
    for opens, closes in _THOUGHTS:
        if closes in content:
            thought, _, answer = content.rpartition(closes)
            start = len(thought) - len(thought.lstrip())
            start += len(opens) if thought.startswith(opens, start) else -start
            return thought[:start], thought[start:], closes, answer
    return None


@dataclass(frozen=True)
class Shown:
    """What a rendering with placeholders shows.

    Attributes:
        pieces: that have a placeholder.
        between: what the template writes around the placeholders; one more than `order` is long.
        order: which piece each placeholder in the rendering stands for.
    """

    pieces: list[Piece]
    between: list[str]
    order: list[int]

    def hidden(self, turn: int) -> list[Kind]:
        """The kinds of the pieces of a turn that are not shown."""
        return [self.pieces[i].kind for i in self._numbers.get(turn, []) if i not in self._first]

    def shows(self, turn: int) -> bool:
        """Whether any piece of a turn is shown."""
        return bool(self._shown(turn))

    def before(self, turn: int) -> tuple[str, bool]:
        """What the template writes before the first piece of a turn, and whether another piece comes before that."""
        at = min(self._shown(turn), default=None)
        return ("", False) if at is None else (self.between[at], at > 0)

    def after(self, turn: int) -> str:
        """What the template writes after the last piece of a turn, up to the next piece."""
        at = max(self._shown(turn), default=None)
        if at is None:
            return ""
        written = self.between[at + 1]
        while at + 1 < len(self.order) and self.pieces[self.order[at + 1]].turn == turn:
            at += 1  # shown once more, as a call may name its tool twice
            written += self.pieces[self.order[at]].text + self.between[at + 1]
        return written

    def interrupted(self, turn: int) -> bool:
        """Whether another turn is shown for the first time between the pieces of this one."""
        spots = self._shown(turn)
        between = self.order[min(spots) : max(spots)] if spots else []
        return any(self.pieces[number].turn != turn for number in between)

    def locate(self, text: str) -> dict[int, list[Place]] | None:
        """Where the real text shows the pieces, by turn; None if it is not the rendering but for the placeholders."""
        if not text.startswith(self.between[0]):
            return None
        position = len(self.between[0])
        places: dict[int, list[Place]] = {}
        for at, number in enumerate(self.order):
            piece = self.pieces[number]
            following, final = self.between[at + 1], at + 1 == len(self.order)
            place = _fit(piece.text, text, position, following, final)
            if place is None:
                return None
            first, last = place
            if self._first[number] == at:  # else it is shown once more
                if places and piece.turn < max(places):
                    return None
                places.setdefault(piece.turn, []).append(Place(piece.kind, first, last))
            position = last + len(following)
        return places if position == len(text) else None

    @cached_property
    def _first(self) -> dict[int, int]:
        """Where each piece that is shown has its first placeholder, as an index of `order`."""
        return {number: at for at, number in reversed(list(enumerate(self.order)))}

    @cached_property
    def _numbers(self) -> dict[int, list[int]]:
        """The pieces of each turn."""
        numbers: dict[int, list[int]] = {}
        for number, piece in enumerate(self.pieces):
            numbers.setdefault(piece.turn, []).append(number)
        return numbers

    def _shown(self, turn: int) -> list[int]:
        return [self._first[number] for number in self._numbers.get(turn, []) if number in self._first]


def _fit(piece: str, text: str, position: int, following: str, final: bool) -> tuple[int, int] | None:
    """Where a piece stands in the text from `position` on, before `following`; templates may strip its white space."""
    core = piece.strip()
    start = position
    while start < len(text) and text[start].isspace():
        start += 1
    blank = text[position:start]
    lead = piece[: len(piece) - len(piece.lstrip())]
    if not lead.endswith(blank) or not text.startswith(core, start):
        return None
    end = start + len(core)
    trail = piece[len(piece.rstrip()) :]
    kept = 0
    while kept < len(trail) and text[end + kept : end + kept + 1] == trail[kept]:
        kept += 1
    for last in range(end + kept, end - 1, -1):
        if text.startswith(following, last) and (not final or last + len(following) == len(text)):
            return position, last
    return None
