"""Folders as a user would have them: small random models of T5, BERT and RoBERTa with real tokenizers of their kind."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers as hf
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tests.helpers.encoder_models import BERT, ROBERTA, T5

TEXT = [
    "User: what is two and two? Assistant: four",
    "the quick brown fox jumps over the lazy dog",
    "a b c = 0123456789",
]
LETTERS = [chr(code) for code in range(32, 127)]


def t5_tokenizer() -> hf.PreTrainedTokenizerFast:
    """A unigram model over pieces with a mark for blanks, as SentencePiece writes them; it ends each text with </s>."""
    special = ["<pad>", "</s>", "<unk>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    alphabet = [*LETTERS[1:], "▁", "\n"]
    trainer = trainers.UnigramTrainer(
        vocab_size=250, special_tokens=special, unk_token="<unk>", initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )


def bert_tokenizer() -> hf.PreTrainedTokenizerFast:
    """WordPiece with [CLS] and [SEP] around each text."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=350, special_tokens=special, initial_alphabet=LETTERS, show_progress=False
    )
    pairs = [a + b for a in "abcdefghijklmnopqrstuvwxyz0123456789" for b in "abcdefghijklmnopqrstuvwxyz0123456789"]
    tokenizer.train_from_iterator([*TEXT, *pairs], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]",
        mask_token="[MASK]",
    )  # fmt: skip


def roberta_tokenizer() -> hf.PreTrainedTokenizerFast:
    """Byte-level BPE with <s> and </s> around each text."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return hf.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        cls_token="<s>", sep_token="</s>", mask_token="<mask>",
    )  # fmt: skip


def save(name: str, folder: Path) -> Path:
    """A `t5`, `bert` or `roberta` with 512 positions."""
    torch.manual_seed(0)
    if name == "t5":
        tokenizer, settings = t5_tokenizer(), {**T5, "vocab_size": len(t5_tokenizer())}
        model = hf.T5ForConditionalGeneration(hf.T5Config(**settings))
    elif name == "bert":
        tokenizer = bert_tokenizer()
        settings = {**BERT, "vocab_size": len(tokenizer), "max_position_embeddings": 512}
        model = hf.BertForMaskedLM(hf.BertConfig(**settings))
    else:
        tokenizer = roberta_tokenizer()
        settings = {**ROBERTA, "vocab_size": len(tokenizer), "max_position_embeddings": 514}
        model = hf.RobertaForMaskedLM(hf.RobertaConfig(**settings))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
