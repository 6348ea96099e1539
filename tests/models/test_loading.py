"""What `load_model` makes of a folder: every weight is the files' own, or it is refused in one line."""

import json
import logging
import shutil

import pytest
import torch
import transformers as hf
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file

import domlora
from domlora.errors import ModelError, TaskError
from tests.helpers.encoder_folders import save
from tests.helpers.tiny_models import COMMON, GPT2


@pytest.fixture
def folder(tiny_folder, tmp_path):
    return shutil.copytree(tiny_folder, tmp_path / "model")


def add(folder, **tensors):
    """Puts further weights beside those of a model."""
    path = folder / "model.safetensors"
    save_file({**load_file(path), **tensors}, path, metadata={"format": "pt"})


def configure(folder, **settings):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **settings}), encoding="utf-8")


def load(folder):
    return domlora.load_model(folder, device="cpu", dtype="float32")


def refused(folder, *words):
    with pytest.raises(ModelError) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


ONE = torch.ones(2)


# Weights that are missing, unknown or of another shape


def test_a_missing_weight_is_refused_without_the_table_of_transformers(folder, capfd):
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    refused(folder, "1 weights are missing (such as model.layers.1.mlp.up_proj.weight)")
    assert "LOAD REPORT" not in "".join(capfd.readouterr())


def test_a_config_with_fewer_layers_than_the_weights_is_refused(folder):
    configure(folder, num_hidden_layers=1)
    refused(
        folder, "9 of its weights (such as model.layers.1.input_layernorm.weight) have no place in LlamaForCausalLM"
    )


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.bias", "model.layers.0.self_attn.q_norm.weight", "lm_head.bias",
        "model.embed_norm.weight", "transformer.h.0.attn.weight",
    ],
)  # fmt: skip
def test_a_weight_that_the_class_has_no_place_for_is_refused(folder, name):
    add(folder, **{name: ONE})
    refused(folder, f"1 of its weights (such as {name}) have no place in LlamaForCausalLM")


@pytest.mark.parametrize("scale", ["weight_scale", "weight_scale_inv", "input_scale"])
def test_scales_of_quantised_weights_without_their_configuration_are_refused(folder, scale):
    name = f"model.layers.0.mlp.up_proj.{scale}"
    add(folder, **{name: ONE})
    refused(folder, f"1 scales of quantised weights (such as {name})", "unscaled")


def test_lora_tensors_among_the_weights_are_refused(folder):
    add(folder, **{f"model.layers.0.mlp.up_proj.lora_{half}.weight": ONE.clone() for half in "AB"})
    refused(folder, "2 LoRA tensors", "merge the adapter into it first")


HARMLESS = (
    "model.layers.0.self_attn.rotary_emb.inv_freq", "model.layers.0.self_attn.masked_bias", "model.position_ids",
    "model.layers.0.attn.bias", "model.layers.0.self_attn.k_scale", "model.decoder.version",
    "mtp.layers.0.mlp.up_proj.weight",
    "model.mtp.norm.weight", "vision_tower.blocks.0.attn.qkv.weight", "model.visual.merger.weight",
    "multi_modal_projector.linear_1.weight", "model.pooler.dense.weight", "score.weight", "v_head.summary.weight",
)  # fmt: skip


def test_weights_that_all_leave_out_do_no_harm(folder, caplog):
    add(folder, **{name: ONE.clone() for name in HARMLESS})
    caplog.set_level(logging.INFO)
    assert load(folder).architecture == "LlamaForCausalLM"
    assert "weights are left out, such as" in caplog.text


def test_layers_that_predict_further_tokens_are_left_out_as_many_as_the_config_counts(folder):
    add(folder, **{"model.layers.2.eh_proj.weight": ONE})
    refused(folder, "model.layers.2.eh_proj.weight")
    configure(folder, num_nextn_predict_layers=1)
    assert len(load(folder).model.model.layers) == 2


def test_bert_from_pretraining_loads_without_its_other_head(tmp_path):
    folder = save("bert", tmp_path / "bert")
    config = hf.BertConfig.from_pretrained(folder)
    hf.BertForPreTraining(config).save_pretrained(folder)
    configure(folder, architectures=["BertForMaskedLM"])
    assert load(folder).architecture == "BertForMaskedLM"


