"""What a model will learn, shown: every run of text, without weights."""

import copy
import json
import os
import shutil
from dataclasses import asdict

import pytest

from domlora.data.encoding import IGNORED
from domlora.data.samples import Message, Sample
from domlora.data.tasks import Task, load_task
from domlora.errors import ModelError, TaskError
from domlora.models.fetch import found_here, localise
from domlora.models.loading import load_local
from domlora.models.reference import ModelRef, resolve
from domlora.models.shown import LOOKED_AT, Shown, runs_of, show
from tests.helpers.conversations import conversation
from tests.helpers.encoder_folders import save, t5_tokenizer


@pytest.fixture
def without_weights(monkeypatch):
    """Loading weights is an error."""
    monkeypatch.setattr("transformers.PreTrainedModel.from_pretrained", lambda *_, **__: pytest.fail("weights"))


@pytest.fixture(scope="module")
def encoder_folders(tmp_path_factory):
    place = tmp_path_factory.mktemp("encoders")
    return {name: save(name, place / f"tiny-{name}") for name in ("t5", "bert", "roberta")}


def local(folder):
    return localise(resolve(str(folder)))


def task(*samples):
    return Task("made", "made", "chat", samples)


def joined(sample, trained=None):
    return "".join(run.text for run in sample.runs if trained in (None, run.trained))


def test_the_answer_and_its_end_are_trained_and_the_rest_is_read(tiny_folder, without_weights):
    found = show(local(tiny_folder), task(conversation("what is two?", "the fox", "and?", "lazy dog")), 3, 200)
    (sample,) = found.samples
    assert [(run.text, run.trained) for run in sample.runs] == [
        ("<|user|>what is two?<|end|>\n<|assistant|>", False),
        ("the fox<|end|>", True),
        ("\n<|user|>and?<|end|>\n<|assistant|>", False),
        ("lazy dog<|end|>", True),
        ("\n", False),
    ]
    assert (found.objective, found.plain, found.cut, sample.cut) == ("causal", False, 0, False)


def test_its_counts_are_those_of_what_is_measured(tiny_folder, task_file):
    rows = load_task(task_file)
    found = show(local(tiny_folder), rows, 3, 60)
    encoding = load_local(local(tiny_folder)).encode(rows.split("train"), 60)
    assert (found.rows, found.looked_at, found.used, found.cut) == (8, 8, len(encoding.samples), encoding.truncated)
    assert found.trained == sum(sample.targets for sample in encoding.samples)
    assert found.trained + found.prompt == sum(len(sample.ids) for sample in encoding.samples)
    assert [(s.row, s.trained, s.cut) for s in found.samples] == [
        (s.row, s.targets, cut) for s, cut in zip(encoding.samples[:3], encoding.cut, strict=False)
    ]
    assert 0 < found.cut < 8


def test_what_is_left_out_is_counted_with_its_reason(tiny_folder):
    long = [conversation("what is two and two? " * 40, "four", row=row) for row in (2, 3)]
    found = show(local(tiny_folder), task(conversation("what?", "four", row=1), *long), 3, 40)
    assert [remark.words for remark in found.left_out] == [
        "2 rows left out: no response within the first 40 tokens (such as row 2)"
    ]
    assert found.sentences == [
        f"In all 3 train rows: {found.trained} trained and {found.prompt} prompt tokens; 2 too long and cut.",
        "2 rows left out: no response within the first 40 tokens (such as row 2).",
    ]


def test_remarks_of_the_encoding_are_handed_on(tiny_folder):
    thinking = Sample((Message("user", "what?"), Message("assistant", "four", reasoning="two and two")), row=4)
    found = show(local(tiny_folder), task(thinking), 1, 200)
    assert [remark.words for remark in found.remarks] == ["1 thought that the chat template does not show (row 4)"]


def test_it_goes_through_json_and_back(tiny_folder):
    samples = [conversation("what is two and two? " * 40, "four", row=2), conversation("<script>", "[red]é", row=3)]
    found = show(local(tiny_folder), task(*samples), 3, 40)
    text = found.model_dump_json()
    assert Shown.model_validate_json(text) == found
    assert json.loads(text)["left_out"] == [asdict(found.left_out[0])]


