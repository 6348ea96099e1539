"""A text with marked spans becomes token ids with a mask. Knows no conversation and no template.

Where a token would reach over the edge of a span (the line break of a template and the blanks with which code begins),
the text is cut there and its parts are tokenised apart, as a model is asked at generation: prompt first, then answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

from domlora.errors import TaskError

Span = tuple[int, int]


def check_offsets(tokenizer: PreTrainedTokenizerBase) -> None:
    """Raises TaskError for a tokenizer that does not tell which characters a token stands for."""
    if not tokenizer.is_fast:
        raise TaskError(
            f"{type(tokenizer).__name__} gives no character offsets: a model with a tokenizer.json is needed"
        )


def tokens_of(
    tokenizer: PreTrainedTokenizerBase, text: str, spans: Sequence[Span], *, special: bool, apart: bool
) -> tuple[list[int], list[bool]]:
    """Ids of a text, and whether each token lies in a span.

    Args:
        spans: (first, last) of characters, in order and apart from each other.
        special: whether the tokenizer adds its own special tokens at the ends.
        apart: whether a text is cut where a token would reach over an edge; else such a token counts, as " 4" does
            after "Assistant:".
    """
    ids, covered, gaps = _whole(tokenizer, text, special)
    crossed = _crossed(tokenizer, ids, covered, gaps, spans) if apart else []
    if crossed:
        ids, covered = _in_parts(tokenizer, text, crossed, ids, covered)
    return ids, overlapping(covered, spans)


def overlapping(covered: Sequence[Span], spans: Sequence[Span]) -> list[bool]:
    """Whether the characters of each token overlap a span; both in order."""
    mask, at = [], 0
    for begin, end in covered:
        while at < len(spans) and spans[at][1] <= begin:
            at += 1
        mask.append(at < len(spans) and begin < spans[at][1] and end > spans[at][0])
    return mask


def _whole(tokenizer: PreTrainedTokenizerBase, text: str, special: bool) -> tuple[list[int], list[Span], list[Span]]:
    """Ids, the characters that each stands for, and those that no token admits to."""
    tokens = tokenizer(text, add_special_tokens=special, return_offsets_mapping=True)
    covered, gaps = _covered(tokens["offset_mapping"])
    return list(tokens["input_ids"]), covered, gaps


def _covered(offsets: Sequence[Span]) -> tuple[list[Span], list[Span]]:
    """The characters of each token; where a tokenizer leaves out the blank before a word, that is the word's, and a
    gap, since it may as well belong to the token before."""
    covered: list[Span] = []
    gaps: list[Span] = []
    reached = 0
    for begin, end in offsets:
        if begin == end:  # a special token that stands for no character
            covered.append((begin, end))
            continue
        if begin > reached:
            gaps.append((reached, begin))
        covered.append((min(begin, reached), end))
        reached = max(reached, end)
    return covered, gaps


def _crossed(
    tokenizer: PreTrainedTokenizerBase,
    ids: Sequence[int],
    covered: Sequence[Span],
    gaps: Sequence[Span],
    spans: Sequence[Span],
) -> list[int]:
    """The edges of spans that a token reaches over.

    An added token may swallow the white space after it (Phi-3's do): where it ends an answer that is no harm.
    """
    added = tokenizer.added_tokens_decoder
    crossed, at = [], 0
    unsure = {edge for gap in gaps for edge in range(gap[0], gap[1])}
    for edge, ends in ((edge, ends) for span in spans for edge, ends in zip(span, (False, True), strict=True)):
        while at < len(covered) and covered[at][1] <= edge:
            at += 1
        over = at < len(covered) and covered[at][0] < edge
        if edge in unsure or (over and not (ends and ids[at] in added and added[ids[at]].rstrip)):
            crossed.append(edge)
    return crossed


def _in_parts(
    tokenizer: PreTrainedTokenizerBase, text: str, edges: Sequence[int], ids: Sequence[int], covered: Sequence[Span]
) -> tuple[list[int], list[Span]]:
    """Tokens of the parts between edges, with the special tokens that the whole has at its ends."""
    first = next(i for i, (begin, end) in enumerate(covered) if begin < end)
    last = len(covered) - next(i for i, (begin, end) in enumerate(reversed(covered)) if begin < end)
    parted, places = list(ids[:first]), list(covered[:first])
    for begin, end in zip((0, *edges), (*edges, len(text)), strict=True):
        part_ids, part_covered = _part(tokenizer, text[begin:end], follows=begin > 0)
        parted += part_ids
        places += [(begin + a, begin + b) for a, b in part_covered]
    return parted + list(ids[last:]), places + [(len(text), len(text))] * (len(ids) - last)


def _part(tokenizer: PreTrainedTokenizerBase, part: str, follows: bool) -> tuple[list[int], list[Span]]:
    """Tokens of a part, without the blank that some tokenizers put before the beginning of a text."""
    anchor = _anchor(tokenizer) if follows else None
    if anchor is None:
        return _whole(tokenizer, part, special=False)[:2]
    number, word = anchor
    ids, covered, _ = _whole(tokenizer, word + part, special=False)
    if ids[:1] != [number] or (len(covered) > 1 and covered[1][0] < len(word)):
        return _whole(tokenizer, part, special=False)[:2]
    return ids[1:], [(begin - len(word), end - len(word)) for begin, end in covered[1:]]


def _anchor(tokenizer: PreTrainedTokenizerBase) -> tuple[int, str] | None:
    """A special token after which text goes on as it is: it takes no white space with it."""
    for number, token in tokenizer.added_tokens_decoder.items():
        if token.special and not (token.rstrip or token.lstrip or token.single_word or token.normalized):
            return number, token.content
    return None
