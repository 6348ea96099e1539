"""What a model will learn of a task, for people to read: the text that it reads, and which of it is trained.

    <|im_start|>user\\n2+2?<|im_end|>\\n<|im_start|>assistant\\n4<|im_end|>\\n
    ------------------------- read -------------------------~~~ trained ~~~-- read

In: a model on this disk and a task. Out: `Shown`, plain data that goes through JSON and back. The model's own encoding
decides all of it; its weights are not loaded. What encodes is imported only where that is done, so that a page can read
a `Shown` without it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

from domlora.data.remarks import Remark, Remarks
from domlora.data.tasks import Task
from domlora.models.reference import Objective

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from domlora.data.encoding import EncodedSample
    from domlora.models.fetch import LocalModel

LOOKED_AT = 200  # rows that are encoded to be counted, however many a task has
UNREADABLE = "\ufffd"  # what a part of a character is decoded to
FORMS: dict[Objective, str] = {
    "causal": "",
    "masked": "The trained tokens stand behind the mask token of this model and are to be told.",
    "seq2seq": "The encoder of this model reads what is not trained, and its decoder writes what is.",
}


class Run(BaseModel):
    """A stretch of text that is trained, or is not."""

    model_config = ConfigDict(frozen=True)

    text: str
    trained: bool


class ShownSample(BaseModel):
    """One sample as the model reads it.

    Attributes:
        row: where in the source it came from.
        runs: joined they are the whole text; of an encoder-decoder that of the encoder, then the answer.
        trained: tokens that enter the loss.
        prompt: the other tokens.
        cut: whether it was too long.
    """

    model_config = ConfigDict(frozen=True)

    row: int
    runs: tuple[Run, ...]
    trained: int
    prompt: int
    cut: bool

    @property
    def words(self) -> str:
        return f"Row {self.row}: {_tokens(self.trained, self.prompt)}{', cut as it is too long' if self.cut else ''}"


class Shown(BaseModel):
    """The first samples of a task as a model reads them, and what is true of more of them.

    Attributes:
        revision: of the model, as `LocalModel` has it.
        max_length: tokens that were asked for; a model that has no places for so many reads fewer.
        plain: whether the model has no chat template, so that conversations are written in a plain form.
        rows: samples of the split.
        looked_at: the first so many were encoded.
        used: of those, samples that something is learned of.
        trained: tokens that enter the loss, in all that are used.
        prompt: the other tokens of them.
        cut: how many of those looked at are too long.
        samples: the first of those that are used.
        left_out: rows that nothing is learned of, counted by reason.
        remarks: what of the used rows is not shown or not learned.
        task_remarks: what of the task's source was not used as it stands.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    revision: str
    task: str
    task_hash: str
    split: str
    objective: Objective
    max_length: int
    plain: bool
    rows: int
    looked_at: int
    used: int
    trained: int
    prompt: int
    cut: int
    samples: tuple[ShownSample, ...]
    left_out: tuple[Remark, ...]
    remarks: tuple[Remark, ...]
    task_remarks: tuple[Remark, ...]

    @property
    def sentences(self) -> list[str]:
        """How much is learned and how, and all remarks: a sentence or a line each."""
        which = f"all {self.rows}" if self.looked_at == self.rows else f"the first {self.looked_at} of {self.rows}"
        cut = f"; {self.cut} too long and cut" if self.cut else ""
        said = [f"In {which} {self.split} rows: {_tokens(self.trained, self.prompt)}{cut}."]
        if self.plain and self.objective != "masked":
            said.append("This model has no chat template: conversations are written in a plain form.")
        said += filter(None, [FORMS[self.objective]])
        found = (*self.left_out, *self.remarks, *self.task_remarks)
        return said + [f"{remark.words[0].upper()}{remark.words[1:]}." for remark in found]


