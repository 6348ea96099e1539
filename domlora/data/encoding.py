"""From a chat sample to token ids and a mask of the tokens that count: those of the assistant's turns.

    <|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n
    ------------------------------------------------------------^^^^^^^^^^     response tokens: the answer and the end
                                                                               of its turn, and nothing of the template

The template is the model's own, with a plain fallback where it has none. Models that do not read from left to right
get the same conversations in their own form:

    encoder-decoder    the encoder reads all but the last turn, the decoder writes that one
    masked             the whole conversation in plain text, with some of the response's tokens behind the mask token

May not import a model: what only a model knows (its rule for decoder inputs) comes as an argument.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from domlora.data.samples import Message, Sample
from domlora.errors import TaskError

log = logging.getLogger(__name__)

IGNORED = -100  # label of a position that predicts nothing, as in transformers
MASK_RATE = 0.15  # of the response's tokens, the rate BERT was trained with


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
    """

    samples: tuple[EncodedSample, ...]
    truncated: int
    dropped: dict[int, str]
    plain: bool


def encode(samples: Sequence[Sample], tokenizer: PreTrainedTokenizerBase, max_length: int) -> Encoding:
    """Encodes samples for a causal model, with its chat template, and marks response tokens.

    Raises:
        TaskError: no sample has a response left, or the tokenizer gives no character offsets.
    """
    _check_offsets(tokenizer)
    plain = tokenizer.chat_template is None

    def one(sample: Sample) -> tuple[EncodedSample, bool]:
        text, spans = _plain_text(sample, tokenizer.eos_token or "") if plain else _templated(sample, tokenizer)
        # A template writes its own special tokens; the plain form gets those that the tokenizer adds by itself.
        tokens = tokenizer(text, add_special_tokens=plain, return_offsets_mapping=True)
        ids, response = tokens["input_ids"], _mask(tokens["offset_mapping"], spans)
        return EncodedSample(tuple(ids[:max_length]), tuple(response[:max_length]), sample.row), len(ids) > max_length

    return _collect(samples, one, max_length, plain)


def encode_masked(
    samples: Sequence[Sample], tokenizer: PreTrainedTokenizerBase, max_length: int, seed: int
) -> Encoding:
    """Encodes samples for a masked model: of the response's tokens 15 % (one at least) are masked, and are to be told.

    The rate is the one of BERT's training. Unlike there all chosen tokens become the mask token: the tenth that stays
    and the tenth that turns into another word keep a model ready for text without masks, and would only blur what is
    measured here. Which ones are chosen follows from the seed and the sample's row alone.

    Raises:
        TaskError: as `encode`, or the tokenizer has no mask token.
    """
    _check_offsets(tokenizer)
    if tokenizer.mask_token_id is None:
        raise TaskError(f"{type(tokenizer).__name__} has no mask token: name its `mask_token` in tokenizer_config.json")
    special = set(tokenizer.all_special_ids)

    def one(sample: Sample) -> tuple[EncodedSample, bool]:
        text, spans = _plain_text(sample, "")
        tokens = tokenizer(text, return_offsets_mapping=True)
        cut = len(tokens["input_ids"]) > max_length
        if cut:  # by the tokenizer, which keeps the end token
            tokens = tokenizer(text, return_offsets_mapping=True, truncation=True, max_length=max_length)
        ids = list(tokens["input_ids"])
        spoken = _mask(tokens["offset_mapping"], spans)
        words = [i for i, token in enumerate(ids) if spoken[i] and token not in special]
        count = min(len(words), max(1, round(MASK_RATE * len(words))))
        chosen = set(random.Random(f"mask {seed} {sample.row}").sample(words, count))
        labels = tuple(token if i in chosen else IGNORED for i, token in enumerate(ids))
        masked = tuple(tokenizer.mask_token_id if i in chosen else token for i, token in enumerate(ids))
        return EncodedSample(masked, tuple(i in chosen for i in range(len(ids))), sample.row, labels=labels), cut

    return _collect(samples, one, max_length, plain=True)


def encode_pairs(
    samples: Sequence[Sample],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    decoder_inputs: Callable[[Sequence[int]], Sequence[int]],
) -> Encoding:
    """Encodes samples for an encoder-decoder: all but the last turn for the encoder, the last turn for the decoder.

    Both end with the end token, unless a chat template ends the first in its own way. `max_length` bounds each of the
    two, as `max_source_length` and `max_target_length` do in the usual training scripts.

    Args:
        decoder_inputs: labels -> what the decoder reads to predict them, one token each, by the model's own rule.

    Raises:
        TaskError: no sample can be used.
    """
    plain = tokenizer.chat_template is None

    def one(sample: Sample) -> tuple[EncodedSample, bool]:
        # A template writes its own special tokens.
        source, long = _ended(tokenizer, {"text": _asked(sample, tokenizer)}, max_length, special=plain)
        labels, longer = _ended(tokenizer, {"text_target": sample.messages[-1].content}, max_length, special=True)
        target = decoder_inputs(labels)
        ids = (*source, *target)
        response = (*[False] * len(source), *[True] * len(target))
        wanted = (*[IGNORED] * len(source), *labels)
        return EncodedSample(ids, response, sample.row, source=len(source), labels=wanted), long or longer

    return _collect(samples, one, max_length, plain)