def test_many_rows_are_looked_at_up_to_a_bound(tiny_folder):
    found = show(local(tiny_folder), task(*[conversation("a", "b", row=i) for i in range(LOOKED_AT + 5)]), 1, 40)
    assert (found.rows, found.looked_at, len(found.samples)) == (LOOKED_AT + 5, LOOKED_AT, 1)
    assert f"the first {LOOKED_AT} of {LOOKED_AT + 5} train rows" in found.sentences[0]


def test_a_split_that_is_not_there_is_one_line(tiny_folder):
    with pytest.raises(TaskError, match=r"made has no split 'test': choose from train \(1\)"):
        show(local(tiny_folder), task(conversation("a", "b")), 1, 40, split="test")


def test_nothing_usable_is_one_line(tiny_folder):
    with pytest.raises(TaskError, match="none of 1 samples can be used"):
        show(local(tiny_folder), task(conversation("what is two and two? " * 40, "four")), 1, 40)


# Characters and tokens


@pytest.mark.parametrize("text", ["é", "日本語 🦊", "a🦊b", "naïve  café\t\n x"])
def test_characters_of_several_tokens_stay_whole(tiny_folder, text):
    found = show(local(tiny_folder), task(conversation(text, text)), 1, 400)
    (sample,) = found.samples
    assert joined(sample) == f"<|user|>{text}<|end|>\n<|assistant|>{text}<|end|>\n"
    assert joined(sample, trained=True) == f"{text}<|end|>"


def test_a_character_that_the_end_cuts_is_left_out(tiny_folder, tokenizer):
    length = len(tokenizer("<|user|>a<|end|>\n<|assistant|>日本", add_special_tokens=False)["input_ids"]) - 1
    (sample,) = show(local(tiny_folder), task(conversation("a", "日本語")), 1, length).samples
    assert joined(sample) == "<|user|>a<|end|>\n<|assistant|>日"
    assert sample.cut


def test_a_character_that_two_runs_share_is_on_the_trained_side(tokenizer):
    ids = tokenizer("a日b", add_special_tokens=False)["input_ids"]
    for trained in ([0, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]):
        runs = runs_of(ids, [bool(one) for one in trained], tokenizer)
        assert [(run.text, run.trained) for run in runs] == [("a", False), ("日", True), ("b", False)]


def test_blanks_before_words_are_kept_where_a_decoder_leaves_out_the_first():
    tokenizer = t5_tokenizer()
    ids = tokenizer("the fox and the dog", add_special_tokens=False)["input_ids"]
    first = len(tokenizer("the fox", add_special_tokens=False)["input_ids"])
    runs = runs_of(ids, [i >= first for i in range(len(ids))], tokenizer)
    assert [run.text for run in runs] == ["the fox", " and the dog"]


def test_a_tokenizer_that_tidies_blanks_does_not_tidy_here(tiny_folder, tokenizer, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "tidy")
    tidy = copy.deepcopy(tokenizer)
    tidy.clean_up_tokenization_spaces = True
    tidy.save_pretrained(folder)
    (sample,) = show(local(folder), task(conversation("a . b", "do n't , x !")), 1, 200).samples
    assert joined(sample, trained=True) == "do n't , x !<|end|>"


def test_a_model_without_a_template_says_so_and_its_first_token_is_never_trained(tiny_folder, tokenizer, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "plain", ignore=shutil.ignore_patterns("chat_template*"))
    plain = copy.deepcopy(tokenizer)
    plain.chat_template = None
    plain.save_pretrained(folder)
    whole = Sample((Message("assistant", "xyz"),), row=1, whole=True)
    found = show(local(folder), task(conversation("what?", "four", row=2), whole), 2, 200)
    assert found.plain and any("no chat template" in sentence for sentence in found.sentences)
    asked, text = found.samples
    assert joined(asked) == "User: what?\n\nAssistant: four<|end|>"
    assert [(run.text, run.trained) for run in text.runs] == [("x", False), ("yz<|end|>", True)]
    assert (text.trained, text.prompt) == (3, 1)


