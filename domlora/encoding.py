"""From a chat sample to token ids and a mask of the tokens that count: those of the assistant's turns.

    <|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n
    ------------------------------------------------------------^^^^^^^^^^     response tokens: the answer and the end
                                                                               of its turn, and nothing of the template

The template is the model's own, with a plain fallback where it has none.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from domlora.errors import TaskError
from domlora.tasks import Message, Sample

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EncodedSample:
    """Token ids of one sample.

    Attributes:
        ids: (T,) token ids.
        response: (T,) whether a token belongs to an assistant turn.
        row: where in the source it came from.
    """

    ids: tuple[int, ...]
    response: tuple[bool, ...]
    row: int

    @property
    def targets(self) -> int:
        """How many tokens enter the loss: response tokens that have a token before them."""
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
    """Encodes samples with the model's chat template and marks response tokens.

    Raises:
        TaskError: no sample has a response left, or the tokenizer gives no character offsets.
    """
    if not tokenizer.is_fast:
        raise TaskError(
            f"{type(tokenizer).__name__} gives no character offsets: a model with a tokenizer.json is needed"
        )
    plain = tokenizer.chat_template is None
    kept, dropped, truncated = [], {}, 0
    for sample in samples:
        try:
            text, spans = _plain_text(sample, tokenizer) if plain else _templated(sample, tokenizer)
        except TemplateError as error:
            dropped[sample.row] = f"the model's chat template refuses it: {error}"
            continue
        # A template writes its own special tokens; the plain form gets those that the tokenizer adds by itself.
        tokens = tokenizer(text, add_special_tokens=plain, return_offsets_mapping=True)
        ids, offsets = tokens["input_ids"], tokens["offset_mapping"]
        response = _mask(offsets, spans)
        truncated += len(ids) > max_length
        encoded = EncodedSample(tuple(ids[:max_length]), tuple(response[:max_length]), sample.row)
        if encoded.targets:
            kept.append(encoded)
        else:
            dropped[sample.row] = f"no response within the first {max_length} tokens"
    if not kept:
        row, reason = next(iter(dropped.items()))
        raise TaskError(f"none of {len(samples)} samples can be used; row {row}: {reason} (raise --max-length?)")
    return Encoding(tuple(kept), truncated, dropped, plain)


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
        return _plain_turns(messages, tokenizer)[0] + f"{ROLE_NAMES['assistant']}:"
    return str(tokenizer.apply_chat_template(_turns(messages), tokenize=False, add_generation_prompt=True))


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]


ROLE_NAMES = {"system": "System", "user": "User", "assistant": "Assistant"}


def _plain_text(sample: Sample, tokenizer: PreTrainedTokenizerBase) -> tuple[str, list[tuple[int, int]]]:
    text, spans = _plain_turns(sample.messages, tokenizer)
    return text.rstrip(), spans


def _plain_turns(messages: Sequence[Message], tokenizer: PreTrainedTokenizerBase) -> tuple[str, list[tuple[int, int]]]:
    """`User: ...`, blank line, `Assistant: ...` with the end-of-text token after each answer, blank line."""
    text, spans = "", []
    for message in messages:
        text += f"{ROLE_NAMES[message.role]}: "
        if message.role == "assistant":
            answer = message.content + (tokenizer.eos_token or "")
            spans.append((len(text), len(text) + len(answer)))
            text += answer + "\n\n"
        else:
            text += message.content + "\n\n"
    return text, spans


def _mask(offsets: Sequence[tuple[int, int]], spans: Sequence[tuple[int, int]]) -> list[bool]:
    """A token counts if it overlaps a span: one that begins before it, as ' 4' after 'assistant:', is the answer's."""
    return [any(begin < last and end > first for first, last in spans) for begin, end in offsets]
