"""Small real models: real transformers classes with random weights and a real tokenizer trained on a few sentences."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # a test that needs the Hub's absence must not wait for it

SHARED = Path(__file__).parents[2] / "shared" / "data"
CHAT_TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """Every test has a store and caches of its own."""
    path = tmp_path / "home"
    monkeypatch.setenv("DOMLORA_HOME", str(path))
    monkeypatch.delenv("DOMLORA_STORE", raising=False)
    return path


@pytest.fixture
def shared_data():
    if not SHARED.is_dir():
        pytest.skip(f"the folder of real data sets is not beside the project ({SHARED.name})")
    return SHARED


@pytest.fixture(scope="session")
def tokenizer():
    """A byte-level BPE of 400 tokens with a chat template."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer()
    text = ["the quick brown fox jumps over the lazy dog", "what is two and two? four", "write a short poem please"]
    special = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
    trained.train_from_iterator(text, vocab_size=400, special_tokens=special, show_progress=False)
    fast = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.add_special_tokens({"additional_special_tokens": special[1:]})
    fast.chat_template = CHAT_TEMPLATE
    return fast


@pytest.fixture(scope="session")
def tiny_folder(tokenizer, tmp_path_factory):
    """A random Llama of two blocks, saved as a user would have it on disk."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=len(tokenizer), max_position_embeddings=256,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def task_file(tmp_path):
    """Eight rows in chat form."""
    import json

    rows = [
        {
            "messages": [
                {"role": "user", "content": f"what is {i} and the fox?" + " please" * i},
                {"role": "assistant", "content": "four, the lazy dog" + " over" * (i % 3)},
            ]
        }
        for i in range(8)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path
