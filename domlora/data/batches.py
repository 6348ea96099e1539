"""Encoded samples to padded batches: sorted by length, sized to a token budget. Knows nothing about energies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from domlora.data.encoding import IGNORED, EncodedSample


@dataclass(frozen=True)
class Lane:
    """A sequence of tokens that a model reads in one go, padded on the right by itself.

    Attributes:
        ids: (B, N) token ids; padding repeats token 0, which nothing attends to.
        real: (B, N) True at tokens.
        position: (B, N) which token of its sample each is, counted as in `EncodedSample.ids`; at padding any.
    """

    ids: torch.Tensor
    real: torch.Tensor
    position: torch.Tensor


@dataclass(frozen=True)
class Batch:
    """Right-padded samples on a device.

    Attributes:
        index: (B,) which samples of the whole set these are.
        ids: (B, T) token ids; padding repeats token 0, which nothing attends to.
        attention: (B, T) True at tokens.
        response: (B, T) True at response tokens.
        labels: (B, T) as `EncodedSample.labels`; None where all samples predict their next tokens.
        pair: what the encoder and the decoder of an encoder-decoder read; None where one stack reads `ids`. The two
            have different widths: the width of what a module reads says which of them it is.
    """

    index: torch.Tensor
    ids: torch.Tensor
    attention: torch.Tensor
    response: torch.Tensor
    labels: torch.Tensor | None = None
    pair: tuple[Lane, Lane] | None = None

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """The sequences that modules read: one, or an encoder's and a decoder's. The last one predicts."""
        if self.pair is not None:
            return self.pair
        rows, width = self.ids.shape
        return (Lane(self.ids, self.attention, torch.arange(width, device=self.ids.device).expand(rows, width)),)

    @property
    def padded(self) -> bool:
        """Whether the sequence that is attended to in both directions has padding, or the only one has."""
        return not bool(self.lanes[0].real.all())

    def targets(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Row and position in the last lane of everything that predicts a token, and that token; each (targets,)."""
        if self.labels is None:
            row, position = (self.response[:, 1:] & self.attention[:, 1:]).nonzero(as_tuple=True)
            return row, position, self.ids[row, position + 1]
        lane = self.lanes[-1]
        labels = self.labels.gather(1, lane.position).masked_fill(~lane.real, IGNORED)
        row, position = (labels != IGNORED).nonzero(as_tuple=True)
        return row, position, labels[row, position]


@dataclass(frozen=True)
class LengthRule:
    """Which lengths may share a batch of a model whose positions depend on the longest sequence beside them.

    Attributes:
        steps: sequences longer than a step never share a batch with those that are not.
        alike_beyond: sequences longer than this share a batch with equally long ones only; None means that none do.
    """

    steps: tuple[int, ...] = ()
    alike_beyond: int | None = None

    def place(self, length: int, growth: int = 0) -> tuple[int, ...]:
        """Equal for two lengths that may share a batch.

        Args:
            growth: tokens that are going to be added to each sequence. Those that may pass a step on the way share a
                batch with equally long ones only, so that all pass it at once.
        """
        sides = [0 if length + growth <= step else -1 if length > step else length for step in self.steps]
        alike = self.alike_beyond is not None and length + growth > self.alike_beyond
        return (*sides, length if alike else 0)


def group_by_length(
    samples: Sequence[EncodedSample],
    max_tokens: int,
    max_samples: int | None = None,
    rule: LengthRule | None = None,
    growth: int = 0,
) -> list[list[int]]:
    """Indices of samples, longest first, in groups of at most `max_tokens` after padding (at least one a group).

    Args:
        max_samples: also at most so many a group.
        rule: which lengths may share a group (`models.rotary.length_rule`); None means all.
        growth: tokens that are going to be added to each sample.
    """
    order = sorted(range(len(samples)), key=lambda i: (-len(samples[i].ids), i))
    groups: list[list[int]] = []
    widths = (0, 0)  # of the group's encoder and decoder sequences; most models have the second alone
    place: tuple[tuple[int, ...], ...] = ()
    for i in order:
        group = groups[-1] if groups else []
        wider = _widths(samples[i], widths)
        here = _places(samples[i], rule, growth)
        fits = (len(group) + 1) * sum(wider) <= max_tokens and (max_samples is None or len(group) < max_samples)
        if group and fits and here == place:
            group.append(i)
            widths = wider
        else:
            groups.append([i])
            widths, place = _widths(samples[i], (0, 0)), here
    return groups


def apart(samples: Sequence[EncodedSample], group: Sequence[int], rule: LengthRule | None) -> list[list[int]]:
    """A group in parts whose samples may share a batch, each in the group's order; the group itself without a rule."""
    parts: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for i in group:
        parts.setdefault(_places(samples[i], rule, 0), []).append(i)
    return list(parts.values())


def _places(sample: EncodedSample, rule: LengthRule | None, growth: int) -> tuple[tuple[int, ...], ...]:
    """Of a sample's encoder and decoder sequences."""
    if rule is None:
        return ()
    return rule.place(sample.source), rule.place(len(sample.ids) - sample.source, growth)


def _widths(sample: EncodedSample, at_least: tuple[int, int]) -> tuple[int, int]:
    return max(at_least[0], sample.source), max(at_least[1], len(sample.ids) - sample.source)


def collate(samples: Sequence[EncodedSample], group: Sequence[int], device: torch.device) -> Batch:
    """Pads a group of samples, all of one kind of model, on the right."""
    chosen = [samples[i] for i in group]
    width = max(len(sample.ids) for sample in chosen)
    pair = _pair(chosen, device) if chosen[0].source else None
    ids = torch.zeros(len(group), width, dtype=torch.long)
    attention = torch.zeros(len(group), width, dtype=torch.bool)
    response = torch.zeros(len(group), width, dtype=torch.bool)
    labels = torch.full((len(group), width), IGNORED) if chosen[0].labels is not None else None
    for row, sample in enumerate(chosen):
        length = len(sample.ids)
        ids[row, :length] = torch.tensor(sample.ids)
        attention[row, :length] = True
        response[row, :length] = torch.tensor(sample.response)
        if labels is not None and sample.labels is not None:
            labels[row, :length] = torch.tensor(sample.labels)
    wanted = labels.to(device) if labels is not None else None
    return Batch(torch.tensor(group), ids.to(device), attention.to(device), response.to(device), wanted, pair)


def _pair(samples: Sequence[EncodedSample], device: torch.device) -> tuple[Lane, Lane]:
    """What the encoder and the decoder read."""
    sources = max(sample.source for sample in samples)
    targets = max(len(sample.ids) - sample.source for sample in samples)
    targets += targets == sources  # never the same width, see `Batch`
    lanes = []
    for width, part in ((sources, "source"), (targets, "target")):
        ids = torch.zeros(len(samples), width, dtype=torch.long)
        real = torch.zeros(len(samples), width, dtype=torch.bool)
        position = torch.zeros(len(samples), width, dtype=torch.long)
        for row, sample in enumerate(samples):
            first, last = (0, sample.source) if part == "source" else (sample.source, len(sample.ids))
            ids[row, : last - first] = torch.tensor(sample.ids[first:last])
            real[row, : last - first] = True
            position[row, : last - first] = torch.arange(first, last)
        lanes.append(Lane(ids.to(device), real.to(device), position.to(device)))
    return lanes[0], lanes[1]


def halves(group: list[int]) -> Iterator[list[int]]:
    """The two halves of a group that did not fit."""
    middle = (len(group) + 1) // 2
    yield group[:middle]
    yield group[middle:]
