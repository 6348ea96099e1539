"""Encoder-decoders and masked models as a user meets them: folders, tokenizers, the command line, PEFT."""

import copy
import json
import re

import pytest
import torch
import transformers as hf
from peft import LoraConfig, get_peft_model
from streamlit.testing.v1 import AppTest

import domlora
from domlora.data.encoding import IGNORED
from domlora.data.objectives import MASK_RATE, encode_masked, encode_pairs
from domlora.data.samples import Message, Sample
from domlora.data.tasks import load_task
from domlora.errors import ModelError, TaskError
from domlora.jobs.execute import run_sweep
from domlora.jobs.spec import SweepRequest
from domlora.models.census import find_modules
from domlora.store.store import Store
from tests.helpers.command import run
from tests.helpers.encoder_folders import save
from tests.helpers.encoder_models import ROBERTA
from tests.helpers.pages import APP
from tests.helpers.tiny_models import COMMON

CHAT = Sample(
    (
        Message("user", "what is two?"),
        Message("assistant", "the fox"),
        Message("user", "and?"),
        Message("assistant", "four dogs"),
    ),
    row=7,
)
LONG = Sample((Message("user", "what is two and two? " * 9), Message("assistant", "the lazy dog " * 30)), row=2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("encoders")
    return {name: save(name, place / f"tiny-{name}") for name in ("t5", "bert", "roberta")}


@pytest.fixture(scope="module")
def loaded(folders):
    return {name: domlora.load_model(folder) for name, folder in folders.items()}


# Loading


def test_each_model_comes_with_its_own_head_and_objective(loaded):
    found = {name: (model.objective, model.architecture) for name, model in loaded.items()}
    assert found == {
        "t5": ("seq2seq", "T5ForConditionalGeneration"),
        "bert": ("masked", "BertForMaskedLM"),
        "roberta": ("masked", "RobertaForMaskedLM"),
    }


def test_a_config_that_names_no_class_is_loaded_by_its_type(folders, tmp_path):
    for name, objective in (("t5", "seq2seq"), ("bert", "masked")):
        folder = tmp_path / name
        folder.mkdir()
        for path in folders[name].iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps({**config, "architectures": None}), encoding="utf-8")
        assert domlora.load_model(folder).objective == objective


def test_a_causal_bert_stays_causal(folders, tmp_path):
    settings = {**ROBERTA, "vocab_size": 300, "is_decoder": True}
    hf.RobertaForCausalLM(hf.RobertaConfig(**settings)).save_pretrained(tmp_path)
    hf.AutoTokenizer.from_pretrained(folders["roberta"]).save_pretrained(tmp_path)
    model = domlora.load_model(tmp_path)
    assert (model.objective, model.architecture) == ("causal", "RobertaForCausalLM")


def test_a_vision_language_model_is_probed_on_text_with_its_tower_left_out(tokenizer, tmp_path, task_file):
    text = {**COMMON, "vocab_size": len(tokenizer), "max_position_embeddings": 256, "model_type": "llama"}
    vision = {
        "model_type": "clip_vision_model", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "image_size": 16, "patch_size": 8, "projection_dim": 32,
    }  # fmt: skip
    config = hf.LlavaConfig(text_config=text, vision_config=vision, image_token_index=5, image_seq_length=4)
    hf.LlavaForConditionalGeneration(config).save_pretrained(tmp_path / "vlm")
    tokenizer.save_pretrained(tmp_path / "vlm")
    model = domlora.load_model(tmp_path / "vlm")
    assert (model.objective, model.architecture) == ("causal", "LlavaForConditionalGeneration")
    energy = domlora.probe(model, load_task(task_file), samples=4, rank=4)
    assert set(energy.modules["stack"]) == {"decoder"}
    assert energy.modules["energy"].min() > 0
    towers = [skipped.module for skipped in energy.provenance.skipped]
    assert towers and all("vision" in name for name in towers)
    assert domlora.place(energy, "dominant", rank=4).task_type == "CAUSAL_LM"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: hf.BertForSequenceClassification(hf.BertConfig(**SMALL)), "BertForSequenceClassification, which"),
        (lambda: hf.BertModel(hf.BertConfig(**SMALL)), "BertModel, which has no loss over the tokens"),
        (lambda: hf.T5EncoderModel(hf.T5Config(d_model=32, d_kv=8, d_ff=48, num_layers=1, num_heads=4, vocab_size=97)),
         "T5EncoderModel, which has no loss"),
        (lambda: hf.WhisperForConditionalGeneration(hf.WhisperConfig(**WHISPER)), "whisper model, which has no loss"),
    ],
)  # fmt: skip
def test_a_model_without_a_loss_over_text_is_refused_in_one_line(folders, tmp_path, capsys, make, words):
    make().save_pretrained(tmp_path / "other")
    hf.AutoTokenizer.from_pretrained(folders["bert"]).save_pretrained(tmp_path / "other")
    with pytest.raises(ModelError, match=words):
        domlora.load_model(tmp_path / "other")
    status, out, err = run(capsys, "probe", tmp_path / "other", "--task", "math", "--samples", 4)
    lines = [line for line in err.splitlines() if line.startswith("domlora: ")]
    assert (status, out, len(lines)) == (1, "", 1), err
    assert re.search(words, lines[0])


