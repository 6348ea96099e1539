"""Which samples must not be on both sides of a split: equal ones, and those that come from one row of the source.

In: samples. Out: numbers, equal for samples that say the same and for samples that belong together. Plain texts; no
split is made here.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from domlora.data.samples import Message, Sample

# Marks that nobody sees: soft hyphens, zero-width spaces and joiners, marks of direction and of byte order.
UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")


class Alike(NamedTuple):
    """Numbers of samples, in their order.

    Attributes:
        texts: equal for samples whose messages are equal after `plain_text`.
        families: equal for samples that are linked by equal texts or a common row, however long the chain.
    """

    texts: list[int]
    families: list[int]


def plain_text(text: str) -> str:
    """A text without what no reader would call a difference: forms of characters, case, white space, unseen marks."""
    return " ".join(UNSEEN.sub("", unicodedata.normalize("NFKC", text)).casefold().split())


def alike(samples: Sequence[Sample]) -> Alike:
    """Numbers samples by what they say, and by what they belong to.

    A row is known by its number within its split; samples without one (0) share a row with none. Tools, answers to
    compare with and tests are no part of what is said.
    """
    texts: dict[Hashable, int] = {}
    rows: dict[Hashable, int] = {}
    numbers, parents = [], list(range(len(samples)))

    def root(i: int) -> int:
        while parents[i] != i:
            parents[i] = i = parents[parents[i]]
        return i

    for i, sample in enumerate(samples):
        numbers.append(texts.setdefault(_said(sample), i))
        parents[root(i)] = root(numbers[i])
        if sample.row:
            parents[root(i)] = root(rows.setdefault((sample.split, sample.row), i))
    return Alike(numbers, [root(i) for i in range(len(samples))])


def _said(sample: Sample) -> tuple[str, ...]:
    """Role and text of each turn; an empty system text is none."""
    return tuple(part for m in sample.messages if m.says_something for part in (m.role, plain_text(whole_text(m))))


def whole_text(message: Message) -> str:
    """All that a turn says: its thoughts, its content and its calls."""
    calls = (part for call in message.tool_calls for part in (call.name, call.arguments))
    return "\n".join(part for part in (message.reasoning, message.content, *calls) if part)