# Other objectives


def test_an_encoder_decoder_shows_what_it_reads_and_then_what_it_writes(encoder_folders, without_weights):
    found = show(local(encoder_folders["t5"]), task(conversation("what?", "the fox", "and?", "four dogs")), 1, 200)
    (sample,) = found.samples
    assert [(run.text, run.trained) for run in sample.runs] == [
        ("User: what?\n\nAssistant: the fox\n\nUser: and?\n\nAssistant:</s>", False),
        ("four dogs</s>", True),
    ]
    assert any("encoder" in sentence for sentence in found.sentences)
    assert [remark.words for remark in found.remarks] == [
        "1 turn before the last response read and not learned (row 1)"
    ]


@pytest.mark.parametrize("name", ["bert", "roberta"])
def test_a_masked_model_shows_the_words_behind_its_masks(encoder_folders, without_weights, name):
    rows = task(conversation("what?", "the lazy dog " * 9))
    found = show(local(encoder_folders[name]), rows, 1, 200)
    (sample,) = found.samples
    assert "mask" not in joined(sample).lower()
    assert "thelazydog" in joined(sample).replace(" ", "")
    assert 0 < sample.trained < sample.prompt
    assert any("behind the mask token" in sentence for sentence in found.sentences)


@pytest.mark.parametrize("name", ["t5", "bert", "roberta"])
def test_without_weights_samples_are_encoded_as_with_them(encoder_folders, name):
    rows = task(conversation("go on", "the lazy dog = 12 " * 300))  # longer than the models' positions
    found = show(local(encoder_folders[name]), rows, 1, 4000, seed=3)
    (sample,) = load_local(local(encoder_folders[name])).encode(rows.samples, 4000, seed=3).samples
    wanted = sum(label != IGNORED for label in sample.labels)
    assert (found.trained, found.prompt, found.cut) == (wanted, len(sample.ids) - wanted, 1)


# Files


def test_a_model_that_cannot_be_read_is_one_line(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "silent", ignore=shutil.ignore_patterns("tokenizer*"))
    with pytest.raises(ModelError, match="has no tokenizer"):
        show(local(folder), task(conversation("a", "b")), 1, 40)
    (folder / "config.json").write_text(
        '{"architectures": ["LlamaForCausalLM"], "model_type": "nothing-known"}', encoding="utf-8"
    )
    with pytest.raises(ModelError, match="cannot load"):
        show(local(folder), task(conversation("a", "b")), 1, 40)


def test_a_model_that_is_not_here_is_not_fetched(monkeypatch):
    monkeypatch.setattr("domlora.models.fetch._from_hub", lambda *_: pytest.fail("fetched"))
    for source, kind in (("smollm2-135m", "builtin"), ("someone/unknown-model", "hub")):
        with pytest.raises(ModelError, match=f"{source} is not on this machine yet: `domlora models get {source}`"):
            localise(ModelRef(source=source, kind=kind), fetch=False)


def test_a_gguf_that_was_not_converted_is_left_as_it_is(tmp_path, monkeypatch):
    monkeypatch.setattr("domlora.models.fetch.convert_gguf", lambda *_: pytest.fail("converted"))
    (tmp_path / "some.gguf").write_bytes(b"GGUF")
    with pytest.raises(ModelError, match="has not been converted yet"):
        localise(resolve(str(tmp_path / "some.gguf")), fetch=False)


def test_what_stands_for_a_models_files_changes_with_them(tiny_folder, tmp_path):
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    before = found_here(resolve(str(folder)))
    assert before == found_here(resolve(str(folder)))
    os.utime(folder / "tokenizer.json", ns=(1, 1))
    assert found_here(resolve(str(folder))) != before
    assert found_here(resolve("ref-llama")) == "ref-llama"
    assert found_here(resolve("smollm2-135m")) is None
    assert found_here(ModelRef(source="someone/unknown-model", kind="hub")) is None
    assert found_here(ModelRef(source="not--a/valid..id", kind="hub")) is None
