"""The two sides of a split, with nothing on both: equal samples, and those of one source row, go together.

In: samples that know their split. Out: for each part of a comparison the numbers of its samples. What is left out for
this is counted as remarks.
"""

from __future__ import annotations

from collections.abc import Sequence

from domlora.data.duplicates import alike
from domlora.data.remarks import Remarks
from domlora.data.samples import Sample

PARTS = ("train", "validation", "test")


class Sides:
    """Samples of a task on their way into the parts of a comparison.

    Attributes:
        pools: numbers of the samples of each part. The caller orders them: what is taken is taken from the front.
        remarks: what was left out because it is held out already.
        first_left_out: row of a training sample that `part` left out; 0 if it left out none.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples
        self._texts, self._families = alike(samples)
        self.pools = {part: [i for i, sample in enumerate(samples) if sample.split == part] for part in PARTS}
        self.remarks = Remarks()
        self.first_left_out = 0

    def part(self) -> None:
        """Leaves each family on one side alone, and each held-out text once.

        The test rows are what a user judges by, so they stay; then the validation rows.
        """
        taken: set[int] = set()
        for part in ("test", "validation", "train"):
            pool = self.pools[part]
            kept = [i for i in pool if self._families[i] not in taken]
            gone = [i for i in pool if self._families[i] in taken]
            if part == "train":
                self.first_left_out = min((self._samples[i].row for i in gone), default=0)
            else:
                self._say(gone, f"{part} row", "equal to a test row left out")
                kept = self._once(kept, f"{part} row", f"equal to another {part} row left out")
            taken.update(self._families[i] for i in kept)
            self.pools[part] = kept

    def hold_out(self, part: str, most: int, spare: int) -> int:
        """Fills a part with whole families of training samples, from the front; those too large for it stay.

        Args:
            most: samples with texts of their own that it may hold.
            spare: training samples that it may cost, which is more where samples are equal.

        Returns:
            How many it holds.
        """
        members: dict[int, list[int]] = {}
        for i in self.pools["train"]:
            members.setdefault(self._families[i], []).append(i)
        held: list[int] = []
        taken: set[int] = set()
        cost = 0
        for family, numbers in members.items():
            texts = len({self._texts[i] for i in numbers})
            if len(held) + texts > most or cost + len(numbers) > spare:
                continue
            held += self._once(numbers, "training row", "equal to a held-out row left out")
            taken.add(family)
            cost += len(numbers)
            if len(held) == most:
                break
        self.pools[part] = held
        self.pools["train"] = [i for i in self.pools["train"] if self._families[i] not in taken]
        return len(held)

    @property
    def alike_words(self) -> str:
        """What to add to a number of training samples, if many belong together."""
        pool = self.pools["train"]
        count = len({self._families[i] for i in pool})
        return "" if count == len(pool) else f" ({count} without equal ones and those of one source row)"

    def _once(self, numbers: Sequence[int], noun: str, rest: str) -> list[int]:
        """The first of each text."""
        first: dict[int, int] = {}
        for i in numbers:
            first.setdefault(self._texts[i], i)
        kept = set(first.values())
        self._say([i for i in numbers if i not in kept], noun, rest)
        return [i for i in numbers if i in kept]

    def _say(self, numbers: Sequence[int], noun: str, rest: str) -> None:
        for i in sorted(numbers):
            self.remarks.add(noun, rest, self._samples[i].row, lost=True)
