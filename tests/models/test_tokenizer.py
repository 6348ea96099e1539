"""The tokenizer of a folder and its chat template: the one that is meant, or one line that says what is wrong."""

import json
import shutil

import pytest

from domlora.errors import ModelError
from domlora.models.tokenizer import load_tokenizer

TEMPLATE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
OTHER = "{% for m in messages %}[{{ m['content'] }}]{% endfor %}"


@pytest.fixture
def folder(tiny_folder, tmp_path):
    """With a tokenizer that has no chat template."""
    copy = shutil.copytree(tiny_folder, tmp_path / "model")
    (copy / "chat_template.jinja").unlink()
    return copy


def configure(folder, **settings):
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **settings}), encoding="utf-8")


def template(folder):
    return load_tokenizer(folder).chat_template


def refused(folder, *words):
    with pytest.raises(ModelError) as caught:
        load_tokenizer(folder)
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def named(**templates):
    return [{"name": name, "template": text} for name, text in templates.items()]


def beside(folder, **templates):
    place = folder / "additional_chat_templates"
    place.mkdir()
    for name, text in templates.items():
        (place / f"{name}.jinja").write_text(text, encoding="utf-8")


def test_a_template_in_a_file_and_one_in_the_settings_are_read(folder):
    assert template(folder) is None
    configure(folder, chat_template=TEMPLATE)
    assert template(folder) == TEMPLATE
    (folder / "chat_template.jinja").write_text(OTHER, encoding="utf-8")
    assert template(folder) == OTHER


def test_of_named_templates_the_default_is_used(folder):
    configure(folder, chat_template=named(rag=OTHER, default=TEMPLATE))
    assert template(folder) == TEMPLATE


def test_named_templates_without_a_default_are_refused_with_their_names(folder):
    configure(folder, chat_template=named(tool_use=OTHER, rag=TEMPLATE))
    refused(folder, "named rag, tool_use and no default among them: save the one that is meant as chat_template.jinja")


def test_a_folder_of_further_templates_needs_a_default_too(folder):
    beside(folder, rag=OTHER, tool_use=OTHER)
    refused(folder, "named rag, tool_use and no default")
    configure(folder, chat_template=TEMPLATE)
    assert template(folder) == TEMPLATE
    (folder / "chat_template.jinja").write_text(OTHER, encoding="utf-8")
    assert template(folder) == OTHER


@pytest.mark.parametrize("empty", ["", "  \n\t"])
def test_an_empty_template_counts_as_none(folder, empty):
    configure(folder, chat_template=empty)
    assert template(folder) is None
    (folder / "chat_template.jinja").write_text(empty, encoding="utf-8")
    assert template(folder) is None
    configure(folder, chat_template=named(default=empty, rag=OTHER))
    (folder / "chat_template.jinja").unlink()
    assert template(folder) is None


def test_the_template_of_a_processor_is_read_where_the_tokenizer_has_none(folder):
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": OTHER}), encoding="utf-8")
    assert template(folder) == OTHER
    configure(folder, chat_template=TEMPLATE)
    assert template(folder) == TEMPLATE
    configure(folder, chat_template="")
    (folder / "chat_template.json").write_text(
        json.dumps({"chat_template": named(default=OTHER, rag=TEMPLATE)}), encoding="utf-8"
    )
    assert template(folder) == OTHER
    (folder / "chat_template.json").write_text("{", encoding="utf-8")
    refused(folder, "chat_template.json cannot be read")


BROKEN = "{% for m in messages %}\n{{ m['content'] }\n{% endfor %}"


def test_a_broken_template_is_named_with_its_file_and_line(folder):
    configure(folder, chat_template=BROKEN)
    refused(folder, f"{folder / 'tokenizer_config.json'} is broken at its line 2")
    (folder / "chat_template.jinja").write_text("\n\n{% endfor %}", encoding="utf-8")
    refused(folder, f"{folder / 'chat_template.jinja'} is broken at its line 3")
    (folder / "chat_template.jinja").unlink()
    configure(folder, chat_template=None)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": "{{ x | nonsense }}"}), encoding="utf-8")
    refused(folder, f"{folder / 'chat_template.json'} is broken at its line 1", "nonsense")


def test_a_template_with_the_marks_of_transformers_is_no_broken_one(folder):
    text = "{% for m in messages %}{% generation %}{{ m['content'] }}{% endgeneration %}{% continue %}{% endfor %}"
    configure(folder, chat_template=text)
    assert template(folder) == text


def test_a_template_that_is_no_text_is_refused(folder):
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": 3}), encoding="utf-8")
    refused(folder, "chat_template.json is a int, not a text")


@pytest.mark.parametrize("content", ["", "{}", '{"model": {"type": "BPE"}}', "[", "null"])
def test_a_tokenizer_that_cannot_be_loaded_is_refused(folder, content):
    (folder / "tokenizer.json").write_text(content, encoding="utf-8")
    refused(folder, f"the tokenizer of {folder} cannot be loaded (")


def test_a_tokenizer_that_needs_its_own_code_is_refused_and_nobody_is_asked(folder, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda prompt: pytest.fail("a question"))
    (folder / "config.json").unlink()
    configure(folder, tokenizer_class="OwnTokenizer", auto_map={"AutoTokenizer": ["own.OwnTokenizer", None]})
    refused(folder, "needs Python code of its own")


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    refused(tmp_path, "has no tokenizer")
