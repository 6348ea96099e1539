"""The race: entries train in lockstep from rung to rung, the worse part stops, rates beyond the edge join.

In: entries (a placement at a learning rate), something that trains them (`Track`), and how much each rung may keep
(`Rules`). Out: one `Rung` after another. Each is a plain record, and the rungs that are known decide where the race
goes on: by the same rules one that was killed goes on to the same end. Knows no model, no store and no clock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from domlora.search.halving import better_half, cut
from domlora.search.rates import beyond


@dataclass(frozen=True, order=True)
class Entry:
    """A placement at a learning rate."""

    placement: str
    rate: float

    @property
    def name(self) -> str:
        return f"{self.placement} lr={self.rate:g}"


@dataclass(frozen=True)
class Rung:
    """One rung of a race, as it ended.

    Attributes:
        step: optimizer steps that all of its entries had trained at its end.
        losses: mean validation loss of each entry that ran to its end, lowest first.
        lost: those that diverged or were cancelled.
        kept, tied, out, untold: as in `halving.Cut`.
        joined: entries that train with those that are kept: the next rate beyond the best of a placement.
        seconds: that the rung took, as in `Lap`.
    """

    step: int
    losses: Mapping[str, float]
    lost: tuple[str, ...]
    kept: tuple[str, ...]
    tied: tuple[str, ...]
    out: tuple[str, ...]
    untold: tuple[str, ...]
    joined: tuple[Entry, ...]
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, made: Mapping[str, Any]) -> Rung:
        names = {name: tuple(made[name]) for name in ("lost", "kept", "tied", "out", "untold")}
        joined = tuple(Entry(**one) for one in made["joined"])
        return cls(made["step"], dict(made["losses"]), **names, joined=joined, seconds=made["seconds"])


@dataclass(frozen=True)
class Lap:
    """What a track gives back of a rung.

    Attributes:
        losses: (rows,) validation losses by entry's name; without those that diverged or were cancelled.
        seconds: that it took; 0 where that is not known, as it went on with one that was killed.
    """

    losses: Mapping[str, np.ndarray]
    seconds: float = 0.0


class Track(Protocol):
    """What trains the entries of a race."""

    def advance(self, entries: Sequence[Entry], step: int) -> Lap:
        """Trains every entry up to a step, from where it is; a new one from the start."""


class Rules(Protocol):
    """How long a race is, and how much of it there is time for."""

    def next_step(self, done: Sequence[Rung], running: int) -> int | None:
        """The step at which the next rung of so many entries ends; None ends the race."""

    def more(self, done: Sequence[Rung], lap: Lap, running: int, step: int) -> int:
        """How many entries may go on or join beside the better half of those that finished a rung.

        Args:
            done: the rungs before it.
            lap, running, step: of this one: what it gave, how many it trained, and up to where.
        """


def run(
    entries: Sequence[Entry], track: Track, rules: Rules, done: Sequence[Rung] = (), *, ties: bool = True
) -> Iterator[Rung]:
    """Runs a race, or goes on with it.

    Args:
        entries: all that start.
        done: the rungs that are known already.
        ties: whether entries that cannot be told apart from the cut may stay (`halving.cut`).
    """
    done = list(done)
    while running := still_running(entries, done):
        step = rules.next_step(done, len(running))
        if step is None:
            return
        lap = track.advance(running, step)
        losses, more = lap.losses, rules.more(done, lap, len(running), step)
        joined = _joiners(losses, everyone(entries, done), first=not done)[: more // 2]
        found = cut(losses, more - len(joined), ties=ties)
        ordered = {name: float(losses[name].mean()) for name in (*found.kept, *found.out)}
        rung = Rung(
            step, dict(sorted(ordered.items(), key=lambda item: item[1])),
            tuple(entry.name for entry in running if entry.name not in losses),
            found.kept, found.tied, found.out, found.untold, tuple(joined), lap.seconds,
        )  # fmt: skip
        done.append(rung)
        yield rung


def still_running(entries: Sequence[Entry], done: Sequence[Rung]) -> list[Entry]:
    """Who trains in the next rung, in the order of the entries."""
    if not done:
        return list(entries)
    going = {*done[-1].kept, *(entry.name for entry in done[-1].joined)}
    return [entry for entry in everyone(entries, done) if entry.name in going]


def everyone(entries: Sequence[Entry], done: Sequence[Rung]) -> list[Entry]:
    """All that ever ran, or are to."""
    return [*entries, *(entry for rung in done for entry in rung.joined)]


def best_rates(entries: Sequence[Entry], done: Sequence[Rung]) -> dict[str, tuple[Entry, Rung]]:
    """The best entry of each placement, with the last rung that any of its entries finished, in the order of merit.

    Who came further is better; of those that came equally far, who has the lower loss there.
    """
    by_name = {entry.name: entry for entry in everyone(entries, done)}
    found: dict[str, tuple[Entry, Rung]] = {}
    for rung in reversed(done):
        for name in rung.losses:
            found.setdefault(by_name[name].placement, (by_name[name], rung))
    return found


def tried_rates(placement: str, entries: Sequence[Entry], done: Sequence[Rung]) -> tuple[float, ...]:
    """All rates of a placement that trained, rising."""
    ran = {name for rung in done for name in (*rung.losses, *rung.lost)}
    own = {entry.rate for entry in everyone(entries, done) if entry.placement == placement and entry.name in ran}
    return tuple(sorted(own))


def _joiners(losses: Mapping[str, np.ndarray], known: Sequence[Entry], first: bool) -> list[Entry]:
    """The next rate of each placement whose best is at the edge of those tried, the best placement's first.

    After the first rung also of a placement that is in the worse half, as it may be there for want of a rate.
    """
    mean = {name: float(values.mean()) for name, values in losses.items()}
    order = sorted(mean, key=mean.__getitem__)
    better = set(order if first else order[: better_half(len(order))])
    best: dict[str, Entry] = {}
    for entry in sorted((entry for entry in known if entry.name in mean), key=lambda entry: mean[entry.name]):
        best.setdefault(entry.placement, entry)
    joined = []
    for placement, entry in best.items():
        rate = beyond(entry.rate, {one.rate for one in known if one.placement == placement})
        if rate is not None and entry.name in better:
            joined.append(Entry(placement, rate))
    return joined