def _ended(
    tokenizer: PreTrainedTokenizerBase, text: dict[str, str], max_length: int, special: bool
) -> tuple[list[int], bool]:
    """Ids of a `text` or `text_target` with the end token, at most `max_length`, and whether they had to be cut."""
    ids = tokenizer(**text, add_special_tokens=special)["input_ids"]
    cut = len(ids) > max_length
    if cut:  # by the tokenizer, which keeps its own special tokens
        ids = tokenizer(**text, add_special_tokens=special, truncation=True, max_length=max_length)["input_ids"]
    end = tokenizer.eos_token_id
    if special and end is not None and end not in ids[-2:]:  # after it, some tokenizers name the language
        cut = cut or len(ids) == max_length
        ids = [*ids[: max_length - 1], end]
    return ids, cut


def _asked(sample: Sample, tokenizer: PreTrainedTokenizerBase) -> str:
    """All but the last turn, up to where the assistant begins to speak."""
    if tokenizer.chat_template is not None:
        return prompt_text(sample.messages[:-1], tokenizer)
    return _plain_turns(sample.messages[:-1], "")[0] + f"{ROLE_NAMES['assistant']}:"


def _collect(
    samples: Sequence[Sample],
    encode_one: Callable[[Sample], tuple[EncodedSample, bool]],
    max_length: int,
    plain: bool,
) -> Encoding:
    """Runs `encode_one` (the encoded sample, and whether it was cut) over samples, and keeps what can be used."""
    kept, dropped, truncated = [], {}, 0
    for sample in samples:
        try:
            encoded, cut = encode_one(sample)
        except TemplateError as error:
            dropped[sample.row] = f"the model's chat template refuses it: {error}"
            continue
        truncated += cut
        if encoded.targets:
            kept.append(encoded)
        else:
            dropped[sample.row] = f"no response within the first {max_length} tokens"
    if not kept:
        row, reason = next(iter(dropped.items()))
        raise TaskError(f"none of {len(samples)} samples can be used; row {row}: {reason} (raise --max-length?)")
    return Encoding(tuple(kept), truncated, dropped, plain)


def _check_offsets(tokenizer: PreTrainedTokenizerBase) -> None:
    if not tokenizer.is_fast:
        raise TaskError(
            f"{type(tokenizer).__name__} gives no character offsets: a model with a tokenizer.json is needed"
        )


def _templated(sample: Sample, tokenizer: PreTrainedTokenizerBase) -> tuple[str, list[tuple[int, int]]]:
    """The rendered conversation and the character spans of its assistant turns."""
    turns = _turns(sample.messages)
    text = str(tokenizer.apply_chat_template(turns, tokenize=False))
    spans, position = [], 0
    for i, message in enumerate(sample.messages):
        if message.role != "assistant":
            continue
        start = end = None
        if i:
            before = prompt_text(sample.messages[:i], tokenizer)
            upto = str(tokenizer.apply_chat_template(turns[: i + 1], tokenize=False))
            if text.startswith(before) and text.startswith(upto):
                start, end = len(before), len(upto)
        if start is None:
            # Some templates write earlier turns anew (dropping their reasoning, say): look for the words themselves.
            start = text.find(message.content.strip(), position)
            if start < 0:
                raise TemplateError("a turn of the assistant does not appear in the rendered text")
            end = start + len(message.content.strip())
        # White space after the end-of-turn token belongs to the template.
        end = start + len(text[start:end].rstrip())
        spans.append((start, end))
        position = end
    return text, spans


def prompt_text(messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase) -> str:
    """A conversation up to the point where the assistant begins to speak, as its answers are trained after it.

    Raises:
        jinja2.TemplateError: the model's chat template refuses the conversation.
    """
    if tokenizer.chat_template is None:
        # No blank at the end: the first token of an answer brings its own.
        return _plain_turns(messages, tokenizer.eos_token or "")[0] + f"{ROLE_NAMES['assistant']}:"
    return str(tokenizer.apply_chat_template(_turns(messages), tokenize=False, add_generation_prompt=True))


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]


ROLE_NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}


def _plain_text(sample: Sample, end: str) -> tuple[str, list[tuple[int, int]]]:
    text, spans = _plain_turns(sample.messages, end)
    return text.rstrip(), spans


def _plain_turns(messages: Sequence[Message], end: str) -> tuple[str, list[tuple[int, int]]]:
    """`User: ...`, blank line, `Assistant: ...` with the end-of-text token after each answer, blank line."""
    text, spans = "", []
    for message in messages:
        text += f"{ROLE_NAMES[message.role]}: "
        if message.role == "assistant":
            answer = message.content + end
            spans.append((len(text), len(text) + len(answer)))
            text += answer + "\n\n"
        else:
            text += message.content + "\n\n"
    return text, spans


def _mask(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[bool]:
    """A token counts if it overlaps a span: one that begins before it, as ' 4' after 'assistant:', is the answer's."""
    return [any(begin < last and end > first for first, last in spans) for begin, end in offsets]
