"""From conversations to ids and response masks."""

import pytest

from domlora.data.encoding import encode
from domlora.data.samples import Message, Sample
from domlora.errors import TaskError
from tests.helpers.conversations import conversation


def responses(encoding, tokenizer):
    """The text of the response tokens of the first sample."""
    sample = encoding.samples[0]
    return tokenizer.decode([t for t, counts in zip(sample.ids, sample.response, strict=True) if counts])


def test_every_assistant_turn_counts_with_its_end_and_nothing_else(tokenizer):
    found = encode([conversation("what is two?", "the fox", "and please?", "lazy dog")], tokenizer, 100)
    assert responses(found, tokenizer) == "the fox<|end|>lazy dog<|end|>"


def test_an_answer_that_repeats_its_question_is_found_at_its_own_place(tokenizer):
    found = encode([conversation("the fox", "the fox")], tokenizer, 100)
    ids = found.samples[0].response
    assert responses(found, tokenizer) == "the fox<|end|>"
    assert not any(ids[: len(ids) // 2 - 1])


def test_template_that_rewrites_history_still_finds_the_turns(tokenizer):
    import copy

    rewriting = copy.deepcopy(tokenizer)
    rewriting.chat_template = (
        "{% for m in messages %}{{ loop.length }}<|{{ m['role'] }}|>{{ m['content'] }}<|end|>{% endfor %}"
        "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    found = encode([conversation("what is two?", "the fox", "and?", "lazy dog")], rewriting, 100)
    assert responses(found, rewriting) == "the fox<|end|>lazy dog<|end|>"


def test_model_without_template_gets_plain_turns(tokenizer):
    import copy

    plain = copy.deepcopy(tokenizer)
    plain.chat_template = None
    found = encode([conversation("what is two?", "the fox")], plain, 100)
    assert found.plain
    assert responses(found, plain).strip() == "the fox<|end|>"
    assert plain.decode(found.samples[0].ids).startswith("User: what is two?\n\nAssistant: the fox")


def test_truncation_is_counted_and_rows_without_response_are_dropped(tokenizer):
    short = conversation("what?", "the quick brown fox jumps over the lazy dog " * 5, row=1)
    long = conversation("what is two and two? " * 40, "four", row=2)
    found = encode([short, long], tokenizer, 40)
    assert found.truncated == 2
    assert len(found.samples) == 1
    assert len(found.samples[0].ids) == 40
    assert found.dropped == {2: "no response within the first 40 tokens"}


def test_nothing_left_is_an_error_that_names_a_row(tokenizer):
    with pytest.raises(TaskError, match="none of 1 samples can be used; row 7: no response within the first 5 tokens"):
        encode([conversation("what is two and two? " * 10, "four", row=7)], tokenizer, 5)


def test_sample_that_the_template_refuses_is_dropped_with_the_templates_reason(tokenizer):
    import copy

    strict = copy.deepcopy(tokenizer)
    strict.chat_template = (
        "{% for m in messages %}{% if m['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
        + tokenizer.chat_template.removeprefix("{% for m in messages %}")
    )
    bad = Sample((Message("system", "be nice"), Message("user", "what?"), Message("assistant", "four")), row=2)
    found = encode([conversation("what?", "four"), bad], strict, 50)
    assert "no system role" in found.dropped[2]