SMALL = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 1, "num_attention_heads": 4, "vocab_size": 97}
WHISPER = {
    "d_model": 32, "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": 4, "decoder_attention_heads": 4,
    "encoder_ffn_dim": 48, "decoder_ffn_dim": 48, "vocab_size": 97, "max_source_positions": 20,
    "max_target_positions": 20, "pad_token_id": 1, "bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 2,
    "suppress_tokens": None, "begin_suppress_tokens": None,
}  # fmt: skip


def test_an_encoder_decoder_that_does_not_say_how_an_answer_begins_is_refused(folders, tmp_path):
    for path in folders["t5"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "decoder_start_token_id": None}), encoding="utf-8")
    with pytest.raises(ModelError, match="names no decoder_start_token_id"):
        domlora.load_model(tmp_path)


# Encoding for an encoder-decoder


def test_the_encoder_reads_all_but_the_last_turn_and_the_decoder_writes_that(loaded):
    model = loaded["t5"]
    (sample,) = model.encode([CHAT], 200).samples
    read, answer = sample.ids[: sample.source], [label for label in sample.labels if label != IGNORED]
    prompt = "User: what is two?\n\nAssistant: the fox\n\nUser: and?\n\nAssistant:"
    assert list(read) == model.tokenizer(prompt)["input_ids"]
    assert read[-1] == model.tokenizer.eos_token_id
    assert answer == model.tokenizer("four dogs")["input_ids"]
    assert answer[-1] == model.tokenizer.eos_token_id
    assert sample.row == 7


def test_what_the_decoder_reads_is_what_the_model_itself_makes_of_the_labels(loaded):
    model = loaded["t5"]
    (sample,) = model.encode([CHAT], 200).samples
    labels = torch.tensor([sample.labels[sample.source :]])
    written = torch.tensor([sample.ids[sample.source :]])
    assert written[0, 0] == model.model.config.decoder_start_token_id
    assert written[0, 1:].tolist() == labels[0, :-1].tolist()
    read = torch.tensor([sample.ids[: sample.source]])
    own = model.model(input_ids=read, labels=labels).loss  # shifts by itself
    torch.testing.assert_close(model.model(input_ids=read, decoder_input_ids=written, labels=labels).loss, own)
    assert sample.response == (False,) * sample.source + (True,) * labels.shape[1]
    assert sample.targets == labels.shape[1]


def test_both_sides_are_cut_to_the_maximum_length_and_keep_their_end(loaded):
    model = loaded["t5"]
    encoding = model.encode([CHAT, LONG], 30)
    assert encoding.truncated == 2
    sample = encoding.samples[1]
    answer = [label for label in sample.labels if label != IGNORED]
    assert (sample.source, len(answer)) == (30, 30)
    assert sample.ids[sample.source - 1] == answer[-1] == model.tokenizer.eos_token_id


