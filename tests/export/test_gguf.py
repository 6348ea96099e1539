"""GGUF by llama.cpp's own converters: read back, an adapter's scale·B·A is PEFT's, and a merged model says the same."""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from gguf import GGUFReader
from peft import PeftModel
from transformers import LlamaConfig, LlamaForCausalLM, LlamaTokenizer

from domlora.errors import SweepError
from domlora.export.gguf import adapter_gguf, find_llama_cpp, model_gguf
from domlora.export.merged import write_merged
from domlora.export.saved import read_adapter
from domlora.export.uniform import write_uniform
from domlora.export.where import Base, verdicts
from domlora.models.fetch import localise
from domlora.models.reference import resolve
from tests.helpers import gguf_files, llama_cpp
from tests.helpers.exported import distance, loaded, logits, reference, saved, with_adapter


@pytest.fixture(scope="session")
def converters(tmp_path_factory):
    return llama_cpp.checkout(tmp_path_factory.mktemp("llama-cpp"))


def as_llama_cpp_reads(path: Path) -> dict[str, np.ndarray]:
    """Tensor name -> (out, in) change of the weight, by `llama_adapter_lora_weight::get_scale`: alpha / rank of B."""
    reader = GGUFReader(path)
    alpha = float(reader.get_field("adapter.lora.alpha").contents())
    parts = {tensor.name: np.array(tensor.data) for tensor in reader.tensors}
    return {
        name.removesuffix(".lora_b"): alpha / b.shape[1] * b @ parts[name.removesuffix("b") + "a"]
        for name, b in parts.items()
        if name.endswith(".lora_b")
    }


def as_peft_reads(base: Path, adapter: Path) -> dict[str, np.ndarray]:
    """The same of PEFT, under the names and in the order of rows that llama.cpp gives to these weights."""
    model = PeftModel.from_pretrained(loaded(base), str(adapter))
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    interleaved = config["model_type"] == "llama"  # Qwen and Gemma keep the halves of a head as they are
    found = {}
    for name, layer in model.named_modules():
        if "default" in getattr(layer, "lora_A", {}):
            weight = f"{name.removeprefix('base_model.model.')}.weight"
            delta = layer.get_delta_weight("default").detach().numpy()
            found[gguf_files._name(weight)] = gguf_files._as_llama_cpp(weight, delta, config) if interleaved else delta
    return found


def furthest(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> float:
    assert found.keys() == wanted.keys() and found
    return max(float(np.linalg.norm(found[n] - wanted[n]) / np.linalg.norm(wanted[n])) for n in wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "method", "ranks"),
    [
        ("ref-llama", "lora", "mixed"),
        ("ref-llama", "rslora", "equal"),
        ("ref-qwen3", "lora", "mixed"),
        ("ref-gemma3", "rslora", "mixed"),
    ],
)
def test_llama_cpp_scales_the_padded_adapter_as_peft_scales_the_trained_one(name, method, ranks, converters, tmp_path):
    base = reference(name)
    adapter = saved(loaded(base), tmp_path / "adapter", method, ranks)
    write_uniform(adapter, tmp_path / "uniform")
    adapter_gguf(converters, base, tmp_path / "uniform", tmp_path / "uniform.gguf")
    wanted = as_peft_reads(base, adapter)
    assert furthest(as_llama_cpp_reads(tmp_path / "uniform.gguf"), wanted) < 1e-5
    # The fault that the padding is for, in the size that the table says.
    adapter_gguf(converters, base, adapter, tmp_path / "plain.gguf")
    plain = as_llama_cpp_reads(tmp_path / "plain.gguf")
    factors = [float(np.vdot(plain[n], wanted[n]) / np.vdot(wanted[n], wanted[n])) for n in wanted]
    low, high = f"{min(factors):.2g}", f"{max(factors):.2g}"
    (said,) = [v.why for v in verdicts(read_adapter(adapter), Base("x")) if v.server.name == "llama.cpp"]
    assert (f"by {low} times" if low == high else f"by {low} to {high} times") in said
    assert max(abs(factor - 1) for factor in factors) > 0.4


@pytest.mark.slow
def test_plain_lora_of_one_rank_needs_no_padding_there(converters, tmp_path):
    base = reference("ref-llama")
    adapter = saved(loaded(base), tmp_path / "adapter")
    adapter_gguf(converters, base, adapter, tmp_path / "adapter.gguf")
    assert furthest(as_llama_cpp_reads(tmp_path / "adapter.gguf"), as_peft_reads(base, adapter)) < 1e-5


