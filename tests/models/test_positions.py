"""Places for tokens: as many as fit are run, one more is not, by the real classes."""

import copy
import json

import pytest
import torch
import transformers as hf

import domlora
from domlora.data.samples import Message, Sample
from domlora.data.tasks import load_task
from domlora.errors import ModelError
from domlora.models.loading import LoadedModel, load_model
from domlora.models.positions import longest
from tests.helpers import encoder_models, tiny_models
from tests.helpers.encoder_folders import save
from tests.helpers.tiny_models import COMMON, GPT2, OPT, PLAIN

SMALL = {"vocab_size": 97, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
BART = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "max_position_embeddings": 64, **SMALL,
}  # fmt: skip
BERT = {**PLAIN, "type_vocab_size": 2}
TABLES = {
    "gpt2": (hf.GPT2LMHeadModel, hf.GPT2Config(**GPT2), 64),
    "gpt2_64_words": (hf.GPT2LMHeadModel, hf.GPT2Config(**{**GPT2, "vocab_size": 64}), 64),
    "gpt_bigcode": (hf.GPTBigCodeForCausalLM, hf.GPTBigCodeConfig(**GPT2), 64),
    "gpt_neo": (hf.GPTNeoForCausalLM, hf.GPTNeoConfig(
        hidden_size=32, num_layers=2, num_heads=4, attention_types=[[["global"], 2]], max_position_embeddings=64,
        **SMALL), 64),
    "openai": (hf.OpenAIGPTLMHeadModel, hf.OpenAIGPTConfig(n_embd=32, n_layer=1, n_head=4, n_positions=64,
                                                           vocab_size=97), 64),
    "ctrl": (hf.CTRLLMHeadModel, hf.CTRLConfig(n_embd=32, n_layer=1, n_head=4, dff=48, n_positions=64, vocab_size=97),
             64),
    "opt": (hf.OPTForCausalLM, hf.OPTConfig(**OPT), 64),
    "gptj": (hf.GPTJForCausalLM, hf.GPTJConfig(n_embd=32, n_layer=1, n_head=4, rotary_dim=4, n_positions=64, **SMALL),
             64),
    "codegen": (hf.CodeGenForCausalLM, hf.CodeGenConfig(n_embd=32, n_layer=1, n_head=4, rotary_dim=4, n_positions=64,
                                                        n_ctx=64, **SMALL), 64),
    "mpt": (hf.MptForCausalLM, hf.MptConfig(d_model=32, n_heads=4, n_layers=1, max_seq_len=64, vocab_size=97), 64),
    "xlm": (hf.XLMWithLMHeadModel, hf.XLMConfig(emb_dim=32, n_layers=1, n_heads=4, max_position_embeddings=64,
                                                n_words=97), 64),
    "bert": (hf.BertForMaskedLM, hf.BertConfig(**BERT), 64),
    "roberta": (hf.RobertaForMaskedLM, hf.RobertaConfig(**{**BERT, "pad_token_id": 1}), 62),
    "distilbert": (hf.DistilBertForMaskedLM, hf.DistilBertConfig(
        dim=32, n_layers=1, n_heads=4, hidden_dim=48, max_position_embeddings=64, vocab_size=97), 64),
    "nystromformer": (hf.NystromformerForMaskedLM, hf.NystromformerConfig(**BERT, segment_means_seq_len=64), 64),
    "bart": (hf.BartForConditionalGeneration, hf.BartConfig(**BART), 64),
}  # fmt: skip
ENDLESS = {
    "llama": (hf.LlamaForCausalLM, hf.LlamaConfig(**COMMON)),
    "gpt_neox": (hf.GPTNeoXForCausalLM, hf.GPTNeoXConfig(**PLAIN)),
    "bloom": (hf.BloomForCausalLM, hf.BloomConfig(hidden_size=32, n_layer=1, n_head=4, **SMALL)),
    "falcon": (hf.FalconForCausalLM, hf.FalconConfig(**PLAIN)),
    "t5": (hf.T5ForConditionalGeneration, hf.T5Config(
        d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4, decoder_start_token_id=0, **SMALL)),
    "mamba": (hf.MambaForCausalLM, hf.MambaConfig(**tiny_models.MAMBA)),
    "xglm": (hf.XGLMForCausalLM, hf.XGLMConfig(
        d_model=32, ffn_dim=48, num_layers=1, attention_heads=4, max_position_embeddings=64, **SMALL)),
}  # fmt: skip


