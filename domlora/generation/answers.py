"""Free-text answers: samples become prompts, prompts become greedy generations, and a generation is right or wrong.

In: a model (with whatever adapter is active on it), its tokenizer, samples. Out: texts and verdicts. Knows nothing of
sweeps and of the store; code of an answer is run only where the caller says so, by `code_runner`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from domlora.data.batches import group_by_length, halves
from domlora.data.encoding import EncodedSample, prompt_text
from domlora.data.plain import ROLE_NAMES
from domlora.data.samples import Message, Sample
from domlora.data.template import ChatTemplate, Refused
from domlora.errors import TaskError
from domlora.models.device import CPU_TOKENS, GPU_TOKENS, out_of_memory, release
from domlora.models.rotary import length_rule

BATCH = 16  # rows of a batch: beyond that, a batch waits long for its longest answer

_MARK = "domlora7answer"  # a word that no chat template writes by itself


def can_be_asked(sample: Sample, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a sample has something before its last response that the model's chat template takes as a prompt."""
    try:
        prompts([sample], tokenizer)
    except TaskError:
        return False
    return True


def prompts(samples: Sequence[Sample], tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What the model is given: each conversation before its last response, up to where the assistant begins to speak.

    Raises:
        TaskError: nothing comes before a sample's only response, or the model's chat template refuses the rest.
    """
    found = []
    for sample in samples:
        asked = sample.messages[:-1]
        if not asked:
            raise TaskError(f"row {sample.row} holds a response that nothing comes before: it cannot be asked")
        try:
            found.append(prompt_text(asked, tokenizer, sample.tools))
        except Refused as error:
            raise TaskError(f"row {sample.row} cannot be asked: {error}") from error
    return found


def generate(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    samples: Sequence[Sample],
    *,
    max_new_tokens: int,
    adapter: Callable[[int], AbstractContextManager] | None = None,
) -> list[str]:
    """The most likely token at each step, until the model ends its turn. What is in a batch does not change a text.

    A model's own sampling settings and penalties are left aside. A prompt longer than the model's context loses its
    beginning.

    Args:
        model: in eval mode; what adapters are active on it, stay so.
        max_new_tokens: at most so many tokens an answer.
        adapter: entered around each batch, with its number of rows, to activate an adapter.

    Returns:
        A text for each sample, in their order, without special tokens and outer white space.

    Raises:
        TaskError: a sample that cannot be asked (`can_be_asked`).
        torch.OutOfMemoryError: not even one row fits.
    """
    plain = tokenizer.chat_template is None
    room, length = _shares(model, max_new_tokens)
    rows = [
        # As `encode`: a template writes its own special tokens.
        EncodedSample(tuple(tokenizer(prompt, add_special_tokens=plain)["input_ids"][-room:]), (), sample.row)
        for sample, prompt in zip(samples, prompts(samples, tokenizer), strict=True)
    ]
    ends = end_tokens(model, tokenizer)
    texts = [""] * len(rows)
    tokens = GPU_TOKENS if model.device.type == "cuda" else CPU_TOKENS
    queue = group_by_length(rows, tokens, BATCH, length_rule(model), growth=length)
    while queue:
        group = queue.pop(0)
        new: list[list[int]] | None
        try:
            with adapter(len(group)) if adapter else nullcontext():
                new = _continue(model, [rows[i].ids for i in group], length, ends)
        except RuntimeError as error:
            if len(group) == 1 or not out_of_memory(error):
                raise
            new = None
        if new is None:
            release(model.device)  # not above: as long as the error lives, so does what its frames hold
            queue = [*halves(group), *queue]
            continue
        for i, ids in zip(group, new, strict=True):
            text = str(tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))
            # Without a template's end of turn, a base model writes the next turn as well.
            texts[i] = (text.split(f"\n\n{ROLE_NAMES['user']}:")[0] if plain else text).strip()
    return texts


def end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """Tokens that end an answer: the model's and the tokenizer's own, and the chat template's end of turn."""
    settings = model.generation_config.eos_token_id if model.generation_config else None
    found = [*(settings if isinstance(settings, (list, tuple)) else [settings]), tokenizer.eos_token_id]
    if tokenizer.chat_template is not None:
        turns = [Message("user", "a"), Message("assistant", _MARK)]
        after = ChatTemplate(tokenizer).render(turns).rpartition(_MARK)[2]
        ids = tokenizer(after, add_special_tokens=False)["input_ids"]
        found += [i for i in ids if i in tokenizer.added_tokens_decoder][:1]
    return tuple(sorted({int(i) for i in found if i is not None}))


def _shares(model: PreTrainedModel, max_new_tokens: int) -> tuple[int, int]:
    """How many tokens of the model's context a prompt may have (half of them at least), and how many its answer."""
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if not context:
        return 1 << 30, max_new_tokens
    answer = min(max_new_tokens, context // 2)
    return context - answer, answer


@torch.no_grad()
def _continue(
    model: PreTrainedModel, rows: Sequence[Sequence[int]], max_new_tokens: int, ends: Sequence[int]
) -> list[list[int]]:
    """The new ids of each row, without the end token. Padding is on the left, so that all rows end side by side."""
    width = max(len(ids) for ids in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)  # (B, T); as in training, padding is token 0
    attention = torch.zeros(len(rows), width, dtype=torch.long)
    for row, tokens in enumerate(rows):
        ids[row, width - len(tokens) :] = torch.tensor(tokens)
        attention[row, width - len(tokens) :] = 1
    settings = GenerationConfig(
        do_sample=False, num_beams=1, max_new_tokens=max_new_tokens, use_cache=True,
        eos_token_id=list(ends) or None, pad_token_id=0,
    )  # fmt: skip
    # In the model's place, not as an argument: an argument is completed from the model's own settings.
    model.generation_config, own = settings, model.generation_config
    generating: Any = model  # the type checker does not find the method
    try:
        out = generating.generate(input_ids=ids.to(model.device), attention_mask=attention.to(model.device))
    finally:
        model.generation_config = own
    stops = set(ends)
    return [_until(row, stops) for row in out[:, width:].tolist()]


def _until(ids: Sequence[int], stops: set[int]) -> list[int]:
    end = next((i for i, token in enumerate(ids) if token in stops), len(ids))
    return list(ids[:end])
