"""A merged model says what base and adapter say together, from its folder alone."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer

from domlora.errors import SweepError
from domlora.export.merged import base_of, write_merged
from domlora.export.saved import CONFIG, WEIGHTS
from domlora.models.fetch import localise
from domlora.models.origin import ModelOrigin
from domlora.models.reference import resolve
from tests.helpers import gguf_files
from tests.helpers.exported import distance, loaded, logits, reference, saved, with_adapter
from tests.helpers.runs import a_run


def local(place):
    return localise(resolve(str(place)))


def check(base, adapter, out, within=1e-5):
    """Merges, and returns the merged model as it loads from its folder."""
    write_merged(local(base), adapter, out)
    merged = loaded(out)
    wanted, zero = logits(with_adapter(base, adapter)), logits(loaded(base))
    assert float((wanted - zero).abs().max()) > 1e-2, "the adapter changes nothing"
    assert distance(logits(merged), wanted, zero) < within
    return merged


@pytest.mark.parametrize("method", ["lora", "rslora", "dora", "pissa"])
@pytest.mark.parametrize("name", ["ref-llama", "ref-gpt2"])
def test_a_merged_model_gives_the_logits_of_base_and_adapter(name, method, tmp_path):
    base = reference(name)
    adapter = saved(loaded(base), tmp_path / "adapter", method, "mixed")
    merged = check(base, adapter, tmp_path / "merged")
    assert {p.dtype for p in merged.parameters()} == {torch.float32}


def test_experts_are_merged(tmp_path):
    base = reference("ref-moe")
    model = loaded(base)
    names = [n for n, _ in model.named_parameters() if n.endswith(("experts.gate_up_proj", "experts.down_proj"))]
    torch.manual_seed(0)
    config = LoraConfig(r=3, target_modules=["q_proj"], target_parameters=names[:4], task_type="CAUSAL_LM")
    adapted = get_peft_model(model, config)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    adapted.save_pretrained(str(tmp_path / "adapter"))
    check(base, tmp_path / "adapter", tmp_path / "merged")


def test_the_tokenizer_and_its_chat_template_go_along(tmp_path):
    base = reference("ref-llama")
    write_merged(local(base), saved(loaded(base), tmp_path / "adapter"), tmp_path / "merged")
    own, merged = AutoTokenizer.from_pretrained(base), AutoTokenizer.from_pretrained(tmp_path / "merged")
    assert merged.chat_template == own.chat_template is not None
    text = "what is 3 and 4?"
    assert merged(text)["input_ids"] == own(text)["input_ids"]


def test_a_model_of_half_the_bits_is_rounded_once(tmp_path):
    base = tmp_path / "base"
    loaded(reference("ref-llama"), "bfloat16").save_pretrained(base)
    AutoTokenizer.from_pretrained(reference("ref-llama")).save_pretrained(base)
    adapter = saved(loaded(base), tmp_path / "adapter", "rslora", "mixed")
    assert write_merged(local(base), adapter, tmp_path / "merged") == "bfloat16"
    found = load_file(tmp_path / "merged" / "model.safetensors")
    plain = load_file(base / "model.safetensors")
    whole = with_adapter(base, adapter).merge_and_unload().state_dict()
    changed = [name for name in plain if not torch.equal(found[name], plain[name])]
    assert {tensor.dtype for tensor in found.values()} == {torch.bfloat16}
    assert changed and all(torch.equal(found[name], whole[name].to(torch.bfloat16)) for name in found)
    assert json.loads((tmp_path / "merged" / "config.json").read_text(encoding="utf-8"))["dtype"] == "bfloat16"


@pytest.mark.parametrize("module", ["lm_head", "embed_tokens"])
def test_a_head_that_is_adapted_alone_is_no_longer_tied(module, tmp_path):
    """Else the adapter of one would change both."""
    base = tmp_path / "base"
    model = loaded(reference("ref-llama"))
    model.config.tie_word_embeddings = True
    model.tie_weights()
    model.save_pretrained(base)
    AutoTokenizer.from_pretrained(reference("ref-llama")).save_pretrained(base)
    torch.manual_seed(0)
    adapted = get_peft_model(loaded(base), LoraConfig(r=4, target_modules=[module], task_type="CAUSAL_LM"))
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.05)
    adapted.save_pretrained(str(tmp_path / "adapter"), save_embedding_layers=False)
    merged = check(base, tmp_path / "adapter", tmp_path / "merged")
    assert not merged.config.tie_word_embeddings
    assert not torch.equal(merged.get_input_embeddings().weight, merged.get_output_embeddings().weight)


def test_a_model_that_was_a_gguf_is_merged(tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("DOMLORA_HOME", str(tmp_path / "home"))
    (path,) = gguf_files.write(tiny_folder, tmp_path / "base.gguf")
    base = local(path)
    adapter = saved(loaded(base.folder), tmp_path / "adapter", ranks="mixed")
    write_merged(base, adapter, tmp_path / "merged")
    wanted, zero = logits(with_adapter(base.folder, adapter)), logits(loaded(base.folder))
    assert distance(logits(loaded(tmp_path / "merged")), wanted, zero) < 1e-5


def test_large_models_are_split_as_transformers_splits_them(tmp_path, monkeypatch):
    from transformers import PreTrainedModel

    save = PreTrainedModel.save_pretrained
    monkeypatch.setattr(PreTrainedModel, "save_pretrained", lambda self, out: save(self, out, max_shard_size="2MB"))
    base = reference("ref-llama")
    adapter = saved(loaded(base), tmp_path / "adapter")
    check(base, adapter, tmp_path / "merged")
    assert len(list((tmp_path / "merged").glob("*.safetensors"))) > 1


def test_nothing_is_merged_into_quantised_weights(tmp_path):
    base = tmp_path / "base"
    shutil.copytree(reference("ref-llama"), base)
    known = json.loads((base / "config.json").read_text(encoding="utf-8"))
    (base / "config.json").write_text(
        json.dumps(known | {"quantization_config": {"quant_method": "gptq"}}), encoding="utf-8"
    )
    adapter = saved(loaded(reference("ref-llama")), tmp_path / "adapter")
    with pytest.raises(SweepError, match=r"gptq.*quantised weights"):
        write_merged(local(base), adapter, tmp_path / "merged")


def test_an_adapter_of_another_model_is_not_merged(tmp_path):
    adapter = saved(loaded(reference("ref-llama")), tmp_path / "adapter")
    with pytest.raises(SweepError, match="another model") as caught:
        write_merged(local(reference("ref-gpt2")), adapter, tmp_path / "merged")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "merged").exists()


def test_values_that_are_not_finite_are_not_merged(tmp_path):
    base = reference("ref-llama")
    adapter = saved(loaded(base), tmp_path / "adapter")
    tensors = load_file(adapter / WEIGHTS)
    tensors = {name: torch.full_like(t, float("nan")) if "lora_B" in name else t for name, t in tensors.items()}
    save_file(tensors, adapter / WEIGHTS, metadata={"format": "pt"})
    with pytest.raises(SweepError, match="NaN"):
        write_merged(local(base), adapter, tmp_path / "merged")


def test_an_adapter_that_begins_in_the_base_is_not_merged(tmp_path):
    base = reference("ref-llama")
    adapter = saved(loaded(base), tmp_path / "adapter")
    config = json.loads((adapter / CONFIG).read_text(encoding="utf-8"))
    (adapter / CONFIG).write_text(json.dumps(config | {"init_lora_weights": "pissa"}), encoding="utf-8")
    with pytest.raises(SweepError, match="pissa"):
        write_merged(local(base), adapter, tmp_path / "merged")


def test_a_base_that_has_changed_since_the_run_is_not_merged(tmp_path):
    base = tmp_path / "base"
    shutil.copytree(reference("ref-llama"), base)
    origin = ModelOrigin(kind="folder", place=str(base))
    run = a_run(model_revision=local(base).revision, model_origin=origin)
    assert base_of(run).folder == base
    known = json.loads((base / "config.json").read_text(encoding="utf-8"))
    (base / "config.json").write_text(json.dumps(known | {"rms_norm_eps": 1e-4}), encoding="utf-8")
    with pytest.raises(SweepError, match="have changed since"):
        base_of(run)
    with pytest.raises(SweepError, match="does not say where"):
        base_of(replace(run, model_origin=ModelOrigin(kind="gguf", place="base.gguf")))