def test_a_tokenizer_that_writes_no_end_gets_one_on_both_sides(loaded, tokenizer):
    plain = copy.deepcopy(tokenizer)
    plain.chat_template = None
    (sample,) = encode_pairs([CHAT], plain, 200, lambda labels: [0, *labels[:-1]]).samples
    assert sample.ids[sample.source - 1] == sample.labels[-1] == plain.eos_token_id
    assert plain.decode(sample.ids[: sample.source]).count("<|end|>") == 1


def test_a_chat_template_writes_the_prompt_where_there_is_one(tokenizer):
    (sample,) = encode_pairs([CHAT], tokenizer, 200, lambda labels: [0, *labels[:-1]]).samples
    words = tokenizer.decode(sample.ids[: sample.source])
    assert words == "<|user|>what is two?<|end|>\n<|assistant|>the fox<|end|>\n<|user|>and?<|end|>\n<|assistant|>"


# Encoding for a masked model


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_some_tokens_of_the_responses_and_no_others_are_masked(loaded, name):
    model = loaded[name]
    (sample,) = model.encode([LONG], 512).samples
    mask = model.tokenizer.mask_token_id
    assert [token == mask for token in sample.ids] == list(sample.response)
    assert [label != IGNORED for label in sample.labels] == list(sample.response)
    whole = [token if label == IGNORED else label for token, label in zip(sample.ids, sample.labels, strict=True)]
    text = f"User: {LONG.messages[0].content}\n\nAssistant: {LONG.messages[1].content}".rstrip()
    assert whole == model.tokenizer(text)["input_ids"]
    answer = [i for i, (start, _) in enumerate(model.tokenizer(text, return_offsets_mapping=True)["offset_mapping"])
              if start >= text.index("Assistant: ") + len("Assistant:")]  # fmt: skip
    assert {i for i, masked in enumerate(sample.response) if masked} <= set(answer)
    assert sample.targets == pytest.approx(MASK_RATE * len(answer), abs=1)


def test_turns_of_the_assistant_alone_are_masked_also_in_the_middle(loaded):
    seen = set()
    for seed in range(60):
        (sample,) = loaded["bert"].encode([CHAT], 512, seed).samples
        seen |= {i for i, masked in enumerate(sample.response) if masked}
    whole = [token if label == IGNORED else label for token, label in zip(sample.ids, sample.labels, strict=True)]
    words = loaded["bert"].tokenizer.decode([whole[i] for i in sorted(seen)])
    assert words.replace(" ", "") == "thefoxfourdogs"


def test_masks_follow_from_the_seed_and_the_row_alone(loaded):
    model, other = loaded["bert"], Sample(LONG.messages, row=3)
    alone = model.encode([LONG], 512, seed=1).samples[0]
    assert model.encode([CHAT, LONG], 512, seed=1).samples[1] == alone
    assert model.encode([LONG], 512, seed=2).samples[0].response != alone.response
    assert model.encode([other], 512, seed=1).samples[0].response != alone.response


def test_one_token_at_least_is_masked(loaded):
    short = Sample((Message("user", "what is two and two?"), Message("assistant", "a")), row=1)
    assert loaded["roberta"].encode([short], 512).samples[0].targets == 1


@pytest.mark.parametrize(("name", "positions"), [("bert", 512), ("roberta", 512)])
def test_a_text_longer_than_the_models_positions_is_cut_before_it_is_read(loaded, name, positions):
    model = loaded[name]
    endless = Sample((Message("user", "go on"), Message("assistant", "the lazy dog = 12 " * 300)), row=1)
    encoding = model.encode([endless], 4000)
    (sample,) = encoding.samples
    assert (len(sample.ids), encoding.truncated) == (positions, 1)
    assert sample.ids[-1] == model.tokenizer.sep_token_id
    assert model.model(input_ids=torch.tensor([sample.ids])).logits.isfinite().all()


def test_a_row_whose_response_is_cut_off_is_left_out(loaded):
    encoding = loaded["bert"].encode([CHAT, LONG], 40)
    assert encoding.dropped == {2: "no response within the first 40 tokens"}