@pytest.mark.slow
def test_adapters_of_gpt2_come_out_transposed_as_the_table_says(converters, tmp_path):
    base = reference("ref-gpt2")
    write_uniform(saved(loaded(base), tmp_path / "adapter"), tmp_path / "uniform")
    adapter_gguf(converters, base, tmp_path / "uniform", tmp_path / "a.gguf")
    shapes = {name: change.shape for name, change in as_llama_cpp_reads(tmp_path / "a.gguf").items()}
    hidden = json.loads((base / "config.json").read_text(encoding="utf-8"))["n_embd"]
    assert shapes["blk.1.attn_qkv.weight"] == (hidden, 3 * hidden), "llama.cpp's weight is (3 hidden, hidden)"


@pytest.mark.slow
def test_what_the_converter_refuses_is_said_in_its_last_line(converters, tmp_path):
    base = reference("ref-llama")
    adapter = saved(loaded(base), tmp_path / "adapter", "dora")
    with pytest.raises(SweepError, match="lora_magnitude_vector") as caught:
        adapter_gguf(converters, base, adapter, tmp_path / "dora.gguf")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "dora.gguf").exists()


def a_llama_with_sentencepiece(folder: Path) -> Path:
    """A small Llama as the first ones are saved: the converter knows its kind of tokenizer."""
    import sentencepiece

    model = io.BytesIO()
    text = [f"what is {i} and {i * 7 % 11}? it is the lazy dog {i}" for i in range(300)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_writer=model, vocab_size=120, byte_fallback=False, minloglevel=2
    )
    folder.mkdir()
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    tokenizer = LlamaTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=len(tokenizer), max_position_embeddings=256,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.mark.slow
def test_a_merged_model_as_gguf_says_what_base_and_adapter_say(converters, tmp_path, monkeypatch):
    monkeypatch.setenv("DOMLORA_HOME", str(tmp_path / "home"))
    base = a_llama_with_sentencepiece(tmp_path / "base")
    adapter = saved(loaded(base), tmp_path / "adapter", "dora", layers=(0, 1))
    dtype = write_merged(localise(resolve(str(base))), adapter, tmp_path / "merged")
    model_gguf(converters, tmp_path / "merged", tmp_path / "merged.gguf", dtype)
    back = localise(resolve(str(tmp_path / "merged.gguf"))).folder
    wanted, zero = logits(with_adapter(base, adapter)), logits(loaded(base))
    assert distance(logits(loaded(back)), wanted, zero) < 1e-4


def a_checkout(folder: Path, script: str) -> Path:
    folder.mkdir()
    for name in ("convert_lora_to_gguf.py", "convert_hf_to_gguf.py"):
        (folder / name).write_text(script, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("import sys; sys.exit('first\\nthe last line')", "the last line"),
        ("import sys; sys.exit(3)", "status 3"),
        ("", "status 0"),
        ("import not_there_at_all", r"not_there_at_all.*Install what it needs"),
    ],
)
def test_a_converter_that_fails_is_one_line(script, words, tmp_path):
    with pytest.raises(SweepError, match=words) as caught:
        adapter_gguf(a_checkout(tmp_path / "llama.cpp", script), tmp_path, tmp_path, tmp_path / "a.gguf")
    assert "\n" not in str(caught.value)


def test_names_are_arguments_and_no_options_or_shell(tmp_path):
    """The script writes what it was given; folders are called as nobody should call them."""
    script = "import json, sys; open(sys.argv[sys.argv.index('--outfile') + 1], 'w').write(json.dumps(sys.argv[1:]))"
    checkout = a_checkout(tmp_path / "llama.cpp", script)
    odd = tmp_path / "-a; touch 'x' $(y)"
    adapter_gguf(checkout, odd, odd, tmp_path / "a.gguf")
    given = json.loads((tmp_path / "a.gguf").read_text(encoding="utf-8"))
    assert given == ["--outtype", "f32", "--base", str(odd), "--outfile", str(tmp_path / "a.gguf"), str(odd)]
    assert sys.executable and not (tmp_path / "x").exists()


def test_the_checkout_is_named_or_in_the_environment(tmp_path, monkeypatch):
    monkeypatch.delenv("LLAMA_CPP", raising=False)
    with pytest.raises(SweepError, match=r"--llama-cpp or \$LLAMA_CPP"):
        find_llama_cpp(None)
    with pytest.raises(SweepError, match="no checkout of llama"):
        find_llama_cpp(tmp_path)
    checkout = a_checkout(tmp_path / "llama.cpp", "")
    assert find_llama_cpp(checkout) == checkout
    monkeypatch.setenv("LLAMA_CPP", str(checkout))
    assert find_llama_cpp(None) == checkout
