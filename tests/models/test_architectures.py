"""The table in docs/architectures.md says what the census and the probe say."""

from tests.helpers.architectures import FILE, text


def test_the_table_of_architectures_is_not_stale():
    assert FILE.read_text(encoding="utf-8") == text(), "write it anew: python -m tests.helpers.architectures"