def test_a_tokenizer_without_a_mask_token_is_an_error(tokenizer):
    with pytest.raises(TaskError, match="has no mask token"):
        encode_masked([CHAT], tokenizer, 100, 0)


# From the command line to PEFT


@pytest.mark.parametrize(("name", "modules"), [("t5", 32), ("bert", 12), ("roberta", 12)])
def test_probe_answers_from_the_command_line(capsys, folders, name, modules):
    command = ("probe", folders[name], "--task", "math", "--samples", 4, "--rank", 4, "--json")
    status, text, err = run(capsys, *command)
    assert status == 0, err
    found = json.loads(text)
    assert len(found["modules"]) == modules
    assert sum(module["share"] for module in found["modules"]) == pytest.approx(1)
    assert min(module["energy"] for module in found["modules"]) > 0
    again = json.loads(run(capsys, *command)[1])
    assert again["provenance"] == found["provenance"]
    assert [m["energy"] for m in json.loads(run(capsys, *command, "--refresh")[1])["modules"]] == [
        m["energy"] for m in found["modules"]
    ]


@pytest.mark.parametrize(("name", "placement"), [("t5", "dominant"), ("t5", "all-linear"), ("bert", "qv")])
def test_place_writes_a_config_with_which_peft_adapts_exactly_those_modules(
    capsys, folders, tmp_path, loaded, name, placement
):
    command = ("place", folders[name], "--task", "math", "--samples", 4, "--rank", 2, "--placement", placement)
    status, text, err = run(capsys, *command, "--out", tmp_path / "placed", "--json")
    assert status == 0, err
    placed = json.loads(text)
    base = type(loaded[name].model).from_pretrained(folders[name])
    config = LoraConfig.from_pretrained(str(tmp_path / "placed"))
    assert config.task_type == {"t5": "SEQ_2_SEQ_LM", "bert": None}[name]
    adapted = get_peft_model(base, config)
    layers = {n.removeprefix("base_model.model.") for n, m in adapted.named_modules() if hasattr(m, "lora_A")}
    assert layers == {module["module"] for module in placed["modules"]}
    assert adapted.get_nb_trainable_parameters()[0] == placed["trainable_parameters"]
    if placement == "all-linear":
        assert layers == {module.name for module in find_modules(loaded[name].model).modules}


@pytest.mark.parametrize("name", ["t5", "bert"])
def test_comparisons_refuse_such_models_before_any_work(capsys, monkeypatch, folders, loaded, name):
    words = (
        "comparisons train causal language models so far: probe this model and take the placement with `domlora place`"
    )
    monkeypatch.setattr("domlora.energy.measure.find_modules", lambda *_: pytest.fail("it was probed"))
    monkeypatch.setattr("domlora.models.loading.load_local", lambda *_, **__: pytest.fail("it was loaded"))
    status, out, err = run(capsys, "compare", folders[name], "--task", "math", "--placements", "dominant")
    assert (status, out) == (1, "")
    assert len([line for line in err.splitlines() if words in line]) == 1, err
    with pytest.raises(ModelError, match="comparisons train causal"):
        run_sweep(SweepRequest(model=str(folders[name]), task="math"), Store(), lambda *_: None)
    with pytest.raises(ModelError, match="comparisons train causal"):
        domlora.compare(loaded[name], load_task("math"), ["dominant"])


def test_launch_says_so_before_a_comparison_is_queued(folders):
    def errors(kind):
        app = AppTest.from_file(str(APP), default_timeout=30).run()
        for name, value in {"kind": kind, "task": "math", "model": "another one", "own_model": folders["t5"]}.items():
            app.query_params[name] = str(value)
        app.switch_page("launch/page.py").run()
        assert not app.exception
        return [error.value for error in app.error], app.button(key="start").disabled

    (line,), disabled = errors("Comparison")
    assert disabled and "tiny-t5 is an encoder-decoder, and comparisons train causal language models so far" in line
    assert errors("Probe") == ([], False)
