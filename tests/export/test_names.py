"""Names of others are data in every file: whatever they hold, scripts are Python, settings YAML, and both say the same
names again.
"""

from __future__ import annotations

import ast
import json
import re
import tokenize
from dataclasses import replace
from io import StringIO

import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domlora.comparison.analysis import compare_run
from domlora.data.origin import TaskOrigin
from domlora.export import axolotl, llama_factory, trl, unsloth
from domlora.export.card import card
from domlora.export.taken import Taken
from domlora.placements.placement import PlacedModule, Placement
from domlora.quoting import comment, literal, markdown
from tests.helpers.recipes import EQUAL, recipe
from tests.helpers.runs import a_run

NASTY = [
    "a'b", 'a"b', '"""', "'''", "a\nimport os", "# a", "a: b", "- a", "a\\", "{x}", "${x}", "%s", "é雪🧊", "\u2028",
    "\udc80", "\x00", "\x07", "```", "a\r\nb", "null", "1e-3", "no", "~", "\ufeff", "\x85", "*a", "&a", "!a", "@",
]  # fmt: skip
names = st.one_of(st.sampled_from(NASTY), st.text(st.characters(), min_size=1)).filter(bool)


def constant(text: str, name: str):
    """The value of an assignment at the head of a script."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return ast.literal_eval(node.value)
    raise AssertionError(f"{name} is not there")


def only_code(text: str) -> list[str]:
    """The tokens of a script without its comments and texts."""
    kinds = (tokenize.COMMENT, tokenize.STRING, tokenize.NL)
    return [token.string for token in tokenize.generate_tokens(StringIO(text).readline) if token.type not in kinds]


@settings(deadline=None, max_examples=50)
@given(names, names, names, names)
@example('"""', "\n", "'", "#")
@example("a\x00b", "\udc80", "\\", "${")
def test_names_come_back_as_they_were_from_scripts_and_settings(model, rows, title, module):
    kind = EQUAL.modules[0]
    placement = Placement(
        name=title, rank=8, alpha=16,
        modules=(kind, PlacedModule(**kind.model_dump() | {"module": module, "rank": 3})),
    )  # fmt: skip
    origin = TaskOrigin(kind="file", place=f"/{rows}_.jsonl", format="messages")
    nasty = recipe(placement, origin=origin, model=model, revision=title, title=title)
    plain = recipe(placement, model="m", revision="r", title="t")
    for make in (trl.script, unsloth.script):
        text = make(nasty)
        text.encode("utf-8")
        assert (constant(text, "MODEL"), constant(text, "REVISION")) == (model, title)
        assert only_code(text) == only_code(make(plain))
    said = yaml.safe_load(axolotl.config(nasty))
    assert (said["base_model"], said["revision_of_model"]) == (model, title)
    assert said["lora_target_modules"] == [kind.module, module]
    assert said["datasets"][0]["path"] == f"/{rows}_.jsonl"
    said = yaml.safe_load(llama_factory.config(nasty))
    assert (said["model_name_or_path"], said["model_revision"]) == (model, title)
    (entry,) = json.loads(llama_factory.dataset_info(nasty)).values()
    assert entry["file_name"] == f"/{rows}_.jsonl"
    for make in (axolotl.config, llama_factory.config, llama_factory.dataset_info):
        make(nasty).encode("utf-8")
    scope: dict = {}
    exec(placement.snippet(), scope)
    assert scope["config"].target_modules == {kind.module, module}


@given(st.text(st.characters()))
def test_a_comment_and_a_word_of_markdown_are_one_line(text):
    for said in (comment(text), markdown(text)):
        said.encode("utf-8")
        assert len(said.splitlines()) <= 1
    assert only_code(f"# {comment(text)}\na = 1\n") == only_code("a = 1\n")
    assert yaml.safe_load(f"# {comment(text)}\na: 1\n") == {"a": 1}


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


@given(values)
def test_a_literal_is_the_same_value_again(value):
    text = literal(value)
    text.encode("utf-8")
    assert ast.literal_eval(text) == value


@settings(deadline=None)  # the first one imports
@given(names, names)
def test_the_card_says_names_as_words_and_its_python_is_python(variant, task):
    run = a_run(task=task)
    one = replace(run.variants[0], name=variant)
    run = replace(run, variants=(one, *run.variants[1:]))
    made = recipe(model=variant, revision=task)
    text = card(Taken(run, compare_run(run, ()), one, made))
    text.encode("utf-8")
    _, head, body = text.split("---\n", 2)
    assert yaml.safe_load(head)["library_name"] == "peft"
    words, fence, rest = re.split(r"^(`{3,})python\n", body, maxsplit=1, flags=re.MULTILINE)
    assert len(words.strip().splitlines()) == 3  # heading, empty line, what it is
    code = ast.parse(rest.split(f"\n{fence}\n", 1)[0])
    assert variant in [node.value for node in ast.walk(code) if isinstance(node, ast.Constant)]
