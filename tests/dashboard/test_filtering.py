"""Filters that people type: what fits, and that none takes long."""

import time

import pytest

from dashboard.shared.filtering import matcher

NAME = "random-2 lr=0.001 seed=0"


@pytest.mark.parametrize(
    ("typed", "fits"),
    [
        ("", True), ("RANDOM", True), ("qv", False), ("qv|random", True), ("qv|", False), ("|", True),
        ("0.001", True), ("lr=0.01", False), ("random.*seed=0", True), ("seed*random", False),
        ("^(qv|random)", True), ("^seed", False), ("seed=0$", True), ("random$", False), ("^random*0$", True),
        ("^random$", False), (r"random\-2", True), ("(", True), ("[", False), ("a+", False), ("0$|qv", True),
    ],
)  # fmt: skip
def test_what_is_typed_is_looked_for_as_it_stands(typed, fits):
    assert matcher(typed)(NAME) is fits


def test_no_filter_takes_long():
    begun = time.monotonic()
    for typed in ("(a+)+$", "(a|a)*$", "(.*a){20}", "*a" * 500):
        matcher(typed)("a" * 10_000 + "!")
    assert time.monotonic() - begun < 2
