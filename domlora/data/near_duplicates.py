"""Which of some samples are nearly equal to one of many others: most of their word pairs are the same.

In: samples of both sides. Out: which is nearly equal to which. Candidates come from MinHash and locality-sensitive
hashing (`datasketch`, imported only here and only when it is needed), and each is checked against the true Jaccard
index, so that none is named that is not one. The same answer on every machine.
"""

from __future__ import annotations

import itertools
import re
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from domlora.data.duplicates import plain_text, whole_text
from domlora.data.samples import Sample

if TYPE_CHECKING:
    from datasketch import MinHash

NEAR = 0.8  # Jaccard index of their word pairs from which two samples are nearly equal
LONGEST = 4000  # characters of a sample that are looked at
BOILERPLATE = 0.5  # of the samples: a word pair that more of them have tells nothing of two
FEW = 8  # samples of which nothing can be said to be common to most
# 25 bands of 5 values: two at 0.8 are overlooked once in 20 000 times, (1 - 0.8^5)^25.
BANDS, BAND = 25, 5
# A word; or a character of a script that sets no spaces between words (Thai to Khmer, Chinese, Japanese, Korean).
UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
WORD = re.compile(f"[{UNSPACED}]|[^\\W_{UNSPACED}]+")

Words = tuple[str, ...]


class Match(NamedTuple):
    """Two samples, as they were counted from 0 in what was given, and the Jaccard index of their word pairs."""

    one: int
    other: int
    jaccard: float


def word_pairs(sample: Sample) -> frozenset[Words]:
    """Neighbouring words, two at a time, of all turns but system texts, which are often the same in all rows.

    One word alone is a tuple of one.
    """
    said = "\n".join(whole_text(message) for message in sample.messages if message.role != "system")
    words = WORD.findall(plain_text(said[:LONGEST]))
    return frozenset(itertools.pairwise(words)) if len(words) > 1 else frozenset([tuple(words)] if words else [])


def near_duplicates(samples: Sequence[Sample], others: Sequence[Sample]) -> list[Match]:
    """For each of `samples` that is nearly equal to one of `others`, the first such match; in their order.

    Word pairs that most of `samples` have, such as those of an instruction that stands before every question, are left
    out on both sides, unless nothing else is left.
    """
    found = [word_pairs(sample) for sample in samples]
    counts = Counter(words for one in found for words in one)
    common = {words for words, count in counts.items() if count > max(FEW, BOILERPLATE * len(samples))}
    mine = [one - common or one for one in found]
    known: frozenset[Words] = frozenset().union(*mine)
    lsh: _Lsh | None = None
    nearest: dict[int, Match] = {}
    for i, other in enumerate(others):
        whole = word_pairs(other)
        theirs = whole - common or whole
        # At 0.8 of the union, both share 0.8 of each at least: most rows of a file are settled by this alone.
        if not theirs or len(theirs & known) < NEAR * len(theirs):
            continue
        lsh = lsh or _Lsh(mine)
        for candidate in lsh.candidates(theirs):
            if candidate not in nearest:
                shared = len(mine[candidate] & theirs)
                jaccard = shared / (len(mine[candidate]) + len(theirs) - shared)
                if jaccard >= NEAR:
                    nearest[candidate] = Match(candidate, i, jaccard)
    return [nearest[i] for i in sorted(nearest)]


class _Lsh:
    """An index of sets of word pairs."""

    def __init__(self, sets: Sequence[frozenset[Words]]) -> None:
        from datasketch import MinHash, MinHashLSH

        # crc32, since `hash` of a text is another one in each process.
        self._empty = MinHash(num_perm=BANDS * BAND, hashfunc=zlib.crc32)
        self._index = MinHashLSH(num_perm=BANDS * BAND, params=(BANDS, BAND))
        for i, one in enumerate(sets):
            if one:
                self._index.insert(i, self._sketch(one))

    def candidates(self, one: frozenset[Words]) -> list[int]:
        """Numbers of the sets that may be near, in order."""
        return sorted(self._index.query(self._sketch(one)))

    def _sketch(self, one: frozenset[Words]) -> MinHash:
        sketch = self._empty.copy()
        sketch.update_batch([" ".join(words).encode() for words in one])
        return sketch
