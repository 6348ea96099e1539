"""Which samples say the same, and which belong together."""

from __future__ import annotations

import pytest

from domlora.data.duplicates import alike, plain_text
from domlora.data.samples import Message, Sample, ToolCall


def said(question, answer="yes", row=0, split="train", system=None, **more):
    before = (Message("system", system),) if system is not None else ()
    return Sample((*before, Message("user", question), Message("assistant", answer, **more)), split, row)


@pytest.mark.parametrize(
    "other",
    [
        "WHAT is  a\tfox?", "  what is a fox?\n", "what is a f\u00adox?", "what is a \u200bfox?", "ｗｈａｔ is a fox?",
        "what\u00a0is a fox?", "\ufeffwhat is a fox?",
    ],
)  # fmt: skip
def test_case_white_space_forms_and_unseen_marks_make_no_difference(other):
    first, second = alike([said("What is a fox?"), said(other)]).texts
    assert first == second


def test_composed_and_decomposed_letters_are_one():
    assert plain_text("Caf\u00e9 STRASSE") == plain_text("cafe\u0301 straße")


@pytest.mark.parametrize(
    "other",
    [
        said("What is a dog?"),
        said("What is a fox?", "no"),
        said("What is a fox?", reasoning="Let me see."),
        said("What is a fox?", tool_calls=(ToolCall("look_up", '{"word": "fox"}'),)),
        said("What is a fox?", system="Be brief."),
        Sample((Message("assistant", "What is a fox?"), Message("user", "yes"))),
    ],
)
def test_other_words_or_another_speaker_are_a_difference(other):
    found = alike([said("What is a fox?"), other])
    assert found.texts[0] != found.texts[1] and found.families[0] != found.families[1]


def test_an_empty_system_text_is_none():
    first, second = alike([said("What is a fox?"), said("What is a fox?", system=" ")]).texts
    assert first == second


def test_samples_of_one_row_are_a_family_and_rows_without_a_number_are_not():
    found = alike([said("a", row=3), said("b", row=3), said("c", row=4), said("d"), said("e")])
    assert found.families[0] == found.families[1]
    assert len(set(found.families)) == 4 and len(set(found.texts)) == 5


def test_the_same_number_in_another_split_is_another_row():
    found = alike([said("a", row=3), said("b", row=3, split="test")])
    assert found.families[0] != found.families[1]


def test_a_chain_of_equal_texts_and_common_rows_is_one_family():
    chain = [said("a", row=1), said("b", row=1), said("B", row=2), said("c", row=2), said("C ", split="test", row=1)]
    found = alike([*chain, said("d", row=9)])
    assert len(set(found.families[:5])) == 1 and found.families[5] != found.families[0]
    assert found.texts[1] == found.texts[2] and found.texts[3] == found.texts[4]