def run(model, length):
    ids = torch.full((1, length), 5)
    more = {"decoder_input_ids": ids} if model.config.is_encoder_decoder else {}
    with torch.no_grad():
        return model(input_ids=ids, **more).logits


@pytest.mark.parametrize("name", TABLES)
def test_as_many_tokens_as_there_are_places_fit_and_not_one_more(name):
    model_class, config, places = TABLES[name]
    model = model_class(config).eval()
    assert longest(model) == places
    assert run(model, places).isfinite().all()
    with pytest.raises((IndexError, RuntimeError)):
        run(model, places + 1)


@pytest.mark.parametrize("name", ENDLESS)
def test_positions_without_a_table_have_no_end(name):
    model_class, config = ENDLESS[name]
    model = model_class(config).eval()
    assert longest(model) is None
    assert run(model, 200).isfinite().all()


def test_a_vision_tower_does_not_bound_a_text():
    assert longest(tiny_models.make("llava")) is None


@pytest.mark.parametrize("name", [*tiny_models.ALL_MODELS, *encoder_models.ENCODER_MODELS])
def test_every_covered_model_runs_at_its_longest(name):
    known = name in encoder_models.ENCODER_MODELS
    model = encoder_models.make(name) if known else tiny_models.make(name)
    found = longest(model)
    assert found is None or found > 8
    if found is not None:
        run(model, found)


def test_a_causal_sample_is_cut_where_the_places_end(tokenizer, tmp_path):
    config = hf.GPT2Config(**{**GPT2, "vocab_size": len(tokenizer)})
    hf.GPT2LMHeadModel(config).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = load_model(tmp_path, device="cpu")
    sample = Sample((Message("user", "what?"), Message("assistant", "the lazy dog " * 40)))
    encoding = model.encode([sample], 500)
    assert (model.longest, encoding.truncated, len(encoding.samples[0].ids)) == (64, 1, 64)
    assert len(model.encode([sample], 30).samples[0].ids) == 30


def test_a_probe_says_that_samples_are_cut_where_the_places_end(tokenizer, tmp_path):
    config = hf.GPT2Config(**{**GPT2, "vocab_size": len(tokenizer)})
    hf.GPT2LMHeadModel(config).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "what?", "completion": "the fox", "label": true}\n'
                    '{"prompt": "what?", "completion": "dog", "label": false}\n', encoding="utf-8")  # fmt: skip
    model, task = load_model(tmp_path / "model", device="cpu"), load_task(path)
    found = domlora.probe(model, task, samples=1, max_length=500).provenance
    assert "the model has places for 64 tokens: samples are cut there" in found.warnings
    assert "1 of 2 rows are not used: look at the reasons before you trust the rest" in found.warnings
    assert [remark.words for remark in found.remarks] == ["1 row with label false left out (row 2)"]


def test_a_token_without_an_embedding_is_one_line_that_names_it(tokenizer, tmp_path):
    known = len(tokenizer)
    hf.LlamaForCausalLM(hf.LlamaConfig(**{**COMMON, "vocab_size": known})).save_pretrained(tmp_path)
    more = copy.deepcopy(tokenizer)
    more.add_tokens(["<new>"])
    more.save_pretrained(tmp_path)
    model = load_model(tmp_path, device="cpu")
    asked = Message("user", "what?")
    assert model.encode([Sample((asked, Message("assistant", "the fox")))], 50).samples
    with pytest.raises(ModelError, match=rf"has {known} embeddings, .* token {known} \('<new>'\) in row 7"):
        model.encode([Sample((asked, Message("assistant", "the <new> fox")), row=7)], 50)


def test_places_of_encoders_are_as_before(tmp_path):
    found = {}
    for name in ("bert", "roberta", "t5"):
        found[name] = LoadedModel.longest.fget(load_model(save(name, tmp_path / name)))
    assert found == {"bert": 512, "roberta": 512, "t5": None}
    assert (
        json.loads((tmp_path / "roberta" / "config.json").read_text(encoding="utf-8"))["max_position_embeddings"] == 514
    )
