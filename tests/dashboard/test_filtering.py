"""Lists are filtered by words, in a time that no pattern can make long."""

import time

import pytest

from dashboard.shared.filtering import matcher


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("", "anything", True), ("  ", "anything", True), ("Math", "smollm2 on math", True),
        ("math smollm2", "smollm2 on math", True), ("math gemma", "smollm2 on math", False),
        ("gemma|smollm2 math", "smollm2 on math", True), ("gemma | code", "smollm2 on math", False),
        ("smoll.*math", "smollm2 on math", True), ("smoll*code", "smollm2 on math", False),
        ("^(qv|dominant)", "dominant lr=0.001", True), ("(", "anything", True),
        ("|", "anything", True), ("down@(", "module down@(3", True), (".*", "smollm2", True),
    ],
)  # fmt: skip
def test_every_word_of_one_alternative_must_occur(pattern, text, fits):
    assert matcher(pattern)(text) is fits


def test_what_would_keep_a_regular_expression_busy_for_ever_is_a_word():
    began = time.monotonic()
    assert not matcher("(a+)+$")("a" * 5000 + "b")
    assert time.monotonic() - began < 1