def test_gpt2_with_the_buffers_of_old_files_loads(tokenizer, tmp_path):
    settings = {**GPT2, "vocab_size": len(tokenizer)}
    hf.GPT2LMHeadModel(hf.GPT2Config(**settings)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    buffers = {f"transformer.h.{i}.attn.{name}": ONE.clone() for i in (0, 1) for name in ("bias", "masked_bias")}
    add(tmp_path, **buffers)
    assert load(tmp_path).architecture == "GPT2LMHeadModel"


GEMMA = {**COMMON, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 8}


@pytest.mark.parametrize(
    ("model_class", "config"),
    [
        (hf.Gemma3ForCausalLM, hf.Gemma3TextConfig(**GEMMA)),
        (hf.LlamaForCausalLM, hf.LlamaConfig(**COMMON, tie_word_embeddings=True)),
        (hf.Qwen2ForCausalLM, hf.Qwen2Config(**COMMON, tie_word_embeddings=True)),
        (hf.GPT2LMHeadModel, hf.GPT2Config(**GPT2)),
        (hf.OPTForCausalLM, hf.OPTConfig(**COMMON, ffn_dim=48, word_embed_proj_dim=32)),
        (hf.BartForConditionalGeneration, hf.BartConfig(
            d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=4, decoder_attention_heads=4,
            encoder_ffn_dim=48, decoder_ffn_dim=48, vocab_size=97)),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_tied_weights_are_not_missing(tokenizer, tmp_path, model_class, config):
    config.vocab_size = len(tokenizer)
    model_class(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert load(tmp_path).architecture == model_class.__name__


@pytest.mark.parametrize("name", ["t5", "bert", "roberta"])
def test_tied_weights_of_encoders_are_not_missing(tmp_path, name):
    assert load(save(name, tmp_path / name)).model is not None


def test_embeddings_resized_without_their_config_are_refused(folder, tokenizer):
    configure(folder, vocab_size=len(tokenizer) - 7)
    refused(folder, f"its embedding has {len(tokenizer)} rows and its config.json says vocab_size {len(tokenizer) - 7}")


def test_weights_of_another_shape_are_refused(folder):
    configure(folder, intermediate_size=48)
    refused(folder, "6 weights have another shape than config.json says (such as model.layers.0.mlp.down_proj.weight: "
            "(32, 64) instead of (32, 48))")  # fmt: skip


def test_a_tokenizer_may_know_more_tokens_than_the_embedding_has_rows(folder, tokenizer):
    own = hf.AutoTokenizer.from_pretrained(folder)
    own.add_tokens(["<|more|>"])
    own.save_pretrained(folder)
    model = load(folder)
    assert (model.embedding_rows, len(model.tokenizer)) == (len(tokenizer), len(tokenizer) + 1)


# Adapters


def test_a_model_with_an_adapter_beside_it_is_loaded_without_it(folder, tiny_folder, caplog):
    base = load(tiny_folder).model
    adapted = get_peft_model(load(tiny_folder).model, LoraConfig(target_modules=["q_proj"], init_lora_weights=False))
    adapted.save_pretrained(folder)
    caplog.set_level(logging.INFO)
    model = load(folder).model
    assert "the model is loaded without it" in caplog.text
    assert not any("lora" in name for name, _ in model.named_modules())
    assert all(torch.equal(weight, base.state_dict()[name]) for name, weight in model.state_dict().items())


# Code of its own, quantisation


def test_a_model_that_needs_its_own_code_is_refused_and_nobody_is_asked(folder, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: pytest.fail("a question"))
    configure(folder, model_type="own", auto_map={"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"})
    refused(folder, "needs Python code of its own", "auto_map", "trust_remote_code")


def test_a_model_of_a_known_class_is_loaded_without_the_code_beside_it(folder):
    configure(folder, auto_map={"AutoModelForCausalLM": "own.Model"})
    assert load(folder).architecture == "LlamaForCausalLM"


def test_an_unknown_type_is_refused(folder):
    configure(folder, model_type="nonsense")
    refused(folder, "nonsense")


@pytest.mark.parametrize(
    "settings",
    [
        {"quant_method": "gptq", "bits": 4},
        {"quant_method": "awq", "bits": 4},
        {"quant_method": "bitsandbytes", "load_in_4bit": True},
        {"quant_method": "compressed-tensors", "config_groups": {}},
        {"quant_method": "aqlm"},
    ],
    ids=lambda value: value["quant_method"],
)
def test_quantisation_that_cannot_be_had_is_named(folder, settings):
    configure(folder, quantization_config=settings)
    refused(folder, f"whose weights are quantised with {settings['quant_method']} (")


def test_quantisation_that_transformers_skips_is_refused(folder):
    configure(folder, quantization_config={"quant_method": "unheard"})
    refused(folder, "its weights are quantised with unheard, which transformers does not know and skips")


# What is given instead of a name


def test_what_was_loaded_already_comes_back_as_it_is(tiny_folder, task_file):
    model = load(tiny_folder)
    assert domlora.load_model(model) is model
    task = domlora.load_task(task_file)
    assert domlora.load_task(task) is task


@pytest.mark.parametrize("source", [None, 3, {"model": "x"}, ["x"], torch.nn.Linear(2, 2)])
def test_what_is_no_name_of_a_model_is_refused(source):
    with pytest.raises(ModelError, match=rf"^a model is given by its folder.*{type(source).__name__}[^\n]*$"):
        domlora.load_model(source)


def test_a_bare_model_is_refused():
    with pytest.raises(ModelError, match=r"this is a LlamaForCausalLM: save it with save_pretrained"):
        domlora.load_model(hf.LlamaForCausalLM(hf.LlamaConfig(**COMMON)))


@pytest.mark.parametrize("source", [None, {"prompt": "x"}, [{"prompt": "x", "completion": "y"}]])
def test_what_is_no_name_of_a_task_is_refused(source):
    with pytest.raises(TaskError, match=rf"^a task is given by its name or its file.*{type(source).__name__}[^\n]*$"):
        domlora.load_task(source)
