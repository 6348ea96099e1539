"""What of a conversation the model is to write, under chat templates of every behaviour."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domlora.data.encoding import encode
from domlora.data.samples import Message, Sample, ToolCall
from domlora.data.template import ChatTemplate
from domlora.errors import TaskError
from tests.helpers.conversations import conversation
from tests.helpers.templates import (
    CALLS,
    FILE,
    SYSTEM,
    TALK,
    TEMPLATES,
    THOUGHTS,
    document,
    learned,
    reference_tokenizer,
    with_template,
)


@pytest.fixture(scope="module")
def reference():
    return reference_tokenizer()


def runs(tokenizer, source, *messages, **more):
    """The trained text of each run, and the remarks in words."""
    other = with_template(tokenizer, source)
    encoding = encode([Sample(messages, row=1, **more)], other, 2000)
    return learned(other, encoding.samples[0]), [remark.words for remark in encoding.remarks]


def refused(tokenizer, source, *messages):
    with pytest.raises(TaskError) as caught:
        runs(tokenizer, source, *messages)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_table_of_templates_is_not_stale(reference):
    assert FILE.read_text(encoding="utf-8") == document(reference), "write it anew: python -m tests.helpers.templates"


# --- for any conversation, exactly the answers with their end tokens ---

# Words that templates, tokenizers and other turns hold too, white space, code, markup and characters of many bytes.
WORDS = st.sampled_from(
    ["yes", "no", " ", "\n", "\n\n", "    return x", "<|im_end|>", "<|im_start|>assistant\n", "<|stop|>", "</s>",
     "[/INST]", "{{ m }}", "{% if %}", "é", "🙂", "漢字", "0", "user", "ASSISTANT:", "\t", "\\", '"', "domlora0place0q"]
)  # fmt: skip
TEXT = st.lists(WORDS, min_size=1, max_size=5).map("".join).filter(str.strip)
SEPARATOR = "\0"


@settings(max_examples=40, deadline=None)
@pytest.mark.parametrize("name", TEMPLATES)
@given(
    talk=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4),
    system=st.none() | TEXT,
    first=st.none() | TEXT,
)
def test_the_trained_text_is_the_answers_with_their_end_tokens(reference, name, talk, system, first):
    template = TEMPLATES[name]
    if name == "repeats" or template.before:
        first = None  # what stands before an answer is known from a question
    messages = [Message("system", system)] if system else []
    messages += [Message("assistant", first)] if first else []
    messages += [Message(role, text) for pair in talk for role, text in zip(("user", "assistant"), pair, strict=True)]
    answers = [message.content for message in messages if message.role == "assistant"]
    if template.trims:
        answers = [answer.strip() for answer in answers]
    if name == "empty_thoughts":
        answers = [answer.lstrip("\n") for answer in answers]
    if name == "last_thoughts" and talk:
        answers[-1] = answers[-1].lstrip("\n")
    ends = [template.end] * (len(answers) - 1) + [template.end if template.last is None else template.last]
    other = with_template(reference, template.source)
    (sample,) = encode([Sample(tuple(messages), row=1)], other, 10_000).samples
    found = [token for token, counts in zip(sample.ids, sample.response, strict=True) if counts]
    expected = "".join(template.before + answer + end for answer, end in zip(answers, ends, strict=True))
    assert other.decode(found, clean_up_tokenization_spaces=False) == expected
    # All that is read is what the template renders, however it was cut into tokens.
    assert other.decode(sample.ids, clean_up_tokenization_spaces=False) == ChatTemplate(other).render(messages)


# --- turns that are context, thoughts, calls ---


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_turn_that_is_context_only_is_not_learned(reference, name):
    turns = (TALK[0], TALK[1].as_context(), *TALK[2:])
    found, _ = runs(reference, TEMPLATES[name].source, *turns)
    assert [text.strip()[:2] for text in found] == ["no"]


def test_thoughts_are_learned_from_where_the_model_begins_to_write(reference):
    found, _ = runs(reference, TEMPLATES["empty_thoughts"].source, *THOUGHTS)
    assert found == ["<think>\nadd them\n</think>\n\n4<|im_end|>", "<think>\nadd again\n</think>\n\n6<|im_end|>"]
    # A prompt that opens the thoughts itself leaves only what follows to the model.
    opened = (
        "{% for m in messages %}<|{{ m.role }}|>\n{% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n"
        "</think>\n\n{% endif %}{{ m.content }}<|stop|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>\n<think>\n{% endif %}"
    )
    found, _ = runs(reference, opened, *THOUGHTS[2:])
    assert found == ["add again\n</think>\n\n6<|stop|>"]


def test_thoughts_within_a_content_are_learned_with_the_marks_around_them(reference):
    asked, thought = THOUGHTS[0], Message("assistant", "<think>\nadd them\n</think>\n\n4")
    found, _ = runs(reference, TEMPLATES["last_thoughts"].source, asked, thought)
    assert found == ["<think>\nadd them\n</think>\n\n4<|im_end|>"]
    found, remarks = runs(reference, TEMPLATES["last_thoughts"].source, asked, thought, *THOUGHTS[2:])
    assert found == ["4<|im_end|>", "<think>\nadd again\n</think>\n\n6<|im_end|>"]
    assert remarks == ["1 thought that the chat template does not show (row 1)"]


def test_a_turn_of_nothing_but_thoughts_ends_too(reference):
    alone = Message("assistant", "", reasoning="hm")
    found, _ = runs(reference, TEMPLATES["last_thoughts"].source, THOUGHTS[0], alone)
    assert found == ["<think>\nhm\n</think>\n\n<|im_end|>"]
    plain = with_template(reference, None)
    with pytest.raises(TaskError, match="nothing but thoughts"):
        encode([Sample((THOUGHTS[0], alone), row=1)], plain, 100)


def test_a_call_that_the_templates_own_marks_do_not_show_is_no_empty_answer(reference):
    call = Message("assistant", "", tool_calls=CALLS[1].tool_calls)
    found, remarks = runs(reference, TEMPLATES["says_itself"].source, CALLS[0], call, *CALLS[2:])
    assert found == ["It is 31.<|im_end|>"]
    assert remarks == ["1 tool call that the chat template does not show (row 1)"]


def test_two_marks_of_a_template_that_touch_are_one_turn(reference):
    source = TEMPLATES["says_itself"].source.replace(
        "<|im_end|>{% endgeneration %}", "{% endgeneration %}{% generation %}<|im_end|>{% endgeneration %}"
    )
    assert runs(reference, source, TALK[0], TALK[1].as_context(), *TALK[2:]) == (["no<|im_end|>"], [])


def test_thoughts_that_are_not_shown_are_counted(reference):
    found, remarks = runs(reference, TEMPLATES["opens_thoughts"].source, *THOUGHTS)
    assert found == ["\n\n4<|stop|>", "6<|stop|>"]
    assert remarks == ["2 thoughts that the chat template does not show (such as row 1)"]


def test_calls_are_learned_where_the_template_shows_them(reference):
    found, remarks = runs(reference, TEMPLATES["tools"].source, *CALLS)
    call = '<tool_call>\n{"name": "weather", "arguments": {"city": "Rome"}}\n</tool_call>'
    assert found == [f"Let me look.\n{call}<|im_end|>", "It is 31.<|im_end|>"]
    assert not remarks
    found, _ = runs(
        reference, TEMPLATES["tools"].source, CALLS[0], Message("assistant", "", tool_calls=CALLS[1].tool_calls)
    )
    assert found == [f"{call}<|im_end|>"]


def test_calls_that_are_not_shown_are_counted_and_their_results_are_no_user_text(reference):
    found, remarks = runs(reference, TEMPLATES["plain"].source, *CALLS)
    assert found == ["Let me look.<|im_end|>", "It is 31.<|im_end|>"]
    assert remarks == ["1 tool call that the chat template does not show (row 1)"]


def test_a_template_that_joins_the_arguments_of_a_call_gets_them_as_text(reference):
    source = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}<call>"
        "{{ c.function.name + c.function.arguments }}</call>{% endfor %}<|im_end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    found, _ = runs(reference, source, CALLS[0], Message("assistant", "", tool_calls=CALLS[1].tool_calls))
    assert found == ['<call>weather{"city": "Rome"}</call><|im_end|>']


def test_tools_of_a_row_reach_the_template_or_are_counted(reference):
    tool = json.dumps({"type": "function", "function": {"name": "weather", "parameters": {}}})
    shows = "{% for t in tools or [] %}{{ t | tojson }}\n{% endfor %}" + TEMPLATES["plain"].source
    assert not runs(reference, shows, *TALK, tools=(tool,))[1]
    assert runs(reference, TEMPLATES["plain"].source, *TALK, tools=(tool,))[1] == [
        "1 tool that the chat template does not show (row 1)"
    ]


def test_an_empty_system_text_is_given_to_the_template(reference):
    other = with_template(reference, TEMPLATES["own_system"].source)
    for system, own in ((), True), ((Message("system", ""),), False):
        (sample,) = encode([Sample((*system, *TALK), row=1)], other, 1000).samples
        assert ("You are yes." in other.decode(sample.ids)) is own


def test_parts_of_a_content_stay_apart_for_a_template_that_writes_parts(reference):
    joins = TEMPLATES["parts"].source.replace("{{ p.text }}", "[{{ p.text }}]")
    asked = Message("user", "a\nb", parts=("a", "b"))
    other = with_template(reference, joins)
    (sample,) = encode([Sample((asked, Message("assistant", "c")), row=1)], other, 1000).samples
    assert "[a][b]" in other.decode(sample.ids)


# --- edges ---


def test_a_token_that_would_reach_over_the_edge_of_an_answer_is_cut_there(reference):
    found, _ = runs(
        reference, TEMPLATES["plain"].source, Message("user", "Return x."), Message("assistant", "    return x\n")
    )
    assert found == ["    return x\n<|im_end|>"]


def test_what_was_cut_apart_is_what_the_model_is_asked(reference):
    other = with_template(reference, TEMPLATES["plain"].source)
    asked, answer = Message("user", "Return x."), Message("assistant", "    return x\n")
    (sample,) = encode([Sample((asked, answer), row=1)], other, 1000).samples
    prompt = other(ChatTemplate(other).render([asked], prompt=True), add_special_tokens=False)["input_ids"]
    assert list(sample.ids[: len(prompt)]) == prompt
    assert sample.response.index(True) == len(prompt)


def test_white_space_that_a_tokenizer_does_not_admit_to_is_cut_at_the_edge(tmp_path):
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    trained = ByteLevelBPETokenizer(trim_offsets=True)
    text = ["<|im_start|>assistant\n    return x\n", "user\n    return y\n"] * 9
    trained.train_from_iterator(
        text, vocab_size=300, special_tokens=["<|im_start|>", "<|im_end|>"], show_progress=False
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=trained._tokenizer, eos_token="<|im_end|>")
    found, _ = runs(
        fast, TEMPLATES["plain"].source, Message("user", "Return x."), Message("assistant", "    return x\n")
    )
    assert found == ["    return x\n<|im_end|>"]


def test_an_end_token_that_swallows_white_space_is_learned_whole(reference):
    from tokenizers import AddedToken

    other = with_template(reference, TEMPLATES["text_ends"].source)
    other.add_tokens(
        [AddedToken("<|end|>", rstrip=True, special=True), AddedToken("<|assistant|>", rstrip=True, special=True)]
    )
    for answer in ("yes", "    yes"):
        (sample,) = encode([Sample((TALK[0], Message("assistant", answer), *TALK[2:]), row=1)], other, 1000).samples
        assert [text.rstrip() for text in learned(other, sample)] == [f"{answer}<|end|>", "no<|end|>"]


def test_an_end_token_is_learned_of_a_turn_that_opens_the_conversation(reference):
    welcome = (Message("assistant", "Welcome."), Message("user", "Hi"), Message("assistant", "Hello."))
    assert runs(reference, TEMPLATES["plain"].source, *welcome)[0] == ["Welcome.<|im_end|>", "Hello.<|im_end|>"]
    assert runs(reference, TEMPLATES["plain"].source, welcome[0])[0] == ["Welcome.<|im_end|>"]


def test_a_template_that_leaves_the_end_token_out_of_its_marks_is_believed_and_said(reference):
    source = TEMPLATES["says_itself"].source.replace("<|im_end|>{% endgeneration %}", "{% endgeneration %}<|im_end|>")
    found, remarks = runs(reference, source, *TALK)
    assert found == ["yes", "no"]
    assert "2 turns learned without their end token" in remarks[0]


# --- what is refused, and how ---


REWRITES = (
    "{{ m.content | length }} {{ m.content }}",
    "{{ m.content[:2] }}",
    "{{ m.content | upper }}",
    "{{ m.content | replace('y', 'Y') }}",
)


@pytest.mark.parametrize("answer", REWRITES)
def test_a_template_that_counts_cuts_or_rewrites_answers_is_refused(reference, answer):
    either = f"{{% if m.role == 'assistant' %}}{answer}{{% else %}}{{{{ m.content }}}}{{% endif %}}"
    source = TEMPLATES["plain"].source.replace("{{ m.content }}", either)
    message = refused(reference, source, TALK[0], Message("assistant", "yes yes"))
    assert "is not certain" in message or "does not show turn 2 (assistant) as it stands" in message


def test_a_template_that_turns_answers_around_is_refused(reference):
    source = TEMPLATES["plain"].source.replace("in messages", "in messages | reverse")
    assert "not certain" in refused(reference, source, *TALK)


def test_a_question_that_is_not_shown_as_it_stands_is_refused(reference):
    cuts = TEMPLATES["plain"].source.replace(
        "{{ m.content }}", "{{ m.content[:60] if m.role == 'user' else m.content }}"
    )
    asked = Message("user", "Is it? " * 20)
    assert "changes the text of turn 1 (user)" in refused(reference, cuts, asked, TALK[1])
    hides = TEMPLATES["plain"].source.replace("in messages", "in messages if m.role != 'user'")
    assert "does not show turn 1 (user)" in refused(reference, hides, *TALK)


def test_a_refused_system_text_names_the_way_out_where_there_is_one(reference):
    source = (
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system role here') }}{% endif %}"
        + TEMPLATES["plain"].source
    )
    message = refused(reference, source, SYSTEM, *TALK)
    assert "refuses it: no system role here (--system fold puts" in message
    assert "max-length" not in message
    assert "--system" not in refused(reference, "{{ raise_exception('never') }}", SYSTEM, *TALK)


def test_whatever_a_template_raises_is_one_line(reference):
    for broken in ("{{ messages[99].role.x }}", "{{ 1 / 0 }}", "{{ 'a' + 1 }}"):
        assert "refuses it" in refused(reference, broken, *TALK)


# --- cost ---


def test_the_number_of_renderings_does_not_grow_with_a_conversation(reference, monkeypatch):
    other, counts = with_template(reference, TEMPLATES["plain"].source), []
    apply = ChatTemplate._apply
    monkeypatch.setattr(ChatTemplate, "_apply", lambda self, *given: counts.append(1) or apply(self, *given))
    for exchanges in (4, 40):
        counts.append(0)
        encode([conversation(*["what is two?", "the fox"] * exchanges)], other, 100_000)
    few = counts[1:].index(0)
    assert few == len(counts) - few - 2


def test_a_call_without_an_end_in_the_template_ends_with_itself(reference):
    source = (
        "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% for c in m.tool_calls or [] %}"
        "<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    call = (ToolCall("f", '{"a": {"b": [1]}}'),)
    found, _ = runs(
        reference, source, TALK[0], Message("assistant", "", tool_calls=call), Message("tool", "1"), TALK[1]
    )
    assert found[0] == '<tool_call>{"name": "f", "arguments": {"a": {"b": [1]}}}</tool_call>'
