"""From a chat sample to token ids and a mask of the tokens that count: those of the assistant's turns.

    <|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n
    ------------------------------------------------------------^^^^^^^^^^     response tokens: the answer and the end
                                                                               of its turn, and nothing of the template

The template is the model's own, with a plain fallback where it has none. Models that do not read from left to right:
`data.objectives`. May not import a model.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from transformers import PreTrainedTokenizerBase

from domlora.data.marking import Marked, Note, mark
from domlora.data.plain import ASKED, content_of, plain_turns
from domlora.data.remarks import Remark, Remarks
from domlora.data.samples import Message, Sample
from domlora.data.template import ChatTemplate, Refused
from domlora.data.tokens import check_offsets, tokens_of
from domlora.errors import TaskError

IGNORED = -100  # label of a position that predicts nothing, as in transformers


@dataclass(frozen=True)
class EncodedSample:
    """Token ids of one sample.

    Attributes:
        ids: (T,) token ids as the model reads them; of an encoder-decoder those of the encoder, then the decoder's.
        response: (T,) whether a token belongs to an assistant turn; of an encoder-decoder all that the decoder reads,
            of a masked model the tokens behind a mask, since the rest of the answer is given, like a prompt.
        row: where in the source it came from.
        source: how many of the ids an encoder reads before the decoder's begin; 0 where one stack reads all.
        labels: (T,) the token to predict at each position, `IGNORED` at the others; None means the next token, where
            that belongs to the response.
    """

    ids: tuple[int, ...]
    response: tuple[bool, ...]
    row: int
    source: int = 0
    labels: tuple[int, ...] | None = None

    @property
    def targets(self) -> int:
        """How many tokens enter the loss; of causal models the response tokens that have a token before them."""
        if self.labels is not None:
            return sum(label != IGNORED for label in self.labels)
        return sum(self.response[1:])


@dataclass(frozen=True)
class Encoding:
    """Encoded samples and what had to be left out.

    Attributes:
        truncated: samples cut at `max_length`.
        dropped: reason for each row that could not be used, by row.
        plain: True if the tokenizer has no chat template and the fallback was used.
        limit: tokens that were kept of a sample, at most.
        remarks: what of the samples that are used is not shown or not learned, counted.
        cut: for each sample whether it was cut at `max_length`.
        used: for each sample which of those given it was encoded from.
    """

    samples: tuple[EncodedSample, ...]
    truncated: int
    dropped: dict[int, str]
    plain: bool
    limit: int
    remarks: tuple[Remark, ...] = ()
    cut: tuple[bool, ...] = ()
    used: tuple[int, ...] = ()


class Encoded(NamedTuple):
    """One sample, whether it was cut, and what a user must know of it."""

    sample: EncodedSample
    cut: bool
    notes: Sequence[Note] = ()


def encode(samples: Sequence[Sample], tokenizer: PreTrainedTokenizerBase, max_length: int) -> Encoding:
    """Encodes samples for a causal model, with its chat template, and marks response tokens.

    Raises:
        TaskError: no sample has a response left, or the tokenizer gives no character offsets.
    """
    check_offsets(tokenizer)
    template = chat_template_of(tokenizer)

    def one(sample: Sample) -> Encoded:
        plain = template is None or sample.whole
        marked = mark(sample, template) if template and not plain else in_plain_text(sample, tokenizer.eos_token or "")
        # A template writes its own special tokens; the plain form gets those that the tokenizer adds by itself.
        ids, response = tokens_of(tokenizer, marked.text, marked.spans, special=plain, apart=not plain)
        cut = len(ids) > max_length
        lost = _turns_beyond(response, max_length) if cut else 0
        notes = [*marked.notes, *([Note("turn", f"cut at {max_length} tokens", lost)] if lost else [])]
        return Encoded(EncodedSample(tuple(ids[:max_length]), tuple(response[:max_length]), sample.row), cut, notes)

    return collect(samples, one, max_length, plain=template is None)


def chat_template_of(tokenizer: PreTrainedTokenizerBase) -> ChatTemplate | None:
    return None if tokenizer.chat_template is None else ChatTemplate(tokenizer)


def prompt_text(messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase, tools: Sequence[str] = ()) -> str:
    """A conversation up to the point where the assistant begins to speak, as its answers are trained after it.

    Raises:
        Refused: by the model's chat template.
    """
    template = chat_template_of(tokenizer)
    if template is None:
        return plain_turns(messages, tokenizer.eos_token or "")[0] + ASKED
    return template.render(messages, tools, prompt=True)


def in_plain_text(sample: Sample, end: str) -> Marked:
    """A sample without a template, with `end` after each answer; a text that is no conversation is learned whole."""
    if sample.whole:
        text = sample.messages[-1].content + end
        return Marked(text, [(0, len(text))], [])
    for message in sample.messages:
        if message.role == "assistant" and message.trained and not content_of(message).strip():
            raise Refused("an answer of nothing but thoughts, which the plain form does not show")
    text, spans = plain_turns(sample.messages, end)
    text = text.rstrip()
    thoughts = sum(bool(message.reasoning) for message in sample.messages)
    notes = [Note("thought", "that the plain form does not show", thoughts)] if thoughts else []
    if sample.tools:
        notes.append(Note("tool", "that the plain form does not show", len(sample.tools)))
    return Marked(text, [(first, min(last, len(text))) for first, last in spans], notes)


def collect(
    samples: Sequence[Sample], encode_one: Callable[[Sample], Encoded], max_length: int, plain: bool
) -> Encoding:
    """Runs `encode_one` over samples, and keeps what can be used.

    Raises:
        TaskError: none can.
    """
    kept, cuts, used, dropped, truncated, remarks = [], [], [], {}, 0, Remarks()
    short = f"no response within the first {max_length} tokens"
    for index, sample in enumerate(samples):
        try:
            encoded, cut, notes = encode_one(sample)
        except Refused as error:
            dropped[sample.row] = str(error)
            continue
        truncated += cut
        if not encoded.targets:
            dropped[sample.row] = short
            continue
        kept.append(encoded)
        cuts.append(cut)
        used.append(index)
        for note in notes:
            remarks.add(note.noun, note.rest, sample.row, lost=False, count=note.count)
    if not kept:
        row, reason = next(iter(dropped.items()))
        way_out = " (raise --max-length?)" if reason == short else ""
        raise TaskError(f"none of {len(samples)} samples can be used; row {row}: {reason}{way_out}")
    return Encoding(tuple(kept), truncated, dropped, plain, max_length, remarks.all(), tuple(cuts), tuple(used))


def _turns_beyond(response: Sequence[bool], max_length: int) -> int:
    """How many learned turns end after `max_length` tokens."""
    beyond = response[max_length:]
    return sum(mine and not after for mine, after in zip(beyond, [*beyond[1:], False], strict=True))