def show(local: LocalModel, task: Task, rows: int, max_length: int, split: str = "train", seed: int = 0) -> Shown:
    """What a model will learn of a task.

    Args:
        local: what `fetch.localise` brought.
        rows: how many samples are shown with their text, from the first that is used.
        max_length: in tokens, as `LoadedModel.encode` takes it.
        seed: of the tokens that a masked model has to tell.

    Raises:
        ModelError: the model cannot be read.
        TaskError: there is no such split, or none of the samples can be used.
    """
    from domlora.models.loading import load_skeleton

    pool = task.needed(split)
    model = load_skeleton(local)
    looked_at = pool[: max(LOOKED_AT, rows)]
    encoding = model.encode(looked_at, max_length, seed)
    samples = [
        _sample(sample, cut, model.tokenizer)
        for sample, cut in zip(encoding.samples[:rows], encoding.cut, strict=False)
    ]
    trained = sum(sample.targets for sample in encoding.samples)
    left_out = Remarks()
    for row, reason in encoding.dropped.items():
        left_out.add("row", f"left out: {reason}", row, lost=True)
    return Shown(
        model=model.name, revision=local.revision, task=task.name, task_hash=task.content_hash, split=split,
        objective=model.objective, max_length=max_length, plain=encoding.plain, rows=len(pool),
        looked_at=len(looked_at), used=len(encoding.samples), trained=trained,
        prompt=sum(len(sample.ids) for sample in encoding.samples) - trained, cut=encoding.truncated,
        samples=tuple(samples), left_out=left_out.all(), remarks=encoding.remarks,
        task_remarks=task.remarks,
    )  # fmt: skip


def _sample(sample: EncodedSample, cut: bool, tokenizer: PreTrainedTokenizerBase) -> ShownSample:
    from domlora.data.encoding import IGNORED

    if sample.labels is None:  # nothing stands before the first token, so that it is not predicted
        ids, trained = list(sample.ids), [False, *sample.response[1:]]
    else:
        trained = [label != IGNORED for label in sample.labels]
        ids = [
            label if counts else token for token, label, counts in zip(sample.ids, sample.labels, trained, strict=True)
        ]
    parts = [slice(0, sample.source), slice(sample.source, len(ids))]  # an encoder's, and all else
    runs = [run for part in parts for run in runs_of(ids[part], trained[part], tokenizer, cut)]
    return ShownSample(
        row=sample.row, runs=tuple(runs), trained=sample.targets, prompt=len(ids) - sample.targets, cut=cut
    )


def runs_of(
    ids: Sequence[int], trained: Sequence[bool], tokenizer: PreTrainedTokenizerBase, cut: bool = False
) -> list[Run]:
    """Token ids as the runs of their text that are trained or not; joined they are the text of all ids.

    Where a token ends within a character, the character belongs to the trained side. A character that the end of the
    ids cuts is left out where the text is `cut`, since there is nothing to show of it.
    """

    def decode(part: Sequence[int]) -> str:
        return str(tokenizer.decode(list(part), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    text = decode(ids)
    if cut:
        text = text.rstrip(UNREADABLE)
    edges = [i for i in range(1, len(ids)) if trained[i] != trained[i - 1]]
    places = [0]
    for edge in edges:
        # Not decoded run by run: some tokenizers leave out the blank before the first word of what they decode.
        before = decode(ids[:edge])
        differ = (i for i, (one, other) in enumerate(zip(before, text, strict=False)) if one != other)
        place = next(differ, min(len(before), len(text)))
        within = place < len(before) and not before[place:].strip(UNREADABLE)
        places.append(min(max(places[-1], place + (within and not trained[edge])), len(text)))
    spans = zip(places, [*places[1:], len(text)], [0, *edges], strict=True)
    return [Run(text=text[first:last], trained=trained[edge]) for first, last, edge in spans if first < last]


def _tokens(trained: int, prompt: int) -> str:
    return f"{trained:,} trained and {prompt:,} prompt tokens"
