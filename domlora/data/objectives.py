"""Token ids of samples for models that do not predict the next token.

    encoder-decoder    the encoder reads all but the last turn, the decoder writes that one
    masked             the whole conversation in plain text, with some of the response's tokens behind the mask token

May not import a model: what only a model knows (its rule for decoder inputs) comes as an argument.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from transformers import PreTrainedTokenizerBase

from domlora.data.encoding import IGNORED, Encoded, EncodedSample, Encoding, collect, in_plain_text, prompt_text
from domlora.data.marking import Note
from domlora.data.plain import ASKED, content_of, plain_turns
from domlora.data.samples import Sample
from domlora.data.template import Refused
from domlora.data.tokens import check_offsets, overlapping
from domlora.errors import TaskError

MASK_RATE = 0.15  # of the response's tokens, the rate BERT was trained with


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
    check_offsets(tokenizer)
    if tokenizer.mask_token_id is None:
        raise TaskError(f"{type(tokenizer).__name__} has no mask token: name its `mask_token` in tokenizer_config.json")
    special = set(tokenizer.all_special_ids)

    def one(sample: Sample) -> Encoded:
        text, spans, notes = in_plain_text(sample, "")
        tokens = tokenizer(text, return_offsets_mapping=True)
        cut = len(tokens["input_ids"]) > max_length
        if cut:  # by the tokenizer, which keeps the end token
            tokens = tokenizer(text, return_offsets_mapping=True, truncation=True, max_length=max_length)
        ids = list(tokens["input_ids"])
        spoken = overlapping(tokens["offset_mapping"], spans)
        words = [i for i, token in enumerate(ids) if spoken[i] and token not in special]
        count = min(len(words), max(1, round(MASK_RATE * len(words))))
        chosen = set(random.Random(f"mask {seed} {sample.row}").sample(words, count))
        labels = tuple(token if i in chosen else IGNORED for i, token in enumerate(ids))
        masked = tuple(tokenizer.mask_token_id if i in chosen else token for i, token in enumerate(ids))
        return Encoded(
            EncodedSample(masked, tuple(i in chosen for i in range(len(ids))), sample.row, labels=labels), cut, notes
        )

    return collect(samples, one, max_length, plain=True)


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

    def one(sample: Sample) -> Encoded:
        if sample.whole:
            raise Refused("an encoder-decoder answers a question, and this row is one text: bring rows with both")
        answer = sample.messages[-1]
        context = sum(message.role == "assistant" and message.trained for message in sample.messages[:-1])
        notes = [
            *([Note("turn", "before the last response read and not learned", context)] if context else []),
            *([Note("thought", "that an encoder-decoder is not taught")] if answer.reasoning else []),
        ]
        # A template writes its own special tokens.
        source, long = _ended(tokenizer, {"text": _asked(sample, tokenizer)}, max_length, special=plain)
        labels, longer = _ended(tokenizer, {"text_target": content_of(answer)}, max_length, special=True)
        target = decoder_inputs(labels)
        ids = (*source, *target)
        response = (*[False] * len(source), *[True] * len(target))
        wanted = (*[IGNORED] * len(source), *labels)
        made = EncodedSample(ids, response, sample.row, source=len(source), labels=wanted)
        return Encoded(made, long or longer, notes)

    return collect(samples, one, max_length, plain)


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
        return prompt_text(sample.messages[:-1], tokenizer, sample.tools)
    return plain_turns(sample.messages[:-1], "")[0] + ASKED
